-- Rights of the roles of sql/roles, where they exist. Applied last, to all relations: on a new table, the writer has SELECT,
-- INSERT and UPDATE, unless it is named below.
--
-- Only differences are granted or revoked: a grant on a hypertable is one on every chunk.
--
-- The reader uses schema internal, because functions of schema api that answer are inlined, and it calls what they call.
-- It has no right in schema telemetry, with one exception: TimescaleDB asks for a right on a continuous aggregate
-- even of one who reads it through a view. Without USAGE on the schema, the reader still cannot name it.

CREATE FUNCTION pg_temp.wanted_rights(role_name text, relation name, is_continuous_aggregate boolean)
RETURNS text[]
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN role_name = 'energy_reader' THEN
            CASE WHEN is_continuous_aggregate THEN ARRAY['SELECT'] ELSE ARRAY[]::text[] END
        -- Readings are added and never changed.
        WHEN relation LIKE '%\_telemetry\_history' THEN ARRAY['INSERT', 'SELECT']
        -- Written only by triggers and refreshes, with their owner's rights.
        WHEN relation LIKE 'live\_%\_state' OR relation LIKE '%\_hourly' OR relation LIKE '%\_daily' THEN ARRAY['SELECT']
        WHEN relation IN ('assignment_change', 'access_change', 'erasure') THEN ARRAY['SELECT']
        -- Which are used, the service notes.
        WHEN relation = 'access_key' THEN ARRAY['SELECT', 'UPDATE']
        -- Written only by triggers and functions, with their owner's rights, which judge registers anew where that is due.
        WHEN relation LIKE 'register\_%' OR relation LIKE 'correct%' OR relation IN (
            'judging_run', 'fleet_rated_power', 'stale_hour', 'changed_history'
        ) THEN ARRAY['SELECT']
        -- The DBA's.
        WHEN relation LIKE 'policy%' OR relation IN ('installation', 'disk') THEN ARRAY['SELECT']
        ELSE ARRAY['INSERT', 'SELECT', 'UPDATE']
    END
$$;

DO $$
DECLARE
    change record;
    routine record;
BEGIN
    IF to_regrole('energy_writer') IS NULL OR to_regrole('energy_reader') IS NULL THEN
        RETURN;
    END IF;

    GRANT USAGE ON SCHEMA api, internal TO energy_writer, energy_reader;
    GRANT USAGE ON SCHEMA telemetry, migration_log TO energy_writer;
    REVOKE ALL ON SCHEMA telemetry, migration_log FROM energy_reader;
    GRANT SELECT ON ALL TABLES IN SCHEMA api, internal TO energy_writer, energy_reader;
    GRANT SELECT ON ALL TABLES IN SCHEMA migration_log TO energy_writer;

    FOR change IN
        SELECT
            kept.relation,
            kept.role_name,
            ARRAY(SELECT unnest(kept.wanted) EXCEPT SELECT unnest(kept.had)) AS missing,
            ARRAY(SELECT unnest(kept.had) EXCEPT SELECT unnest(kept.wanted)) AS surplus
        FROM (
            SELECT
                format('telemetry.%I', relation.relname) AS relation,
                role.rolname AS role_name,
                pg_temp.wanted_rights(role.rolname, relation.relname, relation.relkind = 'v') AS wanted,
                ARRAY(
                    SELECT given.privilege_type
                    FROM aclexplode(relation.relacl) AS given
                    WHERE given.grantee = role.oid
                ) AS had
            FROM pg_catalog.pg_class AS relation
            CROSS JOIN pg_catalog.pg_roles AS role
            WHERE
                relation.relnamespace = 'telemetry'::regnamespace
                AND relation.relkind IN ('r', 'v')
                AND role.rolname IN ('energy_writer', 'energy_reader')
        ) AS kept
    LOOP
        IF change.missing <> '{}' THEN
            EXECUTE format(
                'GRANT %s ON %s TO %I', array_to_string(change.missing, ', '), change.relation, change.role_name
            );
        END IF;
        IF change.surplus <> '{}' THEN
            EXECUTE format(
                'REVOKE %s ON %s FROM %I', array_to_string(change.surplus, ', '), change.relation, change.role_name
            );
        END IF;
    END LOOP;

    -- All roles may call functions that only read. Those that change something are the writer's; where they need more
    -- rights, they are SECURITY DEFINER, or fail.
    FOR routine IN
        SELECT oid::regprocedure AS signature
        FROM pg_catalog.pg_proc
        WHERE
            pronamespace IN ('api'::regnamespace, 'internal'::regnamespace, 'telemetry'::regnamespace)
            AND provolatile = 'v'
            AND prorettype <> 'trigger'::regtype
    LOOP
        EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', routine.signature);
        EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO energy_writer', routine.signature);
    END LOOP;
END
$$;

DROP FUNCTION pg_temp.wanted_rights(text, name, boolean);
