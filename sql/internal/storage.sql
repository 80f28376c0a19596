CREATE VIEW internal.columnstore_lag AS
SELECT
    policy.relation,
    policy.columnstore_after,
    min(chunk.range_from) AS oldest_uncompressed_from,
    now() - min(chunk.range_from) AS oldest_uncompressed_age,
    count(*) FILTER (WHERE now() - chunk.range_to > policy.columnstore_after) AS chunks_overdue,
    max(now() - chunk.range_to - policy.columnstore_after)
        FILTER (WHERE now() - chunk.range_to > policy.columnstore_after) AS overdue_by
FROM internal.policy
JOIN internal.chunk USING (relation)
WHERE NOT chunk.is_compressed AND chunk.range_from < now()
GROUP BY policy.relation, policy.columnstore_after;

COMMENT ON VIEW internal.columnstore_lag IS
'The oldest chunk of each relation that is not in the columnstore. Normal: overdue by less than a day, since the job runs twice a day. More: see the columnstore job in api.job_health. Postgres profile: nothing is ever overdue, there is no columnstore.';
COMMENT ON COLUMN internal.columnstore_lag.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN internal.columnstore_lag.columnstore_after IS 'Age at which its policy wants a chunk there; null: never.';
COMMENT ON COLUMN internal.columnstore_lag.oldest_uncompressed_from IS 'Beginning of the oldest chunk that is not there.';
COMMENT ON COLUMN internal.columnstore_lag.oldest_uncompressed_age IS 'How long ago that was.';
COMMENT ON COLUMN internal.columnstore_lag.chunks_overdue IS 'Chunks that should be there and are not.';
COMMENT ON COLUMN internal.columnstore_lag.overdue_by IS 'For how long the one that waits longest should have been there; null: none.';

-- An estimate from statistics, not a look into the index: an entry is its header, its key and a line pointer, a page holds
-- 8152 bytes of them at nine tenths. Where the table was never analysed there is none.

CREATE VIEW internal.index_bloat AS
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
FROM internal.chunk
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

COMMENT ON VIEW internal.index_bloat IS
'Size of the indexes of uncompressed chunks against an estimate of what they need, from statistics (after ANALYZE). Normal: a ratio of 1 to 2, since random inserts leave half-full pages. Above 3: REINDEX INDEX CONCURRENTLY. An estimate: the index itself is not read.';
COMMENT ON COLUMN internal.index_bloat.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN internal.index_bloat.chunk IS 'Table the index belongs to.';
COMMENT ON COLUMN internal.index_bloat.index_name IS 'The index.';
COMMENT ON COLUMN internal.index_bloat.index_bytes IS 'Size, bytes.';
COMMENT ON COLUMN internal.index_bloat.estimated_bytes IS 'Size with pages nine tenths full, bytes; null: no statistics.';
COMMENT ON COLUMN internal.index_bloat.bloat_ratio IS 'The one over the other; null: no statistics.';

-- The newest chunks are found first, because the statistics of each table are slow to look up.

CREATE VIEW internal.cache_hits AS
WITH newest AS MATERIALIZED (
    SELECT DISTINCT ON (chunk.relation) chunk.relation, chunk.chunk
    FROM internal.chunk
    WHERE chunk.range_from < now() AND NOT chunk.is_compressed
    ORDER BY chunk.relation, chunk.range_to DESC
)
SELECT
    newest.relation,
    newest.chunk,
    io.heap_blks_read + io.idx_blks_read AS blocks_read,
    io.heap_blks_hit::float8 / nullif(io.heap_blks_hit + io.heap_blks_read, 0) AS heap_hit_ratio,
    io.idx_blks_hit::float8 / nullif(io.idx_blks_hit + io.idx_blks_read, 0) AS index_hit_ratio
FROM newest
JOIN pg_catalog.pg_statio_all_tables AS io ON io.relid = newest.chunk;

COMMENT ON VIEW internal.cache_hits IS
'Share of the reads of the newest uncompressed chunk of each relation that shared_buffers served, since statistics were reset. Normal: above 0.95, indexes above 0.99. Less: more shared_buffers, or a shorter chunk_interval. Reads from the operating system''s cache count as misses.';
COMMENT ON COLUMN internal.cache_hits.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN internal.cache_hits.chunk IS 'Its newest chunk.';
COMMENT ON COLUMN internal.cache_hits.blocks_read IS 'Blocks of table and indexes that were not in memory.';
COMMENT ON COLUMN internal.cache_hits.heap_hit_ratio IS 'Share of the table''s blocks found in memory; null: none was wanted.';
COMMENT ON COLUMN internal.cache_hits.index_hit_ratio IS 'Share of the indexes'' blocks found in memory; null: none was wanted.';

-- Implemented by each profile, with one meaning: sql/timescale/storage.sql and sql/postgres/storage.sql.

COMMENT ON VIEW internal.chunk IS
'The chunks there are (postgres profile: each relation, as its only chunk), without their sizes, which take longer to find out: api.chunk_size has these.';
COMMENT ON COLUMN internal.chunk.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN internal.chunk.chunk IS 'The chunk''s table.';
COMMENT ON COLUMN internal.chunk.range_from IS 'Beginning of its range of time; postgres profile: midnight (UTC) before the first day kept.';
COMMENT ON COLUMN internal.chunk.range_to IS 'End of its range of time, not included; postgres profile: now.';
COMMENT ON COLUMN internal.chunk.is_compressed IS 'Whether it is in the columnstore.';
