-- Differs by necessity because there are no chunks here: each relation is one table, which stands for its only chunk.

CREATE VIEW api.chunk_size AS
WITH oldest AS (
    SELECT
        (
            SELECT min(daily.bucket_start)
            FROM telemetry.live_meter_state AS device
            CROSS JOIN LATERAL (
                SELECT bucket_start
                FROM telemetry.meter_daily
                WHERE meter_daily.meter_id = device.meter_id
                ORDER BY bucket_start
                LIMIT 1
            ) AS daily
        ) AS meter_day,
        (
            SELECT min(daily.bucket_start)
            FROM telemetry.live_vehicle_state AS device
            CROSS JOIN LATERAL (
                SELECT bucket_start
                FROM telemetry.vehicle_daily
                WHERE vehicle_daily.vehicle_id = device.vehicle_id
                ORDER BY bucket_start
                LIMIT 1
            ) AS daily
        ) AS vehicle_day
)
SELECT
    policy.relation,
    kept.chunk,
    -- Null where nothing was ever kept.
    CASE WHEN kept.first_day IS NOT NULL THEN greatest(kept.first_day, api.history_horizon(policy.relation)) END
        AS range_from,
    now() AS range_to,
    false AS is_compressed,
    pg_total_relation_size(kept.chunk) AS total_bytes,
    pg_indexes_size(kept.chunk) AS index_bytes,
    pg_total_relation_size(kept.chunk) AS uncompressed_bytes,
    NULL::float8 AS compression_ratio
FROM telemetry.policy
CROSS JOIN oldest
CROSS JOIN LATERAL (
    SELECT
        format('telemetry.%I', policy.relation)::regclass AS chunk,
        CASE WHEN policy.relation LIKE 'meter%' THEN oldest.meter_day ELSE oldest.vehicle_day END AS first_day
) AS kept;
