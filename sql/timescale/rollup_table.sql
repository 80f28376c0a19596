-- Differs by necessity because here a rollup is a view; its rows lie in a hypertable of TimescaleDB's.

CREATE FUNCTION api.rollup_table(relation_name text)
RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT format('%I.%I', rollup.materialization_hypertable_schema, rollup.materialization_hypertable_name)
    FROM timescaledb_information.continuous_aggregates AS rollup
    WHERE rollup.view_schema = 'telemetry' AND rollup.view_name = relation_name
$$;
