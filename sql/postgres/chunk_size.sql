-- Differs by necessity because there is no columnstore here: a table takes what it takes.

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
FROM api.chunk;
