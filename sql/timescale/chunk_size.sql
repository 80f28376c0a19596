-- Differs by necessity because chunks and the columnstore are TimescaleDB's own. A chunk in the columnstore lies in a
-- second table, whose size counts here; what it took before is remembered by TimescaleDB.

CREATE VIEW api.chunk_size AS
WITH hypertable AS (
    SELECT
        policy.relation,
        format(
            '%I.%I',
            coalesce(rollup.materialization_hypertable_schema, 'telemetry'),
            coalesce(rollup.materialization_hypertable_name, policy.relation)
        )::regclass AS hypertable
    FROM telemetry.policy
    LEFT JOIN timescaledb_information.continuous_aggregates AS rollup
        ON rollup.view_schema = 'telemetry' AND rollup.view_name = policy.relation
)
SELECT
    hypertable.relation,
    format('%I.%I', size.chunk_schema, size.chunk_name)::regclass AS chunk,
    chunk.range_start AS range_from,
    chunk.range_end AS range_to,
    chunk.is_compressed,
    size.total_bytes,
    size.index_bytes,
    coalesce(stored.before_compression_total_bytes, size.total_bytes) AS uncompressed_bytes,
    stored.before_compression_total_bytes::float8 / nullif(size.total_bytes, 0) AS compression_ratio
FROM hypertable
CROSS JOIN LATERAL public.chunks_detailed_size(hypertable.hypertable) AS size
JOIN timescaledb_information.chunks AS chunk
    ON chunk.chunk_schema = size.chunk_schema AND chunk.chunk_name = size.chunk_name
LEFT JOIN LATERAL public.chunk_columnstore_stats(hypertable.hypertable) AS stored
    ON
        stored.chunk_schema = size.chunk_schema
        AND stored.chunk_name = size.chunk_name
        AND stored.compression_status = 'Compressed';
