-- SQL cannot read the size of the disk: it is configured, or the caller passes the free bytes.

CREATE PROCEDURE api.set_disk_size(size text)
LANGUAGE sql
AS $$
    INSERT INTO telemetry.disk (size_bytes)
    VALUES (pg_size_bytes(size))
    ON CONFLICT (is_the_only_row) DO UPDATE SET size_bytes = excluded.size_bytes
$$;

COMMENT ON PROCEDURE api.set_disk_size(text) IS
'Sets the size of the disk that the database may fill, without other data on that disk: CALL api.set_disk_size(''500 GB'').';

-- A caller that has read api.relation_size already passes the growth of a day too.
CREATE FUNCTION api.disk_outlook(free_bytes bigint DEFAULT NULL, growth_bytes_per_day bigint DEFAULT NULL)
RETURNS TABLE (
    database_bytes bigint,
    growing_bytes_per_day bigint,
    disk_free_bytes bigint,
    days_left float8
)
LANGUAGE sql STABLE
-- With so many parts, compiling takes longer than running.
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
        SELECT coalesce(free_bytes, (SELECT disk.size_bytes FROM internal.disk) - size.database_bytes) AS free_bytes
    ) AS disk
$$;

COMMENT ON FUNCTION api.disk_outlook(bigint, bigint) IS
'Size of the database, its growth in a day at the rate of the last week, once chunks are settled (given, or from api.relation_size; relations that drop as much as comes do not grow), free bytes (given, or from telemetry.disk), and the days until the disk is full at this rate; null: the disk''s size is not known, or nothing grows. Normal: more than 30 days. Else drop sooner (api.set_policy), or get a larger disk.';

-- Implemented by each profile, with one meaning: sql/timescale/storage.sql and sql/postgres/storage.sql.

COMMENT ON VIEW api.chunk_size IS
'Size of each chunk on disk (postgres profile: each relation, as its only chunk). Normal: chunks older than columnstore_after are compressed, 5 to 12 times smaller. One that is not: see internal.columnstore_lag.';
COMMENT ON COLUMN api.chunk_size.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN api.chunk_size.chunk IS 'The chunk''s table.';
COMMENT ON COLUMN api.chunk_size.range_from IS 'Beginning of its range of time; postgres profile: midnight (UTC) before the first day kept.';
COMMENT ON COLUMN api.chunk_size.range_to IS 'End of its range of time, not included; postgres profile: now.';
COMMENT ON COLUMN api.chunk_size.is_compressed IS 'Whether it is in the columnstore.';
COMMENT ON COLUMN api.chunk_size.total_bytes IS 'Size now, indexes included, bytes.';
COMMENT ON COLUMN api.chunk_size.index_bytes IS 'Size of its indexes now, bytes.';
COMMENT ON COLUMN api.chunk_size.uncompressed_bytes IS 'Size before it went to the columnstore, or now, bytes.';
COMMENT ON COLUMN api.chunk_size.compression_ratio IS 'How many times smaller the columnstore made it; null: it is not there.';

COMMENT ON VIEW api.relation_size IS
'Size of each relation on disk, in all and a day. Normal: histories 5 to 12 times smaller in the columnstore, all but the newest chunks there.';
COMMENT ON COLUMN api.relation_size.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN api.relation_size.chunks IS 'Chunks there are; postgres profile: 1.';
COMMENT ON COLUMN api.relation_size.chunks_compressed IS 'Chunks in the columnstore.';
COMMENT ON COLUMN api.relation_size.rows_estimated IS 'Rows, by the newest ANALYZE; null: there was none.';
COMMENT ON COLUMN api.relation_size.total_bytes IS 'Size now, indexes included, bytes.';
COMMENT ON COLUMN api.relation_size.index_bytes IS 'Size of its indexes now, bytes.';
COMMENT ON COLUMN api.relation_size.columnstore_bytes IS 'Size of its chunks in the columnstore, bytes.';
COMMENT ON COLUMN api.relation_size.compression_ratio IS 'How many times smaller the columnstore made these; null: none is there.';
COMMENT ON COLUMN api.relation_size.range_from IS 'Beginning of its oldest chunk.';
COMMENT ON COLUMN api.relation_size.range_to IS 'End of its newest chunk.';
COMMENT ON COLUMN api.relation_size.settled_bytes_per_day IS
'Size of a day of it, bytes: by the newest seven chunks in the columnstore, or others where none is there yet; postgres profile: by the size of a row and the rows of the last week.';
COMMENT ON COLUMN api.relation_size.is_growing IS 'Whether nothing is dropped yet in return for what comes.';
