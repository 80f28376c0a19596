-- Differs by necessity because chunks and the columnstore are TimescaleDB's own. A chunk in the columnstore lies in a
-- second table, whose size counts here; what it took before is remembered by TimescaleDB.
--
-- What is known of a chunk is stacked and grouped, and not joined: the planner takes what TimescaleDB answers for a row or
-- two and would loop over all chunks for each chunk, and call the functions as often.

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
    FROM api.chunk
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
