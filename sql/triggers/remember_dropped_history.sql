-- What was dropped stays dropped when it is to be kept longer from now on. Without a memory of that, a refresh by the new
-- policy would take hours without history for hours without readings, and erase their rollups; and so with days without
-- hours.

CREATE OR REPLACE FUNCTION telemetry.remember_dropped_history()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
DECLARE
    horizon CONSTANT timestamptz := now() - OLD.drop_after;
    rollup CONSTANT text := CASE
        WHEN OLD.relation LIKE '%\_hourly' THEN replace(OLD.relation, '_hourly', '_daily')
        ELSE replace(OLD.relation, '_telemetry_history', '_hourly')
    END;
    rollup_reaches_further boolean;
BEGIN
    -- Where no rollup reaches further back than the old policy kept, nothing was dropped.
    EXECUTE format('SELECT EXISTS (SELECT FROM telemetry.%I WHERE bucket_start < $1)', rollup)
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

CREATE OR REPLACE TRIGGER remember_dropped_history
    BEFORE UPDATE OF drop_after ON telemetry.policy
    FOR EACH ROW
    WHEN (
        OLD.drop_after IS DISTINCT FROM NEW.drop_after
        AND OLD.relation IN ('meter_telemetry_history', 'vehicle_telemetry_history', 'meter_hourly', 'vehicle_hourly')
    )
    EXECUTE FUNCTION telemetry.remember_dropped_history();
