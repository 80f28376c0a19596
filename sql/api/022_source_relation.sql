-- What a rollup is made of: days of hours, hours of the history.

CREATE FUNCTION api.source_relation(relation_name text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN relation_name LIKE '%\_daily' THEN replace(relation_name, '_daily', '_hourly')
        WHEN relation_name LIKE '%\_hourly' THEN replace(relation_name, '_hourly', '_telemetry_history')
    END
$$;

COMMENT ON FUNCTION api.source_relation(text) IS
'Name of the relation in schema telemetry that a rollup is made of: the hourly one of a daily one, the history of an hourly one; null for a history.';
