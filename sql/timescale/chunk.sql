-- Differs by necessity because chunks are TimescaleDB's own. Names are looked up in the catalog and not cast: a cast asks
-- for a right on the schema, which who reads schema api alone has not.

CREATE VIEW api.chunk AS
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
