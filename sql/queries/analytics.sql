-- name: vehicle_performance
SELECT
    is_known,
    energy_ac_kwh,
    energy_dc_kwh,
    energy_dc_elsewhere_kwh,
    efficiency_ratio,
    battery_temp_mean_c,
    meter_ids,
    meter_readings,
    vehicle_readings,
    meter_coverage,
    vehicle_coverage,
    meter_resets,
    vehicle_resets,
    meter_rollovers,
    vehicle_rollovers,
    spanned_ac_kwh,
    spanned_dc_kwh,
    is_estimated,
    is_pending,
    energy_ac_reason,
    energy_dc_reason,
    efficiency_reason,
    battery_temp_reason,
    faults
FROM api.vehicle_performance(%(vehicle_id)s, %(window_from)s, %(window_to)s);

-- name: vehicle_series
SELECT
    EXISTS (SELECT FROM api.live_vehicle_state AS live WHERE live.vehicle_id = %(vehicle_id)s)
    OR EXISTS (SELECT FROM api.assignment WHERE assignment.vehicle_id = %(vehicle_id)s)
    OR EXISTS (SELECT FROM api.vehicle AS listed WHERE listed.vehicle_id = %(vehicle_id)s) AS is_known,
    bucket_from,
    bucket_to,
    energy_ac_kwh,
    energy_dc_kwh,
    energy_dc_elsewhere_kwh,
    efficiency_ratio,
    battery_temp_mean_c,
    meter_readings,
    vehicle_readings,
    meter_coverage,
    vehicle_coverage,
    spanned_ac_kwh,
    spanned_dc_kwh,
    is_estimated,
    is_pending,
    energy_ac_reason,
    energy_dc_reason,
    efficiency_reason,
    CASE WHEN vehicle_readings = 0 THEN 'no_readings' END AS battery_temp_reason
FROM api.vehicle_series(%(vehicle_id)s, %(window_from)s, %(window_to)s, %(bucket)s, %(timezone)s);

-- name: meter_series
SELECT
    EXISTS (SELECT FROM api.live_meter_state AS live WHERE live.meter_id = %(meter_id)s)
    OR EXISTS (SELECT FROM api.assignment WHERE assignment.meter_id = %(meter_id)s)
    OR EXISTS (SELECT FROM api.meter AS listed WHERE listed.meter_id = %(meter_id)s) AS is_known,
    bucket_from,
    bucket_to,
    energy_ac_kwh,
    energy_ac_attributed_kwh,
    energy_ac_unattributed_kwh,
    voltage_mean_v,
    readings,
    coverage,
    is_estimated,
    is_pending
FROM api.meter_series(%(meter_id)s, %(window_from)s, %(window_to)s, %(bucket)s, %(timezone)s);

-- name: time_zone
SELECT 1 FROM pg_timezone_names WHERE name = %(timezone)s;

-- name: cut_size
SELECT
    count(*) AS buckets,
    count(*) FILTER (
        WHERE bucket_from <> internal.hour_floor(bucket_from) AND bucket_from <> %(window_from)s
    ) AS begin_within_an_hour
FROM internal.buckets(%(window_from)s, %(window_to)s, %(bucket)s, %(timezone)s);

-- name: meter_energy
SELECT
    drawn.is_known,
    drawn.readings,
    drawn.energy_ac_kwh,
    CASE WHEN drawn.energy_ac_kwh IS NOT NULL THEN coalesce(sum(fed.energy_ac_kwh) OVER (), 0) END AS energy_ac_attributed_kwh,
    CASE
        WHEN drawn.energy_ac_kwh IS NULL THEN NULL
        -- Of a difference of sums a trace may be left where there is none.
        WHEN drawn.readings = sum(fed.readings) OVER () THEN 0
        ELSE drawn.energy_ac_kwh - coalesce(sum(fed.energy_ac_kwh) OVER (), 0)
    END AS energy_ac_unattributed_kwh,
    drawn.voltage_mean_v,
    drawn.voltage_min_v,
    drawn.voltage_max_v,
    drawn.coverage,
    drawn.resets,
    drawn.spanned_ac_kwh,
    drawn.is_estimated,
    drawn.is_pending,
    drawn.energy_ac_reason,
    drawn.faults,
    fed.vehicle_id,
    fed.fed_seconds,
    fed.readings AS fed_readings,
    fed.energy_ac_kwh AS fed_energy_ac_kwh,
    fed.energy_dc_kwh AS fed_energy_dc_kwh,
    fed.efficiency_ratio AS fed_efficiency_ratio
FROM api.meter_energy(%(meter_id)s, %(window_from)s, %(window_to)s) AS drawn
LEFT JOIN api.meter_vehicles(%(meter_id)s, %(window_from)s, %(window_to)s) AS fed ON true;

-- name: vehicle_explanation
SELECT
    performance.is_known,
    performance.energy_ac_kwh,
    performance.energy_dc_kwh,
    performance.energy_dc_elsewhere_kwh,
    performance.efficiency_ratio,
    performance.battery_temp_mean_c,
    performance.meter_ids,
    performance.meter_readings,
    performance.vehicle_readings,
    performance.meter_coverage,
    performance.vehicle_coverage,
    performance.meter_resets,
    performance.vehicle_resets,
    performance.meter_rollovers,
    performance.vehicle_rollovers,
    performance.spanned_ac_kwh,
    performance.spanned_dc_kwh,
    performance.is_estimated,
    performance.is_pending,
    performance.energy_ac_reason,
    performance.energy_dc_reason,
    performance.efficiency_reason,
    performance.battery_temp_reason,
    performance.faults,
    part.device_type,
    part.device_id,
    part.meter_id,
    part.assignment_id,
    part.feed_from,
    part.feed_to,
    part.bucket_start,
    part.energy_reading,
    part.source,
    part.first_recorded_at,
    part.last_recorded_at,
    part.readings,
    part.energy_kwh,
    part.is_estimated AS part_is_estimated,
    part.steps,
    part.steps_at,
    part.steps_before_kwh,
    part.steps_to_kwh
FROM api.vehicle_performance(%(vehicle_id)s, %(window_from)s, %(window_to)s) AS performance
CROSS JOIN api.vehicle_explanation(%(vehicle_id)s, %(window_from)s, %(window_to)s) AS part
ORDER BY part.device_type, part.feed_from, part.first_recorded_at, part.energy_reading;
