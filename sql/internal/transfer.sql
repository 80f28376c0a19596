-- The content of a database, for a copy of it: each relation with its columns, its key, and the order of writing. Facts
-- about the database itself are left out: its profile, its disk, the runs of its upkeep, what these still have to do, and the
-- keys of its API.

CREATE VIEW internal.copied_relation AS
SELECT
    relation.relname AS name,
    CASE
        WHEN relation.relname LIKE '%\_telemetry\_history' THEN 'history'
        WHEN relation.relname LIKE '%\_hourly' OR relation.relname LIKE '%\_daily' THEN 'rollup'
        WHEN relation.relname LIKE 'live\_%\_state' THEN 'live'
        ELSE 'table'
    END AS kind,
    -- A table that refers to another comes after it.
    (SELECT count(*) FROM pg_constraint WHERE conrelid = relation.oid AND contype = 'f') AS refers_to,
    ARRAY(
        SELECT attname::text
        FROM pg_attribute
        WHERE attrelid = relation.oid AND attnum > 0 AND NOT attisdropped
        ORDER BY attnum
    ) AS column_names,
    ARRAY(
        SELECT attribute.attname::text
        FROM pg_index AS index
        JOIN pg_attribute AS attribute
            ON attribute.attrelid = relation.oid AND attribute.attnum = ANY (index.indkey::smallint[])
        WHERE index.indrelid = relation.oid AND index.indisprimary AND relation.relname !~ '_(hourly|daily)$'
    ) AS key_columns,
    (
        SELECT attname::text
        FROM pg_attribute
        WHERE attrelid = relation.oid AND attidentity <> ''
    ) AS identity_column
FROM pg_class AS relation
WHERE
    relation.relnamespace = 'telemetry'::regnamespace
    AND relation.relkind IN ('r', 'v')
    AND relation.relname NOT IN (
        'installation', 'disk', 'upkeep_run', 'judging_run', 'import_progress', 'policy_chunk', 'register_backlog',
        'stale_hour', 'report', 'changed_history', 'access_key', 'access_change'
    );

COMMENT ON VIEW internal.copied_relation IS
'The relations of schema telemetry that a copy of the database holds, each with what it takes to write it.';
COMMENT ON COLUMN internal.copied_relation.name IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN internal.copied_relation.kind IS 'history, rollup, live (kept by triggers of the history, copied for devices whose history was dropped) or table.';
COMMENT ON COLUMN internal.copied_relation.refers_to IS 'How many foreign keys it has: those without any are written first.';
COMMENT ON COLUMN internal.copied_relation.column_names IS 'Its columns, in their order.';
COMMENT ON COLUMN internal.copied_relation.key_columns IS 'Columns of its primary key; empty for histories and rollups, where not every profile has one.';
COMMENT ON COLUMN internal.copied_relation.identity_column IS 'The column whose values the database counts up; null: none.';

-- What must be equal in two databases after a restore or a copy, across servers, releases of PostgreSQL and storage
-- profiles: of each table, the number of rows, and a sum over a hash of every row; of histories and rollups, one line a
-- day (UTC).
--
-- Rollups add floating-point numbers in any order, so that sums may differ in their last bits. Rounding them before they
-- are hashed only makes that rarer: two sums can round to different values. So all other columns of a rollup are hashed,
-- and the sums give one number a day and column, compared with a tolerance (a part in 1e9). Each sum has a weight of its
-- own there, by its device and bucket: two that are exchanged do not cancel out.
--
-- Settings that change how a value is written are part of the function. It reads everything, so it is for that purpose only.

CREATE FUNCTION internal.fingerprints(
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
    kept_whole_from timestamptz;
BEGIN
    FOR shown IN
        SELECT copied.name, copied.kind, copied.column_names
        FROM internal.copied_relation AS copied
        ORDER BY copied.name
    LOOP
        kept_whole_from := coalesce((kept_from ->> shown.name)::timestamptz, '-infinity');
        IF shown.kind = 'history' THEN
            RETURN QUERY EXECUTE format(
                'SELECT %L, (recorded_at - interval ''1 microsecond'')::date, count(*), sum(hashtextextended(kept::text, 0)), NULL::float8[]
                FROM internal.%I AS kept
                WHERE recorded_at > $1 AND recorded_at <= $2 AND recorded_at >= $3
                GROUP BY 2
                ORDER BY 2',
                shown.name, shown.name
            )
            USING range_from, range_to, kept_whole_from;
        ELSIF shown.kind = 'rollup' THEN
            RETURN QUERY EXECUTE format(
                'SELECT %L, bucket_start::date, count(*), sum(hashtextextended(ROW(%s)::text, 0)), ARRAY[%s]
                FROM internal.%I
                CROSS JOIN LATERAL (
                    SELECT 1 + (hashtextextended(ROW(%I, bucket_start)::text, 0) & 1023) / 1024.0::float8
                ) AS weighed (weight)
                WHERE bucket_start > $1 AND bucket_start <= $2 AND bucket_start >= $3
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
            USING range_from, range_to, kept_whole_from;
        ELSE
            RETURN QUERY EXECUTE format(
                'SELECT %L, NULL::date, count(*), coalesce(sum(hashtextextended(kept::text, 0)), 0), NULL::float8[]
                FROM internal.%I AS kept',
                shown.name, shown.name
            );
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION internal.fingerprints(timestamptz, timestamptz, jsonb) IS
'Rows and a checksum of every relation, of histories and rollups by day (UTC): those of (range_from, range_to] alone, and none from before kept_from, {"relation": "instant"}. Sums of rollups are separate, each row weighted, for a comparison with a tolerance: they are added up in any order. Two databases with equal results have equal content. Reads all data: for use after a restore or a copy.';
