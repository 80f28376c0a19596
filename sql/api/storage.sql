-- SQL cannot find out how large the disk is: it is told, or whoever asks knows what is free.

CREATE PROCEDURE api.set_disk_size(size text)
LANGUAGE sql
AS $$
    INSERT INTO telemetry.disk (size_bytes)
    VALUES (pg_size_bytes(size))
    ON CONFLICT (is_the_only_row) DO UPDATE SET size_bytes = excluded.size_bytes
$$;

COMMENT ON PROCEDURE api.set_disk_size(text) IS
'Tells how large the disk is that the database may fill: CALL api.set_disk_size(''500 GB''). What else lies on that disk is to be left out.';

-- What the database grows by in a day may be told too, by who has read api.relation_size already.
CREATE FUNCTION api.disk_outlook(free_bytes bigint DEFAULT NULL, growth_bytes_per_day bigint DEFAULT NULL)
RETURNS TABLE (
    database_bytes bigint,
    growing_bytes_per_day bigint,
    disk_free_bytes bigint,
    days_left float8
)
LANGUAGE sql STABLE
-- Of so many parts, compiling takes longer than running.
SET jit = off
AS $$
    SELECT
        size.database_bytes,
        growth.bytes_per_day,
        disk.free_bytes,
        CASE WHEN disk.free_bytes > 0 THEN disk.free_bytes WHEN disk.free_bytes <= 0 THEN 0 END
        / nullif(growth.bytes_per_day, 0)::float8
    FROM (SELECT pg_database_size(current_database()) AS database_bytes) AS size
    CROSS JOIN (
        SELECT coalesce(
            growth_bytes_per_day,
            (SELECT sum(settled_bytes_per_day) FILTER (WHERE is_growing) FROM api.relation_size),
            0
        )::bigint AS bytes_per_day
    ) AS growth
    CROSS JOIN LATERAL (
        SELECT coalesce(free_bytes, (SELECT disk.size_bytes FROM api.disk) - size.database_bytes) AS free_bytes
    ) AS disk
$$;

COMMENT ON FUNCTION api.disk_outlook(bigint, bigint) IS
'Size of the database, what it grows by in a day at the rate of the last week, once chunks are settled (given, or from api.relation_size; relations that drop as much as comes do not grow), free bytes (given, or from telemetry.disk), and the days until the disk is full at this rate; null: the disk''s size is not known, or nothing grows. Normal: more than 30 days. Else drop sooner (api.set_policy), or get a larger disk.';

CREATE VIEW api.columnstore_lag AS
SELECT
    policy.relation,
    policy.columnstore_after,
    min(chunk.range_from) AS oldest_uncompressed_from,
    now() - min(chunk.range_from) AS oldest_uncompressed_age,
    count(*) FILTER (WHERE now() - chunk.range_to > policy.columnstore_after) AS chunks_overdue,
    max(now() - chunk.range_to - policy.columnstore_after)
        FILTER (WHERE now() - chunk.range_to > policy.columnstore_after) AS overdue_by
FROM api.policy
JOIN api.chunk USING (relation)
WHERE NOT chunk.is_compressed AND chunk.range_from < now()
GROUP BY policy.relation, policy.columnstore_after;

COMMENT ON VIEW api.columnstore_lag IS
'The oldest chunk of each relation that is not in the columnstore. Normal: overdue by less than a day, since the job runs twice a day. More: see the columnstore job in api.job_health. Postgres profile: nothing is ever overdue, there is no columnstore.';
COMMENT ON COLUMN api.columnstore_lag.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN api.columnstore_lag.columnstore_after IS 'Age at which its policy wants a chunk there; null: never.';
COMMENT ON COLUMN api.columnstore_lag.oldest_uncompressed_from IS 'Beginning of the oldest chunk that is not there.';
COMMENT ON COLUMN api.columnstore_lag.oldest_uncompressed_age IS 'How long ago that was.';
COMMENT ON COLUMN api.columnstore_lag.chunks_overdue IS 'Chunks that should be there and are not.';
COMMENT ON COLUMN api.columnstore_lag.overdue_by IS 'For how long the one that waits longest should have been there; null: none.';

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

COMMENT ON VIEW api.index_bloat IS
'Size of the indexes of uncompressed chunks against an estimate of what they need, from statistics (after ANALYZE). Normal: a ratio of 1 to 2, since random inserts leave half-full pages. Above 3: REINDEX INDEX CONCURRENTLY. An estimate: nobody looked into the index.';
COMMENT ON COLUMN api.index_bloat.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN api.index_bloat.chunk IS 'Table the index belongs to.';
COMMENT ON COLUMN api.index_bloat.index_name IS 'The index.';
COMMENT ON COLUMN api.index_bloat.index_bytes IS 'What it takes, bytes.';
COMMENT ON COLUMN api.index_bloat.estimated_bytes IS 'What it would need with pages nine tenths full, bytes; null: no statistics.';
COMMENT ON COLUMN api.index_bloat.bloat_ratio IS 'The one over the other; null: no statistics.';

