-- The three roles, made once a server by a role that may create roles: ev-fleet-energy roles, or psql --file of this. A
-- repeat changes nothing. No password is set here; until one is (\password energy_writer), or pg_hba.conf lets a role in
-- by another method, nobody logs in as it. Their rights are in sql/last/rights.sql, which every migrate re-applies.

DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['energy_owner', 'energy_writer', 'energy_reader'] LOOP
        IF to_regrole(role_name) IS NULL THEN
            EXECUTE format('CREATE ROLE %I LOGIN', role_name);
        END IF;
    END LOOP;

    COMMENT ON ROLE energy_owner IS 'Migrates, sets policies, completes rollups: owns schemas telemetry, internal and api.';
    COMMENT ON ROLE energy_writer IS 'The service: adds readings, assignments and devices, and deletes nothing.';
    COMMENT ON ROLE energy_reader IS 'Answers and dashboards: reads schema api, and what that is made of in schema internal.';

    -- The owner of a database may make schemas and trusted extensions in it, which is all that a migration needs. One
    -- that was migrated already stays with the role that did: that one is the owner.
    IF to_regnamespace('telemetry') IS NULL THEN
        EXECUTE format('ALTER DATABASE %I OWNER TO energy_owner', current_database());
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO energy_writer, energy_reader', current_database());
    -- A batch that may repeat stored readings goes over a temporary table.
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO energy_writer', current_database());
END
$$;
