-- Differs by necessity because there are no chunks here: each relation is one table, which is listed as its only chunk. Names
-- are looked up in the catalog and not cast: a cast needs a right on the schema, which a reader of schema api has not.

CREATE VIEW internal.chunk AS
WITH oldest AS (
    SELECT
        (
            SELECT internal.day_floor(min(daily.bucket_start))
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
            SELECT internal.day_floor(min(daily.bucket_start))
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
    CASE WHEN first.day IS NOT NULL THEN greatest(first.day, internal.history_horizon(policy.relation)) END AS range_from,
    now() AS range_to,
    false AS is_compressed
FROM telemetry.policy
CROSS JOIN oldest
CROSS JOIN LATERAL (
    SELECT CASE WHEN policy.relation LIKE 'meter%' THEN oldest.meter_day ELSE oldest.vehicle_day END AS day
) AS first
JOIN pg_catalog.pg_namespace AS schema ON schema.nspname = 'telemetry'
JOIN pg_catalog.pg_class AS kept ON kept.relnamespace = schema.oid AND kept.relname = policy.relation;

-- Differs by necessity because there is no columnstore here.

CREATE VIEW api.chunk_size AS
SELECT
    chunk.relation,
    chunk.chunk,
    chunk.range_from,
    chunk.range_to,
    chunk.is_compressed,
    pg_total_relation_size(chunk.chunk) AS total_bytes,
    pg_indexes_size(chunk.chunk) AS index_bytes,
    pg_total_relation_size(chunk.chunk) AS uncompressed_bytes,
    NULL::float8 AS compression_ratio
FROM internal.chunk;

-- Differs by necessity because there are no chunks here: the size of a day is the size of a row, by the statistics of the
-- newest ANALYZE, times the rows of a day of the last week, those of the hours computed from the days. The average over all
-- history, when the fleet was smaller, is used where the table was never analysed.

CREATE VIEW api.relation_size AS
WITH rolled_up AS (
    SELECT 'meter' AS device_type, daily.bucket_start, daily.readings
    FROM telemetry.meter_daily AS daily
    WHERE daily.bucket_start > internal.day_floor(now()) - interval '168 hours'
    UNION ALL
    SELECT 'vehicle', daily.bucket_start, daily.readings
    FROM telemetry.vehicle_daily AS daily
    WHERE daily.bucket_start > internal.day_floor(now()) - interval '168 hours'
),
day AS (
    SELECT
        rolled_up.device_type,
        count(*)::float8 / count(DISTINCT rolled_up.bucket_start) AS devices,
        sum(rolled_up.readings)::float8 / count(DISTINCT rolled_up.bucket_start) AS readings
    FROM rolled_up
    -- The current day is incomplete.
    WHERE rolled_up.bucket_start <= internal.day_floor(now())
    GROUP BY rolled_up.device_type
)
SELECT
    chunk.relation,
    1::bigint AS chunks,
    0::bigint AS chunks_compressed,
    CASE WHEN heap.reltuples >= 0 THEN heap.reltuples::bigint END AS rows_estimated,
    chunk.total_bytes,
    chunk.index_bytes,
    0::bigint AS columnstore_bytes,
    NULL::float8 AS compression_ratio,
    chunk.range_from,
    chunk.range_to,
    coalesce(
        chunk.total_bytes / nullif(greatest(heap.reltuples, 0), 0)
        * CASE
            WHEN chunk.relation LIKE '%\_history' THEN day.readings
            WHEN chunk.relation LIKE '%\_hourly' THEN least(24 * day.devices, day.readings)
            ELSE day.devices
        END,
        chunk.total_bytes
        / (nullif(extract(epoch FROM chunk.range_to - chunk.range_from), 0) / 86400)
    )::bigint AS settled_bytes_per_day,
    coalesce(chunk.range_from > now() - policy.drop_after, true) AS is_growing
FROM api.chunk_size AS chunk
JOIN telemetry.policy USING (relation)
JOIN pg_catalog.pg_class AS heap ON heap.oid = chunk.chunk
LEFT JOIN day ON chunk.relation LIKE day.device_type || '%';
