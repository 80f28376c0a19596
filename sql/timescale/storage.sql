-- Differs by necessity because chunks are TimescaleDB's own. Names are looked up in the catalog and not cast: a cast needs
-- a right on the schema, which a reader of schema api has not.

CREATE VIEW internal.chunk AS
SELECT
    policy.relation,
    table_of_chunk.oid::regclass AS chunk,
    chunk.range_start AS range_from,
    chunk.range_end AS range_to,
    chunk.is_compressed
FROM telemetry.policy
LEFT JOIN timescaledb_information.continuous_aggregates AS rollup
    ON rollup.view_schema = 'telemetry' AND rollup.view_name = policy.relation
JOIN timescaledb_information.chunks AS chunk
    ON
        chunk.hypertable_schema = coalesce(rollup.materialization_hypertable_schema, 'telemetry')
        AND chunk.hypertable_name = coalesce(rollup.materialization_hypertable_name, policy.relation)
JOIN pg_catalog.pg_namespace AS schema ON schema.nspname = chunk.chunk_schema
JOIN pg_catalog.pg_class AS table_of_chunk
    ON table_of_chunk.relnamespace = schema.oid AND table_of_chunk.relname = chunk.chunk_name;

-- Differs by necessity because chunks and the columnstore are TimescaleDB's own. A chunk in the columnstore lies in a
-- second table, whose size counts here; TimescaleDB remembers its size before.
--
-- The facts about a chunk are stacked and grouped, and not joined: the planner estimates a row or two for TimescaleDB's
-- functions, and would loop over all chunks for each chunk, and call the functions as often.

CREATE VIEW api.chunk_size AS
WITH hypertable AS MATERIALIZED (
    SELECT table_of_chunks.oid::regclass AS hypertable
    FROM telemetry.policy
    LEFT JOIN timescaledb_information.continuous_aggregates AS rollup
        ON rollup.view_schema = 'telemetry' AND rollup.view_name = policy.relation
    JOIN pg_catalog.pg_namespace AS schema
        ON schema.nspname = coalesce(rollup.materialization_hypertable_schema, 'telemetry')
    JOIN pg_catalog.pg_class AS table_of_chunks
        ON
            table_of_chunks.relnamespace = schema.oid
            AND table_of_chunks.relname = coalesce(rollup.materialization_hypertable_name, policy.relation)
),
size AS MATERIALIZED (
    SELECT
        chunk.chunk_schema,
        chunk.chunk_name,
        chunk.total_bytes,
        chunk.index_bytes,
        NULL::bigint AS bytes_before
    FROM hypertable
    CROSS JOIN LATERAL public.chunks_detailed_size(hypertable.hypertable) AS chunk
    UNION ALL
    SELECT chunk.chunk_schema, chunk.chunk_name, NULL, NULL, chunk.before_compression_total_bytes
    FROM hypertable
    CROSS JOIN LATERAL public.chunk_columnstore_stats(hypertable.hypertable) AS chunk
    WHERE chunk.compression_status = 'Compressed'
),
known AS (
    SELECT
        chunk.chunk::oid AS chunk,
        chunk.relation,
        chunk.range_from,
        chunk.range_to,
        chunk.is_compressed,
        NULL::bigint AS total_bytes,
        NULL::bigint AS index_bytes,
        NULL::bigint AS bytes_before
    FROM internal.chunk
    UNION ALL
    SELECT table_of_chunk.oid, NULL, NULL, NULL, NULL, size.total_bytes, size.index_bytes, size.bytes_before
    FROM size
    JOIN pg_catalog.pg_namespace AS schema ON schema.nspname = size.chunk_schema
    JOIN pg_catalog.pg_class AS table_of_chunk
        ON table_of_chunk.relnamespace = schema.oid AND table_of_chunk.relname = size.chunk_name
)
SELECT
    max(known.relation) AS relation,
    known.chunk::regclass AS chunk,
    max(known.range_from) AS range_from,
    max(known.range_to) AS range_to,
    bool_or(known.is_compressed) AS is_compressed,
    max(known.total_bytes) AS total_bytes,
    max(known.index_bytes) AS index_bytes,
    coalesce(max(known.bytes_before), max(known.total_bytes)) AS uncompressed_bytes,
    max(known.bytes_before)::float8 / nullif(max(known.total_bytes), 0) AS compression_ratio
