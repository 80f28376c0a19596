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
