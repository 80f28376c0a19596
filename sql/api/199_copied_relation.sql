-- What a database is made of, for a copy of it: each relation with its columns, its key, and in which order it can be
-- written. Left out is what says something of the database itself: its profile, its disk, the runs of its upkeep.

CREATE VIEW api.copied_relation AS
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
    AND relation.relname NOT IN ('installation', 'disk', 'upkeep_run', 'import_progress');

COMMENT ON VIEW api.copied_relation IS
'The relations of schema telemetry that a copy of the database holds, each with what it takes to write it.';
COMMENT ON COLUMN api.copied_relation.name IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN api.copied_relation.kind IS 'history, rollup, live (kept by triggers of the history, copied for devices whose history was dropped) or table.';
COMMENT ON COLUMN api.copied_relation.refers_to IS 'How many foreign keys it has: those without any are written first.';
COMMENT ON COLUMN api.copied_relation.column_names IS 'Its columns, in their order.';
COMMENT ON COLUMN api.copied_relation.key_columns IS 'Columns of its primary key; empty for histories and rollups, where not every profile has one.';
COMMENT ON COLUMN api.copied_relation.identity_column IS 'The column whose values the database counts up; null where there is none.';