FROM known
GROUP BY known.chunk
HAVING max(known.relation) IS NOT NULL AND max(known.total_bytes) IS NOT NULL;

-- Differs by necessity because here settled chunks show the size of a day: the newest seven in the columnstore, else of those
-- that are complete, else of all. Older ones are of a time when the fleet was smaller.

CREATE VIEW api.relation_size AS
WITH chunk AS MATERIALIZED (
    SELECT
        size.relation,
        size.chunk,
        size.range_from,
        size.range_to,
        size.is_compressed,
        size.total_bytes,
        size.index_bytes,
        size.uncompressed_bytes
    FROM api.chunk_size AS size
),
staged AS (
    SELECT
        chunk.relation,
        chunk.total_bytes,
        extract(epoch FROM least(chunk.range_to, now()) - chunk.range_from) / 86400 AS days,
        CASE WHEN chunk.is_compressed THEN 1 WHEN chunk.range_to < now() THEN 2 ELSE 3 END AS stage,
        chunk.range_to
    FROM chunk
    WHERE chunk.range_from < now()
),
settled AS (
    SELECT
        staged.relation,
        staged.total_bytes,
        staged.days,
        staged.stage = min(staged.stage) OVER (PARTITION BY staged.relation) AS is_of_the_best_stage,
        row_number() OVER (PARTITION BY staged.relation, staged.stage ORDER BY staged.range_to DESC) AS place
    FROM staged
),
rate AS (
    SELECT settled.relation, sum(settled.total_bytes) / nullif(sum(settled.days), 0) AS bytes_per_day
    FROM settled
    WHERE settled.is_of_the_best_stage AND settled.place <= 7
    GROUP BY settled.relation
),
counted AS MATERIALIZED (
    SELECT policy.relation, public.approximate_row_count(table_of_chunks.oid::regclass) AS rows
    FROM telemetry.policy
    LEFT JOIN timescaledb_information.continuous_aggregates AS rollup
        ON rollup.view_schema = 'telemetry' AND rollup.view_name = policy.relation
    JOIN pg_catalog.pg_namespace AS schema
        ON schema.nspname = coalesce(rollup.materialization_hypertable_schema, 'telemetry')
    JOIN pg_catalog.pg_class AS table_of_chunks
        ON
            table_of_chunks.relnamespace = schema.oid
            AND table_of_chunks.relname = coalesce(rollup.materialization_hypertable_name, policy.relation)
)
SELECT
    policy.relation,
    count(chunk.chunk) AS chunks,
    count(chunk.chunk) FILTER (WHERE chunk.is_compressed) AS chunks_compressed,
    CASE WHEN count(chunk.chunk) = 0 THEN 0 ELSE nullif(counted.rows, 0) END AS rows_estimated,
    coalesce(sum(chunk.total_bytes), 0)::bigint AS total_bytes,
    coalesce(sum(chunk.index_bytes), 0)::bigint AS index_bytes,
    coalesce(sum(chunk.total_bytes) FILTER (WHERE chunk.is_compressed), 0)::bigint AS columnstore_bytes,
    (
        sum(chunk.uncompressed_bytes) FILTER (WHERE chunk.is_compressed)
        / nullif(sum(chunk.total_bytes) FILTER (WHERE chunk.is_compressed), 0)
    )::float8 AS compression_ratio,
    min(chunk.range_from) AS range_from,
    max(chunk.range_to) AS range_to,
    rate.bytes_per_day::bigint AS settled_bytes_per_day,
    coalesce(min(chunk.range_from) > now() - policy.drop_after, true) AS is_growing
FROM telemetry.policy
LEFT JOIN chunk USING (relation)
LEFT JOIN rate USING (relation)
LEFT JOIN counted USING (relation)
GROUP BY policy.relation, policy.drop_after, rate.bytes_per_day, counted.rows;
