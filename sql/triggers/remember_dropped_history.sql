-- What was dropped stays dropped when it is to be kept longer from now on. Without a memory of that, a refresh by the new
-- policy would take hours without history for hours without readings, and erase their rollups; and so with days without
-- hours. What the old policy would have dropped and did not is kept: nothing is remembered of a slip that was taken back
-- in time.

CREATE OR REPLACE FUNCTION telemetry.remember_dropped_history()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
    NEW.dropped_before := greatest(NEW.dropped_before, api.already_dropped(OLD.relation, OLD.drop_after));
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION telemetry.remember_dropped_history() IS
'Row trigger of policy: where drop_after changes, remembers up to where data was dropped while the old one stood.';

CREATE OR REPLACE TRIGGER remember_dropped_history
    BEFORE UPDATE OF drop_after ON telemetry.policy
    FOR EACH ROW
    WHEN (OLD.drop_after IS DISTINCT FROM NEW.drop_after)
    EXECUTE FUNCTION telemetry.remember_dropped_history();
