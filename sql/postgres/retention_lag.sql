-- Differs by necessity because there are no chunks here: the oldest row is found by index, device by device, of relations
-- that drop anything.

CREATE VIEW api.retention_lag AS
SELECT
    policy.relation,
    policy.drop_after,
    oldest.instant AS oldest_from,
    now() - oldest.instant - policy.drop_after AS overdue_by,
    interval '1 day' AS normal_lag
FROM telemetry.policy
CROSS JOIN LATERAL (
    SELECT
        CASE policy.relation
            WHEN 'meter_telemetry_history' THEN (
                SELECT min(kept.recorded_at)
                FROM telemetry.live_meter_state AS device
                CROSS JOIN LATERAL (
                    SELECT reading.recorded_at
                    FROM telemetry.meter_telemetry_history AS reading
                    WHERE reading.meter_id = device.meter_id
                    ORDER BY reading.recorded_at
                    LIMIT 1
                ) AS kept
            )
            WHEN 'vehicle_telemetry_history' THEN (
                SELECT min(kept.recorded_at)
                FROM telemetry.live_vehicle_state AS device
                CROSS JOIN LATERAL (
                    SELECT reading.recorded_at
                    FROM telemetry.vehicle_telemetry_history AS reading
                    WHERE reading.vehicle_id = device.vehicle_id
                    ORDER BY reading.recorded_at
                    LIMIT 1
                ) AS kept
            )
            WHEN 'meter_hourly' THEN (
                SELECT min(kept.bucket_start)
                FROM telemetry.live_meter_state AS device
                CROSS JOIN LATERAL (
                    SELECT rollup.bucket_start
                    FROM telemetry.meter_hourly AS rollup
                    WHERE rollup.meter_id = device.meter_id
                    ORDER BY rollup.bucket_start
                    LIMIT 1
                ) AS kept
            )
            WHEN 'vehicle_hourly' THEN (
                SELECT min(kept.bucket_start)
                FROM telemetry.live_vehicle_state AS device
                CROSS JOIN LATERAL (
                    SELECT rollup.bucket_start
                    FROM telemetry.vehicle_hourly AS rollup
                    WHERE rollup.vehicle_id = device.vehicle_id
                    ORDER BY rollup.bucket_start
                    LIMIT 1
                ) AS kept
            )
            WHEN 'meter_daily' THEN (
                SELECT min(kept.bucket_start)
                FROM telemetry.live_meter_state AS device
                CROSS JOIN LATERAL (
                    SELECT rollup.bucket_start
                    FROM telemetry.meter_daily AS rollup
                    WHERE rollup.meter_id = device.meter_id
                    ORDER BY rollup.bucket_start
                    LIMIT 1
                ) AS kept
            )
            WHEN 'vehicle_daily' THEN (
                SELECT min(kept.bucket_start)
                FROM telemetry.live_vehicle_state AS device
                CROSS JOIN LATERAL (
                    SELECT rollup.bucket_start
                    FROM telemetry.vehicle_daily AS rollup
                    WHERE rollup.vehicle_id = device.vehicle_id
                    ORDER BY rollup.bucket_start
                    LIMIT 1
                ) AS kept
            )
        END AS instant
) AS oldest
WHERE policy.drop_after IS NOT NULL;
