-- Makes energy_owner the owner of a database that another role migrated or restored, once, as that role or a superuser:
-- psql --file=sql/roles/hand_over.sql. Afterwards energy_owner migrates: that recreates schemas api
-- and internal, and the jobs of the timescale profile, which would otherwise keep the rights of the former owner.

DO $$
DECLARE
    handed_over record;
BEGIN
    EXECUTE format('ALTER DATABASE %I OWNER TO energy_owner', current_database());
    DROP SCHEMA IF EXISTS api, api_before, internal, internal_before CASCADE;
    FOR handed_over IN
        SELECT format('SCHEMA %I', nspname) AS thing
        FROM pg_catalog.pg_namespace
        WHERE nspname IN ('telemetry', 'migration_log')
        UNION ALL
        SELECT format(
            CASE
                WHEN relation.relkind = 'r' THEN 'TABLE %I.%I'
                ELSE 'MATERIALIZED VIEW %I.%I'
            END,
            schema.nspname, relation.relname
        )
        FROM pg_catalog.pg_class AS relation
        JOIN pg_catalog.pg_namespace AS schema ON schema.oid = relation.relnamespace
        -- Views of schema telemetry are continuous aggregates; sequences go with their tables.
        WHERE schema.nspname IN ('telemetry', 'migration_log') AND relation.relkind IN ('r', 'v')
        UNION ALL
        SELECT format('ROUTINE %s', oid::regprocedure)
        FROM pg_catalog.pg_proc
        WHERE pronamespace = 'telemetry'::regnamespace
    LOOP
        EXECUTE format('ALTER %s OWNER TO energy_owner', handed_over.thing);
    END LOOP;
    IF to_regclass('timescaledb_information.jobs') IS NOT NULL THEN
        EXECUTE $jobs$
            SELECT public.delete_job(job_id)
            FROM timescaledb_information.jobs
            WHERE (hypertable_schema = 'telemetry' OR proc_schema = 'telemetry') AND owner::text <> 'energy_owner'
        $jobs$;
    END IF;
END
$$;
