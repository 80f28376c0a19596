-- Differs by necessity because there are no chunks here: each relation is one table, which stands for its only chunk. Names
-- are looked up in the catalog and not cast: a cast asks for a right on the schema, which who reads schema api alone has not.

CREATE VIEW api.chunk AS
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
    kept.oid::regclass AS chunk,
    -- Null where nothing was ever kept.
    CASE WHEN first.day IS NOT NULL THEN greatest(first.day, api.history_horizon(policy.relation)) END AS range_from,
    now() AS range_to,
    false AS is_compressed
FROM telemetry.policy
CROSS JOIN oldest
CROSS JOIN LATERAL (
    SELECT CASE WHEN policy.relation LIKE 'meter%' THEN oldest.meter_day ELSE oldest.vehicle_day END AS day
) AS first
JOIN pg_catalog.pg_namespace AS schema ON schema.nspname = 'telemetry'
JOIN pg_catalog.pg_class AS kept ON kept.relnamespace = schema.oid AND kept.relname = policy.relation;
