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
