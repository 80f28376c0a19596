-- name: device_curve
SELECT
    known.is_known,
    known.is_pending,
    point.bucket_from,
    point.bucket_to,
    point.energy_kwh,
    point.power_kw,
    point.voltage_mean_v,
    point.soc_last_pct,
    point.battery_temp_mean_c,
    point.readings
FROM (
    SELECT
        CASE %(device_type)s
            WHEN 'meter' THEN
                EXISTS (SELECT FROM api.live_meter_state AS live WHERE live.meter_id = %(device_id)s)
                OR EXISTS (SELECT FROM api.assignment WHERE assignment.meter_id = %(device_id)s)
                OR EXISTS (SELECT FROM api.meter AS listed WHERE listed.meter_id = %(device_id)s)
            ELSE
                EXISTS (SELECT FROM api.live_vehicle_state AS live WHERE live.vehicle_id = %(device_id)s)
                OR EXISTS (SELECT FROM api.assignment WHERE assignment.vehicle_id = %(device_id)s)
                OR EXISTS (SELECT FROM api.vehicle AS listed WHERE listed.vehicle_id = %(device_id)s)
        END AS is_known,
        -- The history has late readings at once; steps of a register may be judged later.
        EXISTS (
            SELECT
            FROM internal.register_backlog AS waiting
            WHERE
                waiting.device_type = %(device_type)s
                AND waiting.device_id = %(device_id)s
                AND waiting.judged_before <= %(window_to)s
        ) AS is_pending
) AS known
CROSS JOIN api.device_curve(%(device_type)s, %(device_id)s, %(window_from)s, %(window_to)s, %(bucket)s) AS point
ORDER BY point.bucket_from;
