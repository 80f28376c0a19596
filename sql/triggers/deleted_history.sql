-- A DELETE after which no device has readings as old as the oldest rollup is retention: the rollups outlive it. Any other
-- DELETE is a correction, which the next refresh shows. There is no transition table of the deleted rows: TimescaleDB rejects
-- them on a hypertable with a columnstore.

CREATE OR REPLACE FUNCTION telemetry.remember_deleted_history()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Retention of the postgres profile records what it deletes, batch by batch.
    IF current_setting('energy.deletes_expired', true) IS DISTINCT FROM 'yes' THEN
        UPDATE telemetry.policy
        SET dropped_before = seen.dropped_before
        FROM (SELECT internal.deleted_before(TG_TABLE_NAME) AS dropped_before) AS seen
        WHERE policy.relation = TG_TABLE_NAME AND policy.dropped_before IS DISTINCT FROM seen.dropped_before;
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION telemetry.remember_deleted_history() IS
'Statement trigger of the histories: where no device has readings any more as old as a rollup, remembers in telemetry.policy up to where they are gone.';

DO $$
DECLARE
    history text;
BEGIN
    FOREACH history IN ARRAY ARRAY['meter_telemetry_history', 'vehicle_telemetry_history'] LOOP
        CONTINUE WHEN EXISTS (
            SELECT
            FROM pg_trigger
            WHERE tgrelid = format('telemetry.%I', history)::regclass AND tgname = 'remember_deleted_history'
        );
        EXECUTE format(
            'CREATE TRIGGER remember_deleted_history AFTER DELETE OR TRUNCATE ON telemetry.%I
            FOR EACH STATEMENT EXECUTE FUNCTION telemetry.remember_deleted_history()',
            history
        );
    END LOOP;
END
$$;
