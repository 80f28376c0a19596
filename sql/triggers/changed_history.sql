-- A row of a history that is changed or deleted by hand leaves live state and register events as they were. Which rows it was nobody
-- knows afterwards: TimescaleDB rejects transition tables of them on a hypertable with a columnstore. The next refresh settles it.

CREATE OR REPLACE FUNCTION telemetry.note_changed_history()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Retention, and corrections, which settle all by themselves.
    IF current_setting('energy.deletes_expired', true) IS DISTINCT FROM 'yes' THEN
        INSERT INTO telemetry.changed_history AS known (device_type, changed_at)
        VALUES (split_part(TG_TABLE_NAME, '_', 1), clock_timestamp())
        ON CONFLICT (device_type) DO UPDATE SET changed_at = excluded.changed_at;
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION telemetry.note_changed_history() IS
'Statement trigger of the histories: writes down in changed_history that rows were changed or deleted by hand.';

DO $$
DECLARE
    history text;
BEGIN
    FOREACH history IN ARRAY ARRAY['meter_telemetry_history', 'vehicle_telemetry_history'] LOOP
        CONTINUE WHEN EXISTS (
            SELECT
            FROM pg_trigger
            WHERE tgrelid = format('telemetry.%I', history)::regclass AND tgname = 'note_changed_history'
        );
        EXECUTE format(
            'CREATE TRIGGER note_changed_history AFTER UPDATE OR DELETE ON telemetry.%I
            FOR EACH STATEMENT EXECUTE FUNCTION telemetry.note_changed_history()',
            history
        );
    END LOOP;
END
$$;
