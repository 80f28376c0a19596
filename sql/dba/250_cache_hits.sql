CREATE VIEW api.cache_hits AS
SELECT DISTINCT ON (chunk.relation)
    chunk.relation,
    chunk.chunk,
    io.heap_blks_read + io.idx_blks_read AS blocks_read,
    io.heap_blks_hit::float8 / nullif(io.heap_blks_hit + io.heap_blks_read, 0) AS heap_hit_ratio,
    io.idx_blks_hit::float8 / nullif(io.idx_blks_hit + io.idx_blks_read, 0) AS index_hit_ratio
FROM api.chunk_size AS chunk
JOIN pg_catalog.pg_statio_all_tables AS io ON io.relid = chunk.chunk
WHERE chunk.range_from < now() AND NOT chunk.is_compressed
ORDER BY chunk.relation, chunk.range_to DESC;
