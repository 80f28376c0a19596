-- Where a device is named is read from the catalog, so that a table that comes later is not forgotten: by its id in a column of its
-- kind (old_ and new_ too), or by its kind and id.

CREATE VIEW internal.named_in AS
SELECT
    format('%I.%I', holder.relation_schema, holder.relation_name) AS relation,
    kind.device_type,
    string_agg(
        CASE
            WHEN attribute.attname = 'device_id' THEN format('(device_type = %L AND device_id = $1)', kind.device_type)
            ELSE format('%I = $1', attribute.attname)
        END,
        ' OR ' ORDER BY attribute.attnum
    ) AS condition
FROM (
    SELECT 'telemetry' AS relation_schema, named.relname AS relation_name, named.oid AS relation_id
    FROM pg_class AS named
    WHERE named.relnamespace = 'telemetry'::regnamespace AND named.relkind = 'r'
    UNION
    SELECT schema.nspname, named.relname, named.oid
    FROM (VALUES ('meter_hourly'), ('meter_daily'), ('vehicle_hourly'), ('vehicle_daily')) AS rollup (name)
    JOIN pg_class AS named ON named.oid = internal.rollup_table(rollup.name)::regclass
    JOIN pg_namespace AS schema ON schema.oid = named.relnamespace
) AS holder
JOIN pg_attribute AS attribute
    ON attribute.attrelid = holder.relation_id AND attribute.attnum > 0 AND NOT attribute.attisdropped
JOIN (VALUES ('meter'), ('vehicle')) AS kind (device_type)
    ON attribute.attname ~ format('^((old_|new_)?%s|device)_id$', kind.device_type)
GROUP BY holder.relation_schema, holder.relation_name, kind.device_type;

COMMENT ON VIEW internal.named_in IS
'The tables that name meters or vehicles, those of rollups too, and the condition by which the rows about one are found.';
COMMENT ON COLUMN internal.named_in.relation IS 'Name of the table, with its schema.';
COMMENT ON COLUMN internal.named_in.device_type IS 'meter or vehicle: which devices it names.';
COMMENT ON COLUMN internal.named_in.condition IS 'The condition for its rows about a device, whose id is $1.';

CREATE VIEW internal.written_in AS
SELECT written.relname::text AS relation, attribute.attname::text AS column_name
FROM pg_class AS written
JOIN pg_attribute AS attribute
    ON attribute.attrelid = written.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
WHERE
    written.relnamespace = 'telemetry'::regnamespace
    AND written.relkind = 'r'
    AND attribute.attname IN ('operator', 'reason', 'file_name', 'created_by', 'revoked_by')
    OR written.oid = 'telemetry.access_key'::regclass AND attribute.attname = 'name';

COMMENT ON VIEW internal.written_in IS 'Columns of schema telemetry in which people may have written the id of a device.';
COMMENT ON COLUMN internal.written_in.relation IS 'Name of the table in schema telemetry.';
COMMENT ON COLUMN internal.written_in.column_name IS 'Name of the column.';

CREATE FUNCTION internal.word_of_id(device text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT format('(?<![[:alnum:]])%s(?![[:alnum:]])', regexp_replace(device, '([^[:alnum:]_])', '\\\1', 'g'))
$$;

COMMENT ON FUNCTION internal.word_of_id(text) IS
'A regular expression that finds the id of a device in a text, where no letter or digit stands beside it.';

CREATE FUNCTION internal.erase_where(relation_name text, condition text, device text)
RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    erased bigint;
BEGIN
    EXECUTE format('DELETE FROM %s WHERE %s', relation_name, condition) USING device;
    GET DIAGNOSTICS erased = ROW_COUNT;
    RETURN erased;
END
$$;

COMMENT ON FUNCTION internal.erase_where(text, text, text) IS
'Deletes rows of a table (with its schema) by a condition on a device, which it calls $1; returns how many.';
