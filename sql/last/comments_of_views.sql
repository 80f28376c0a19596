-- What a table and its columns say, the view of it in schema api says too (sql/api/relations.sql). Applied last, when
-- the comments it copies are there.

DO $$
DECLARE
    said record;
BEGIN
    FOR said IN
        SELECT
            format(
                CASE WHEN description.objsubid = 0 THEN 'VIEW api.%I' ELSE 'COLUMN api.%I.%I' END,
                relation.relname, attribute.attname
            ) AS thing,
            description.description AS words
        FROM pg_catalog.pg_description AS description
        JOIN pg_catalog.pg_class AS relation ON relation.oid = description.objoid
        JOIN pg_catalog.pg_class AS shown
            ON shown.relname = relation.relname AND shown.relnamespace = 'api'::regnamespace AND shown.relkind = 'v'
        LEFT JOIN pg_catalog.pg_attribute AS attribute
            ON attribute.attrelid = relation.oid AND attribute.attnum = description.objsubid
        WHERE
            description.classoid = 'pg_catalog.pg_class'::regclass
            AND relation.relnamespace = 'telemetry'::regnamespace
            AND relation.relkind IN ('r', 'v')
    LOOP
        EXECUTE format('COMMENT ON %s IS %L', said.thing, said.words);
    END LOOP;
END
$$;
