-- name: device_ranking
SELECT
    ranked.place,
    ranked.device_id,
    ranked.name,
    ranked.place_name,
    ranked.energy_ac_kwh,
    ranked.energy_dc_kwh,
    ranked.energy_alone_kwh,
    ranked.efficiency_ratio,
    ranked.verdict,
    ranked.mean_power_kw,
    ranked.lost_kwh,
    ranked.lost_beyond_expected_kwh,
    ranked.measured_mean,
    ranked.sessions,
    ranked.hours_in_use,
    ranked.readings,
    ranked.coverage,
    ranked.is_estimated,
    coalesce(ranked.listed_devices, 0) AS listed_devices,
    pending.is_pending
FROM (SELECT internal.is_fleet_pending(%(window_from)s, %(window_to)s) AS is_pending) AS pending
LEFT JOIN api.device_ranking(
    %(device_type)s,
    %(window_from)s,
    %(window_to)s,
    %(sort)s,
    %(is_ascending)s,
    %(place_name)s,
    %(search)s,
    %(after)s,
    %(row_limit)s
) AS ranked ON true
ORDER BY ranked.place;

-- name: place_totals
SELECT
    total.place_name,
    total.devices,
    total.devices_seen,
    total.energy_ac_kwh,
    total.energy_dc_kwh,
    total.energy_alone_kwh,
    total.efficiency_ratio,
    total.lost_beyond_expected_kwh,
    total.devices_with_losses,
    total.devices_at_fault,
    total.sessions,
    total.hours_in_use,
    total.is_estimated,
    pending.is_pending
FROM (SELECT internal.is_fleet_pending(%(window_from)s, %(window_to)s) AS is_pending) AS pending
LEFT JOIN api.place_totals(%(device_type)s, %(window_from)s, %(window_to)s) AS total ON true
ORDER BY total.place_name NULLS LAST;
