-- What was dropped stays dropped when it is to be kept longer from now on. Without a memory of that, a refresh by the new
-- policy would take hours without history for hours without readings, and erase their rollups.

CREATE OR REPLACE FUNCTION telemetry.remember_dropped_history()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
DECLARE
    horizon CONSTANT timestamptz := now() - OLD.drop_after;
    rollup_reaches_further boolean;
BEGIN
    -- Where no rollup reaches further back than the old policy kept, nothing was dropped.
    EXECUTE format(
        'SELECT EXISTS (SELECT FROM telemetry.%I WHERE bucket_start < $1)',
        replace(OLD.relation, '_telemetry_history', '_hourly')
    )
    INTO rollup_reaches_further
    USING horizon;
    IF rollup_reaches_further THEN
        NEW.dropped_before := greatest(OLD.dropped_before, horizon);
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION telemetry.remember_dropped_history() IS
'Row trigger of policy: where drop_after changes, remembers up to where the old one may have dropped.';

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = 'telemetry.policy'::regclass AND tgname = 'remember_dropped_history'
    ) THEN
        CREATE TRIGGER remember_dropped_history
            BEFORE UPDATE OF drop_after ON telemetry.policy
            FOR EACH ROW
            WHEN (
                OLD.drop_after IS DISTINCT FROM NEW.drop_after
                AND OLD.relation IN ('meter_telemetry_history', 'vehicle_telemetry_history')
            )
            EXECUTE FUNCTION telemetry.remember_dropped_history();
    END IF;
END
$$;