-- The newest chunks are found first: the statistics of one table take long enough to find.

CREATE VIEW api.cache_hits AS
WITH newest AS MATERIALIZED (
    SELECT DISTINCT ON (chunk.relation) chunk.relation, chunk.chunk
    FROM api.chunk
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

COMMENT ON VIEW api.cache_hits IS
'How much of the newest uncompressed chunk of each relation is found in shared_buffers, since statistics were reset. Normal: above 0.95, indexes above 0.99. Less: more shared_buffers, or a shorter chunk_interval. What the operating system caches counts as read.';
COMMENT ON COLUMN api.cache_hits.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN api.cache_hits.chunk IS 'Its newest chunk.';
COMMENT ON COLUMN api.cache_hits.blocks_read IS 'Blocks of table and indexes that were not in memory.';
COMMENT ON COLUMN api.cache_hits.heap_hit_ratio IS 'Share of the table''s blocks found in memory; null: none was wanted.';
COMMENT ON COLUMN api.cache_hits.index_hit_ratio IS 'Share of the indexes'' blocks found in memory; null: none was wanted.';

-- What each profile makes in a way of its own, in sql/timescale/storage.sql and sql/postgres/storage.sql, and means alike.

COMMENT ON VIEW api.chunk IS
'The chunks there are (postgres profile: each relation, as its only chunk), without their sizes, which take longer to find out: api.chunk_size has these.';
COMMENT ON COLUMN api.chunk.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN api.chunk.chunk IS 'The chunk''s table.';
COMMENT ON COLUMN api.chunk.range_from IS 'Beginning of its range of time; postgres profile: midnight (UTC) before the first day kept.';
COMMENT ON COLUMN api.chunk.range_to IS 'End of its range of time, not included; postgres profile: now.';
COMMENT ON COLUMN api.chunk.is_compressed IS 'Whether it is in the columnstore.';

COMMENT ON VIEW api.chunk_size IS
'What each chunk takes on disk (postgres profile: each relation, as its only chunk). Normal: chunks older than columnstore_after are compressed, 5 to 12 times smaller. One that is not: see api.columnstore_lag.';
COMMENT ON COLUMN api.chunk_size.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN api.chunk_size.chunk IS 'The chunk''s table.';
COMMENT ON COLUMN api.chunk_size.range_from IS 'Beginning of its range of time; postgres profile: midnight (UTC) before the first day kept.';
COMMENT ON COLUMN api.chunk_size.range_to IS 'End of its range of time, not included; postgres profile: now.';
COMMENT ON COLUMN api.chunk_size.is_compressed IS 'Whether it is in the columnstore.';
COMMENT ON COLUMN api.chunk_size.total_bytes IS 'What it takes now, indexes included, bytes.';
COMMENT ON COLUMN api.chunk_size.index_bytes IS 'What its indexes take now, bytes.';
COMMENT ON COLUMN api.chunk_size.uncompressed_bytes IS 'What it took before it went to the columnstore, or takes now, bytes.';
COMMENT ON COLUMN api.chunk_size.compression_ratio IS 'How many times smaller the columnstore made it; null: it is not there.';

COMMENT ON VIEW api.relation_size IS
'What each relation takes on disk, in all and a day. Normal: histories 5 to 12 times smaller in the columnstore, all but the newest chunks there.';
COMMENT ON COLUMN api.relation_size.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN api.relation_size.chunks IS 'Chunks there are; postgres profile: 1.';
COMMENT ON COLUMN api.relation_size.chunks_compressed IS 'Chunks in the columnstore.';
COMMENT ON COLUMN api.relation_size.total_bytes IS 'What it takes now, indexes included, bytes.';
COMMENT ON COLUMN api.relation_size.index_bytes IS 'What its indexes take now, bytes.';
COMMENT ON COLUMN api.relation_size.columnstore_bytes IS 'What its chunks in the columnstore take, bytes.';
COMMENT ON COLUMN api.relation_size.compression_ratio IS 'How many times smaller the columnstore made these; null: none is there.';
COMMENT ON COLUMN api.relation_size.range_from IS 'Beginning of its oldest chunk.';
COMMENT ON COLUMN api.relation_size.range_to IS 'End of its newest chunk.';
COMMENT ON COLUMN api.relation_size.settled_bytes_per_day IS
'What a day of it takes, bytes: by the newest seven chunks in the columnstore, or others where none is there yet; postgres profile: by the size of a row and the rows of the last week.';
COMMENT ON COLUMN api.relation_size.is_growing IS 'Whether nothing is dropped yet in return for what comes.';
