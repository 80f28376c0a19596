-- What two databases have to agree on after a restore or a copy, whatever their servers, releases of PostgreSQL and
-- storage profiles: of each table, how many rows, and a sum over a hash of every row; of histories and rollups, one line a
-- day (UTC).
--
-- Rollups add floating-point numbers in whatever order, so that sums may differ in their last bits. To round them before
-- they are hashed would only make it rarer: two sums can lie on both sides of where they are rounded. So all else of a
-- rollup is hashed, and of the sums a day gives one number a column, to be compared with a tolerance (a part in 1e9). Each
-- sum counts there with a weight of its own, by its device and bucket: two that are exchanged do not make up for each other.
--
-- Settings that change how a value is written are part of the function. It reads everything, and is for that occasion.

CREATE FUNCTION api.fingerprints(
    range_from timestamptz DEFAULT '-infinity',
    range_to timestamptz DEFAULT 'infinity',
    kept_from jsonb DEFAULT '{}'
)
RETURNS TABLE (relation text, day date, row_count bigint, checksum numeric, sums float8[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET extra_float_digits = 1
AS $$
DECLARE
    shown record;
    begins timestamptz;
BEGIN
    FOR shown IN
        SELECT copied.name, copied.kind, copied.column_names
        FROM api.copied_relation AS copied
        ORDER BY copied.name
    LOOP
        begins := greatest(range_from, (kept_from ->> shown.name)::timestamptz);
        IF shown.kind = 'history' THEN
            RETURN QUERY EXECUTE format(
                'SELECT %L, recorded_at::date, count(*), sum(hashtextextended(kept::text, 0)), NULL::float8[]
                FROM api.%I AS kept
                WHERE recorded_at >= $1 AND recorded_at < $2
                GROUP BY 2
                ORDER BY 2',
                shown.name, shown.name
            )
            USING begins, range_to;
        ELSIF shown.kind = 'rollup' THEN
            RETURN QUERY EXECUTE format(
                'SELECT %L, bucket_start::date, count(*), sum(hashtextextended(ROW(%s)::text, 0)), ARRAY[%s]
                FROM api.%I
                CROSS JOIN LATERAL (
                    SELECT 1 + (hashtextextended(ROW(%I, bucket_start)::text, 0) & 1023) / 1024.0::float8
                ) AS weighed (weight)
                WHERE bucket_start >= $1 AND bucket_start < $2
                GROUP BY 2
                ORDER BY 2',
                shown.name,
                (SELECT string_agg(quote_ident(name), ', ') FROM unnest(shown.column_names) AS name WHERE name !~ '_sum_'),
                (
                    SELECT string_agg(format('sum(%I * weight)', name), ', ')
                    FROM unnest(shown.column_names) AS name
                    WHERE name ~ '_sum_'
                ),
                shown.name,
                shown.column_names[1]
            )
            USING begins, range_to;
        ELSE
            RETURN QUERY EXECUTE format(
                'SELECT %L, NULL::date, count(*), coalesce(sum(hashtextextended(kept::text, 0)), 0), NULL::float8[]
                FROM api.%I AS kept',
                shown.name, shown.name
            );
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION api.fingerprints(timestamptz, timestamptz, jsonb) IS
'Rows and a checksum of every relation, of histories and rollups by day (UTC): those of [range_from, range_to) alone, and none from before kept_from, {"relation": "instant"}. Of rollups, the sums stand apart, each row weighted, to be compared with a tolerance: they are added up in any order. Two databases that give the same hold the same. Reads everything there is: for after a restore or a copy.';
