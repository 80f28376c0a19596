-- name: fleet_energy
SELECT
    bucket_from,
    bucket_to,
    energy_ac_kwh,
    energy_dc_kwh,
    energy_dc_elsewhere_kwh,
    energy_ac_attributed_kwh,
    energy_ac_unattributed_kwh,
    efficiency_ratio,
    vehicles_matched,
    meters_at_fault,
    vehicles_at_fault,
    matched_energy_ac_kwh,
    matched_energy_dc_kwh,
    meters_seen,
    vehicles_seen,
    meter_readings,
    vehicle_readings,
    meter_coverage,
    vehicle_coverage,
    is_estimated,
    is_pending,
    energy_ac_reason,
    energy_dc_reason,
    efficiency_reason
FROM api.fleet_energy(%(window_from)s, %(window_to)s, %(bucket)s, %(timezone)s);

-- name: losses
-- One row without a list where nothing is listed.
SELECT
    pending.is_pending,
    found.is_total,
    found.list,
    found.device_type,
    found.device_id,
    found.verdict,
    found.cause,
    found.energy_ac_kwh,
    found.energy_dc_kwh,
    found.efficiency_ratio,
    found.mean_power_kw,
    found.expected_ratio,
    found.lost_kwh,
    found.lost_beyond_expected_kwh,
    found.since,
    found.meter_readings,
    found.vehicle_readings,
    found.meter_coverage,
    found.vehicle_coverage,
    found.listed_devices,
    found.listed_kwh
FROM (SELECT internal.is_fleet_pending(%(window_from)s, %(window_to)s) AS is_pending) AS pending
LEFT JOIN internal.losses(%(window_from)s, %(window_to)s, %(below)s, %(row_limit)s) AS found ON true
ORDER BY found.list, found.place, found.device_type, found.verdict;
