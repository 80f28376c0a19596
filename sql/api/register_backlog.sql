-- Registers whose events are being written anew, and the call that does it, part by part.

CREATE VIEW api.register_backlog AS
SELECT
    waiting.device_type,
    waiting.device_id,
    nullif(waiting.judged_before, '-infinity') AS judged_before,
    CASE waiting.device_type
        WHEN 'meter' THEN (
            SELECT live.recorded_at FROM internal.live_meter_state AS live WHERE live.meter_id = waiting.device_id
        )
        ELSE (
            SELECT live.recorded_at FROM internal.live_vehicle_state AS live WHERE live.vehicle_id = waiting.device_id
        )
    END AS newest_recorded_at,
    waiting.since,
    (SELECT run.judged_at FROM internal.judging_run AS run) AS judged_at
FROM internal.register_backlog AS waiting;

COMMENT ON VIEW api.register_backlog IS
'Registers whose readings are being judged anew. Normal: empty, or judged_at no older than a minute: the service works on it. Until a register is done, its answers are pending.';
COMMENT ON COLUMN api.register_backlog.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN api.register_backlog.device_id IS 'The device, as it names itself.';
COMMENT ON COLUMN api.register_backlog.judged_before IS 'Readings before this instant are judged; null: none is.';
COMMENT ON COLUMN api.register_backlog.newest_recorded_at IS 'Its newest reading: how far it goes; null: it has none.';
COMMENT ON COLUMN api.register_backlog.since IS 'Since when it waits.';
COMMENT ON COLUMN api.register_backlog.judged_at IS 'When a part of the backlog, of whichever register, was judged last; null: never.';

CREATE FUNCTION api.judge_backlog(parts_at_most integer DEFAULT 1)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    waiting record;
BEGIN
    FOR part IN 1..parts_at_most LOOP
        SELECT known.device_type, known.device_id INTO waiting
        FROM telemetry.register_backlog AS known
        ORDER BY known.since, known.device_type, known.device_id
        LIMIT 1;
        EXIT WHEN NOT FOUND;
        PERFORM internal.judge_part(waiting.device_type, waiting.device_id);
    END LOOP;
    -- After the locks of registers, which whoever waits for this row may hold.
    INSERT INTO telemetry.judging_run AS run (judged_at)
    VALUES (clock_timestamp())
    ON CONFLICT (is_the_only_row) DO UPDATE SET judged_at = excluded.judged_at;
    RETURN (SELECT count(*) FROM telemetry.register_backlog);
END
$$;

COMMENT ON FUNCTION api.judge_backlog(integer) IS
'Judges so many parts, a month of a register each, of what waits in api.register_backlog, and returns how many registers wait then. Readings of a register that is being judged wait until the transaction ends. The service calls it; call it again and again to have it done sooner.';
