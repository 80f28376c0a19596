-- Upkeep that fails is tried again within the hour, so what tells is when it last succeeded: that stays until it does again.

CREATE PROCEDURE api.note_upkeep(is_over boolean)
LANGUAGE sql
AS $$
    INSERT INTO telemetry.upkeep_run AS run (started_at, finished_at)
    VALUES (clock_timestamp(), NULL)
    ON CONFLICT (is_the_only_row) DO UPDATE SET
        started_at = CASE WHEN is_over THEN run.started_at ELSE excluded.started_at END,
        finished_at = CASE WHEN is_over THEN clock_timestamp() ELSE run.finished_at END
$$;

COMMENT ON PROCEDURE api.note_upkeep(boolean) IS
'Writes down that api.upkeep() begins, or that it is over; only upkeep calls it.';
