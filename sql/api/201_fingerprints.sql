-- What two databases have to agree on after a restore or a copy, whatever their servers, releases of PostgreSQL and
-- storage profiles: of each table, how many rows, and a sum over a hash of every row; of histories, one line a day (UTC).
-- Rollups add floating-point numbers in whatever order, so of them the readings are summed up.
--
-- Settings that change how a value is written are part of the function. It reads everything, and is for that occasion.

CREATE FUNCTION api.fingerprints(
    range_from timestamptz DEFAULT '-infinity',
    range_to timestamptz DEFAULT 'infinity'
)
RETURNS TABLE (relation text, day date, row_count bigint, checksum numeric)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET extra_float_digits = 1
AS $$
DECLARE
    shown text;
BEGIN
    FOR shown IN
        SELECT name
        FROM api.copied_relation
        ORDER BY name
    LOOP
        IF shown LIKE '%\_telemetry\_history' THEN
            RETURN QUERY EXECUTE format(
                'SELECT %L, recorded_at::date, count(*), sum(hashtextextended(kept::text, 0))
                FROM api.%I AS kept
                WHERE recorded_at >= $1 AND recorded_at < $2
                GROUP BY 2
                ORDER BY 2',
                shown, shown
            )
            USING range_from, range_to;
        ELSIF shown LIKE '%\_hourly' OR shown LIKE '%\_daily' THEN
            RETURN QUERY EXECUTE format(
                'SELECT %L, NULL::date, count(*), coalesce(sum(readings), 0)
                FROM api.%I AS kept
                WHERE bucket_start >= $1 AND bucket_start < $2',
                shown, shown
            )
            USING range_from, range_to;
        ELSE
            RETURN QUERY EXECUTE format(
                'SELECT %L, NULL::date, count(*), coalesce(sum(hashtextextended(kept::text, 0)), 0) FROM api.%I AS kept',
                shown, shown
            );
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION api.fingerprints(timestamptz, timestamptz) IS
'Rows and a checksum of every relation, of histories by day (UTC), readings and rollups of [range_from, range_to) alone. Two databases that give the same hold the same. Reads everything there is: for after a restore or a copy.';
