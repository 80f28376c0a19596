-- An estimate from statistics, not a look into the index: an entry is its header, its key and a line pointer, a page holds
-- 8152 bytes of them at nine tenths. Where the table was never analysed there is none.

CREATE VIEW api.index_bloat AS
SELECT
    chunk.relation,
    chunk.chunk,
    index.indexrelid::regclass AS index_name,
    pg_relation_size(index.indexrelid) AS index_bytes,
    (
        ceil(heap.reltuples::float8 * (12 + 8 * ceil(key.width_bytes / 8.0)) / (8152 * 0.9)) * 8192
    )::bigint AS estimated_bytes,
    pg_relation_size(index.indexrelid)
    / nullif(ceil(heap.reltuples::float8 * (12 + 8 * ceil(key.width_bytes / 8.0)) / (8152 * 0.9)) * 8192, 0) AS bloat_ratio
FROM api.chunk
JOIN pg_catalog.pg_class AS heap ON heap.oid = chunk.chunk AND heap.reltuples > 0
JOIN pg_catalog.pg_index AS index ON index.indrelid = heap.oid
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = heap.relnamespace
CROSS JOIN LATERAL (
    SELECT CASE WHEN count(statistics.avg_width) = count(*) THEN sum(statistics.avg_width) END AS width_bytes
    FROM pg_catalog.pg_attribute AS attribute
    LEFT JOIN pg_catalog.pg_stats AS statistics
        ON
            statistics.schemaname = namespace.nspname
            AND statistics.tablename = heap.relname
            AND statistics.attname = attribute.attname
    WHERE attribute.attrelid = heap.oid AND attribute.attnum = ANY (index.indkey)
) AS key
WHERE NOT chunk.is_compressed;
