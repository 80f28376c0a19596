-- name: ping
SELECT 1;

-- name: clock
SELECT clock_timestamp() AS clock;

-- name: oldest_timestamps_kept
SELECT
    internal.history_horizon('meter_telemetry_history') AS of_meters,
    internal.history_horizon('vehicle_telemetry_history') AS of_vehicles;

-- name: complete_rollups
CALL internal.complete_rollups(%(from)s, %(to)s);

-- name: remember_import
WITH remembered AS (
    INSERT INTO telemetry.import_source (fingerprint, file_name, shifted_by)
    VALUES (%(fingerprint)s, %(file_name)s, %(shifted_by)s)
    ON CONFLICT (fingerprint) DO NOTHING
    RETURNING shifted_by
)
SELECT shifted_by, true AS is_new FROM remembered
UNION ALL
SELECT shifted_by, false FROM telemetry.import_source WHERE fingerprint = %(fingerprint)s;

-- name: upkeep
CALL api.upkeep();

-- name: complete_load
CALL api.complete_load(%(from)s, %(to)s);

-- name: days_imported
SELECT day_start FROM internal.import_progress WHERE fingerprint = %(fingerprint)s;

-- name: remember_day_imported
INSERT INTO telemetry.import_progress (fingerprint, day_start, readings, started_at, finished_at)
VALUES (%(fingerprint)s, %(day_start)s, %(readings)s, %(started_at)s, clock_timestamp())
ON CONFLICT (fingerprint, day_start) DO UPDATE SET finished_at = excluded.finished_at;

-- name: right_missing_to_write
-- The first right to write that this role lacks, histories first. The next query has the rights to read.
WITH written (relation, rights) AS (
    VALUES
        ('telemetry.assignment', ARRAY['INSERT', 'SELECT', 'UPDATE']),
        ('telemetry.assignment_change', ARRAY['SELECT']),
        ('telemetry.fleet_default', ARRAY['SELECT', 'UPDATE']),
        ('telemetry.fleet_rated_power', ARRAY['SELECT']),
        ('telemetry.meter', ARRAY['INSERT', 'SELECT', 'UPDATE']),
        ('telemetry.meter_kind_past', ARRAY['SELECT']),
        ('telemetry.meter_telemetry_history', ARRAY['INSERT', 'SELECT']),
        ('telemetry.reading_conflict', ARRAY['INSERT', 'SELECT', 'UPDATE']),
        ('telemetry.report', ARRAY['INSERT', 'SELECT', 'UPDATE']),
        ('telemetry.plug_event_default', ARRAY['INSERT', 'SELECT', 'UPDATE']),
        ('telemetry.unmatched_plug_out', ARRAY['INSERT', 'SELECT', 'UPDATE']),
        ('telemetry.vehicle', ARRAY['INSERT', 'SELECT', 'UPDATE']),
        ('telemetry.vehicle_kind_past', ARRAY['SELECT']),
        ('telemetry.vehicle_telemetry_history', ARRAY['INSERT', 'SELECT'])
),
lacking (wanted, object) AS (
    SELECT wanted, relation
    FROM written
    CROSS JOIN unnest(rights) AS wanted
    WHERE NOT has_table_privilege(relation, wanted)
    UNION ALL
    SELECT 'EXECUTE', oid::regprocedure::text
    FROM pg_catalog.pg_proc
    WHERE
        pronamespace IN ('api'::regnamespace, 'internal'::regnamespace)
        AND proname IN (
            'lock_assignments_of', 'plug_in', 'plug_out', 'hand_over', 'void_assignment', 'note_session_of_no_length',
            'set_meter_kind', 'set_vehicle_kind', 'set_fleet_default', 'set_fleet_rated_power', 'set_plug_event_default',
            'decide_step', 'withdraw_decision', 'judge_backlog', 'upkeep', 'forget_old_conflicts'
        )
        AND NOT has_function_privilege(oid, 'EXECUTE')
    UNION ALL
    SELECT 'TEMPORARY', 'database ' || current_database()
    WHERE NOT has_database_privilege(current_database(), 'TEMPORARY')
)
SELECT current_user, wanted, object FROM lacking ORDER BY right(object, 8) <> '_history', object, wanted LIMIT 1;

-- name: right_missing_to_read
-- The first right to read that this role lacks. TimescaleDB checks the right on a continuous aggregate even for readers of
-- a view of it.
WITH lacking (wanted, object) AS (
    SELECT 'USAGE', 'schema ' || used
    FROM (VALUES ('api'), ('internal')) AS schema (used)
    WHERE NOT has_schema_privilege(used, 'USAGE')
    UNION ALL
    SELECT 'SELECT', oid::regclass::text
    FROM pg_catalog.pg_class
    WHERE
        relnamespace IN ('api'::regnamespace, 'internal'::regnamespace, 'telemetry'::regnamespace)
        AND relkind = 'v'
        AND NOT has_table_privilege(oid, 'SELECT')
    UNION ALL
    SELECT 'EXECUTE', oid::regprocedure::text
    FROM pg_catalog.pg_proc
    WHERE
        pronamespace IN ('api'::regnamespace, 'internal'::regnamespace)
        AND provolatile <> 'v'
        AND NOT has_function_privilege(oid, 'EXECUTE')
)
SELECT current_user, wanted, object FROM lacking ORDER BY object, wanted LIMIT 1;
