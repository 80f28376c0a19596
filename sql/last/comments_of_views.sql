-- Copies the comments of a table and its columns to its view in schema internal (sql/internal/relations.sql), and from
-- there to a view of the same name in schema api that has none of its own. Applied last, when all comments exist.

DO $$
DECLARE
    copied record;
    comment record;
BEGIN
    FOR copied IN
        SELECT step.source::regnamespace, step.target::regnamespace
        FROM (VALUES (1, 'telemetry', 'internal'), (2, 'internal', 'api')) AS step (number, source, target)
        ORDER BY step.number
    LOOP
        FOR comment IN
            SELECT
                format(
                    CASE WHEN description.objsubid = 0 THEN 'VIEW %I.%I' ELSE 'COLUMN %I.%I.%I' END,
                    copied.target, relation.relname, attribute.attname
                ) AS thing,
                description.description AS words
            FROM pg_catalog.pg_description AS description
            JOIN pg_catalog.pg_class AS relation ON relation.oid = description.objoid
            JOIN pg_catalog.pg_class AS shown
                ON shown.relname = relation.relname AND shown.relnamespace = copied.target AND shown.relkind = 'v'
            LEFT JOIN pg_catalog.pg_attribute AS attribute
                ON attribute.attrelid = relation.oid AND attribute.attnum = description.objsubid
            LEFT JOIN pg_catalog.pg_attribute AS shown_attribute
                ON shown_attribute.attrelid = shown.oid AND shown_attribute.attname = attribute.attname
            WHERE
                description.classoid = 'pg_catalog.pg_class'::regclass
                AND relation.relnamespace = copied.source
                AND relation.relkind IN ('r', 'v')
                AND obj_description(shown.oid, 'pg_class') IS NULL
                -- A view may leave columns out.
                AND (description.objsubid = 0 OR shown_attribute.attname IS NOT NULL)
        LOOP
            EXECUTE format('COMMENT ON %s IS %L', comment.thing, comment.words);
        END LOOP;
    END LOOP;
END
$$;
