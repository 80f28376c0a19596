-- Differs by necessity because here a rollup is a table.

CREATE FUNCTION api.rollup_table(relation_name text)
RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT format('telemetry.%I', relation_name)
$$;
