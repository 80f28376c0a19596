-- Registers whose events are being written anew, in parts: after a change of what their values mean or can be, after a decision
-- that reaches far, and for a history that is older than the events. Answers that touch them carry `pending` meanwhile.

-- The lock of a register is that of its live row, which whoever adds a reading holds too.

CREATE FUNCTION internal.lock_register(kind_of_device text, device text)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF kind_of_device = 'meter' THEN
        PERFORM FROM telemetry.live_meter_state AS live WHERE live.meter_id = device FOR UPDATE;
    ELSE
        PERFORM FROM telemetry.live_vehicle_state AS live WHERE live.vehicle_id = device FOR UPDATE;
    END IF;
END
$$;

COMMENT ON FUNCTION internal.lock_register(text, text) IS
'Keeps others from adding readings of a device, or judging them, until the transaction ends.';

CREATE FUNCTION internal.add_to_backlog(
    kind_of_device text, device text, judged_before timestamptz, is_judged_at_commit boolean DEFAULT false
)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO telemetry.register_backlog AS waiting (device_type, device_id, judged_before, is_judged_at_commit)
    VALUES (kind_of_device, device, judged_before, is_judged_at_commit)
    ON CONFLICT (device_type, device_id) DO UPDATE SET
        judged_before = least(waiting.judged_before, excluded.judged_before);
END
$$;

COMMENT ON FUNCTION internal.add_to_backlog(text, text, timestamptz, boolean) IS
'Leaves the judging of a register''s readings from an instant on to the backlog, or to the end of the transaction.';

-- What judging the next reading needs, beside the newest reading.

CREATE FUNCTION internal.keep_register_state(kind_of_device text, device text)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    rules record;
    run record;
    since timestamptz;
    state internal.register_state;
    waits CONSTANT boolean := EXISTS (
        SELECT
        FROM telemetry.register_backlog AS waiting
        WHERE waiting.device_type = kind_of_device AND waiting.device_id = device
    );
BEGIN
    SELECT * INTO STRICT rules FROM internal.register_rules(kind_of_device, device);
    SELECT * INTO run FROM internal.register_runs(kind_of_device, device) AS known WHERE known.run_to = 'infinity';
    -- Of a device that is no register any more, until when it was one.
    since := coalesce(
        run.run_from, (SELECT max(known.run_to) FROM internal.register_runs(kind_of_device, device) AS known)
    );
    IF run.kind IS NOT NULL AND NOT waits THEN
        state := internal.register_state_before(kind_of_device, device, run.run_from, 'infinity', rules.still_for);
        -- The reading after a glitch comes back from it, and an exchange may wait for its reading: what looks like a plain step
        -- is an event.
        IF EXISTS (
            SELECT
            FROM telemetry.register_decision AS decision
            WHERE
                decision.device_type = kind_of_device
                AND decision.device_id = device
                AND decision.kind IN ('glitch', 'exchange')
                AND decision.decided_for > state.last_at
        )
        THEN
            state.flows_from := NULL;
        END IF;
    END IF;
    IF kind_of_device = 'meter' THEN
        UPDATE telemetry.live_meter_state AS live
        SET
            register_kind = run.kind,
            register_since = since,
            register_power_kw = CASE WHEN run.kind IS NOT NULL THEN rules.power_kw END,
            register_still_for = CASE WHEN run.kind IS NOT NULL THEN rules.still_for END,
            register_flows_from = state.flows_from,
            register_stands = state.stands,
            is_charging = coalesce(
                state.last_kwh > state.before_kwh,
                run.kind IS NULL AND live.energy_ac_kwh > 0
            )
        WHERE live.meter_id = device;
    ELSE
        UPDATE telemetry.live_vehicle_state AS live
        SET
            register_kind = run.kind,
            register_since = since,
            register_power_kw = CASE WHEN run.kind IS NOT NULL THEN rules.power_kw END,
            register_still_for = CASE WHEN run.kind IS NOT NULL THEN rules.still_for END,
            register_flows_from = state.flows_from,
            register_stands = state.stands,
            is_charging = coalesce(
                state.last_kwh > state.before_kwh,
                run.kind IS NULL AND live.energy_dc_kwh > 0
            )
        WHERE live.vehicle_id = device;
    END IF;
END
$$;

COMMENT ON FUNCTION internal.keep_register_state(text, text) IS
'Stores in a device''s live row what judging its next reading needs; nulls for intervals, and while it waits in the backlog.';

-- Readings of a device that are no plain steps after the newest one: late ones, and those to be judged one by one. The live
-- row is locked by then.

CREATE FUNCTION internal.judge_added(kind_of_device text, device text, instants timestamptz[])
RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    first_at CONSTANT timestamptz := (SELECT min(added.at) FROM unnest(instants) AS added (at));
    last_at CONSTANT timestamptz := (SELECT max(added.at) FROM unnest(instants) AS added (at));
BEGIN
    UPDATE telemetry.register_backlog AS waiting
    SET judged_before = least(waiting.judged_before, first_at)
    WHERE waiting.device_type = kind_of_device AND waiting.device_id = device;
    IF FOUND THEN
        PERFORM internal.keep_register_state(kind_of_device, device);
        RETURN;
    END IF;
    -- TimescaleDB shows what is inserted into a chunk of the columnstore only when the statement is over.
    IF (
        SELECT count(*) < cardinality(instants)
        FROM internal.device_reading AS reading
        WHERE
            reading.device_type = kind_of_device
            AND reading.device_id = device
            AND reading.recorded_at >= first_at
            AND reading.recorded_at <= last_at
            AND reading.recorded_at = ANY (instants)
    ) THEN
        PERFORM internal.add_to_backlog(kind_of_device, device, first_at, is_judged_at_commit => true);
        RETURN;
    END IF;
    PERFORM internal.judge_from(kind_of_device, device, first_at, last_at);
    PERFORM internal.keep_register_state(kind_of_device, device);
END
$$;

COMMENT ON FUNCTION internal.judge_added(text, text, timestamptz[]) IS
'Judges readings of a device that were added at these instants, and what depends on them.';

-- To judge a device takes milliseconds, mostly to plan. Where a batch has many to judge, the first readings of a thousand registers or
-- those after a power cut, whoever sends it would wait for longer than it does, and send it again for ever.

CREATE FUNCTION internal.judged_at_once()
RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT 100 $$;

COMMENT ON FUNCTION internal.judged_at_once() IS
'How many devices of a batch are judged in its transaction; the others wait in the backlog.';

CREATE FUNCTION internal.judge_or_leave(kind_of_device text, device text, instants timestamptz[], place bigint)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF place <= internal.judged_at_once() THEN
        PERFORM internal.judge_added(kind_of_device, device, instants);
    ELSE
        PERFORM internal.add_to_backlog(
            kind_of_device, device, (SELECT min(added.at) FROM unnest(instants) AS added (at))
        );
    END IF;
END
$$;

COMMENT ON FUNCTION internal.judge_or_leave(text, text, timestamptz[], bigint) IS
'internal.judge_added for the first devices of a batch (place counts them), the backlog for the others.';

-- One part of a register's backlog: a month of it.

CREATE FUNCTION internal.judge_part(kind_of_device text, device text)
RETURNS boolean
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    judged_from timestamptz;
    judged_to timestamptz;
    oldest timestamptz;
    newest timestamptz;
    run record;
BEGIN
    PERFORM internal.lock_register(kind_of_device, device);
    SELECT waiting.judged_before INTO judged_from
    FROM telemetry.register_backlog AS waiting
    WHERE waiting.device_type = kind_of_device AND waiting.device_id = device
    FOR UPDATE;
    IF judged_from IS NULL THEN
        RETURN true;
    END IF;
    SELECT min(reading.recorded_at), max(reading.recorded_at) INTO oldest, newest
    FROM internal.device_reading AS reading
    WHERE reading.device_type = kind_of_device AND reading.device_id = device;
    judged_from := greatest(judged_from, oldest);
    judged_to := judged_from + interval '31 days';
    IF newest IS NULL OR judged_to >= newest THEN
        judged_to := 'infinity';
    END IF;
    -- Events of a history that is gone stay: there is nothing left to judge.
    IF newest IS NOT NULL THEN
        DELETE FROM telemetry.register_event AS known
        WHERE
            known.device_type = kind_of_device
            AND known.device_id = device
            AND known.recorded_at >= judged_from
            AND known.recorded_at <= judged_to;
        FOR run IN
            SELECT *
            FROM internal.register_runs(kind_of_device, device) AS known
            WHERE known.run_to >= judged_from AND known.run_from < judged_to
        LOOP
            PERFORM internal.judge_stretch(
                kind_of_device, device, run.kind, run.run_from,
                greatest(judged_from, run.run_from), least(judged_to, run.run_to)
            );
        END LOOP;
    END IF;
    IF judged_to < 'infinity' THEN
        UPDATE telemetry.register_backlog AS waiting
        SET judged_before = judged_to + interval '1 microsecond'
        WHERE waiting.device_type = kind_of_device AND waiting.device_id = device;
    ELSE
        DELETE FROM telemetry.register_backlog AS waiting
        WHERE waiting.device_type = kind_of_device AND waiting.device_id = device;
    END IF;
    -- Also of one that still waits: its late readings are judged again from then on.
    PERFORM internal.keep_register_state(kind_of_device, device);
    RETURN judged_to = 'infinity';
END
$$;

COMMENT ON FUNCTION internal.judge_part(text, text) IS
'Judges a month of what waits of a device in the backlog; returns whether that was all.';

-- What the values of a device mean, or can be, has changed from an instant on, or an operator has decided about a step.

CREATE FUNCTION internal.judge_anew(kind_of_device text, device text, since timestamptz)
RETURNS boolean
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM internal.lock_register(kind_of_device, device);
    IF EXISTS (SELECT FROM internal.register_runs(kind_of_device, device))
        OR EXISTS (
            SELECT FROM telemetry.register_event AS known
            WHERE known.device_type = kind_of_device AND known.device_id = device
        )
    THEN
        PERFORM internal.add_to_backlog(kind_of_device, device, since);
        -- What lies a few months back is judged at once.
        FOR part IN 1..3 LOOP
            IF internal.judge_part(kind_of_device, device) THEN
                RETURN true;
            END IF;
        END LOOP;
    END IF;
    PERFORM internal.keep_register_state(kind_of_device, device);
    RETURN NOT EXISTS (
        SELECT FROM telemetry.register_backlog AS waiting
        WHERE waiting.device_type = kind_of_device AND waiting.device_id = device
    );
END
$$;

COMMENT ON FUNCTION internal.judge_anew(text, text, timestamptz) IS
'Judges a device''s readings from an instant on anew; what takes long is left to the backlog, and the answer is false.';

-- Whatever changes for many devices at once: each that is a register at some time, or has events, is judged anew in the backlog.
-- A small fleet is done at once. The live rows are locked first, and in order, as whoever adds readings does.

CREATE FUNCTION internal.judge_devices_anew(kind_of_device text, devices text[], since timestamptz)
RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    parts_left integer := 100;
    until CONSTANT timestamptz := clock_timestamp() + interval '2 seconds';
    registers CONSTANT text[] := ARRAY(
        SELECT known.device_id
        FROM internal.device_kind AS known
        WHERE
            known.device_type = kind_of_device
            AND known.device_id = ANY (devices)
            AND known.energy_reading <> 'interval'
        UNION
        SELECT known.device_id
        FROM telemetry.register_event AS known
        WHERE known.device_type = kind_of_device AND known.device_id = ANY (devices)
        ORDER BY 1
    );
    device text;
BEGIN
    IF kind_of_device = 'meter' THEN
        PERFORM FROM telemetry.live_meter_state AS live
        WHERE live.meter_id = ANY (registers)
        ORDER BY live.meter_id
        FOR UPDATE;
        UPDATE telemetry.live_meter_state AS live
        SET register_flows_from = NULL
        WHERE live.meter_id = ANY (registers);
    ELSE
        PERFORM FROM telemetry.live_vehicle_state AS live
        WHERE live.vehicle_id = ANY (registers)
        ORDER BY live.vehicle_id
        FOR UPDATE;
        UPDATE telemetry.live_vehicle_state AS live
        SET register_flows_from = NULL
        WHERE live.vehicle_id = ANY (registers);
    END IF;
    PERFORM internal.add_to_backlog(kind_of_device, known.device_id, since)
    FROM unnest(registers) AS known (device_id);
    FOREACH device IN ARRAY registers LOOP
        LOOP
            IF parts_left = 0 OR clock_timestamp() > until THEN
                RETURN cardinality(registers);
            END IF;
            parts_left := parts_left - 1;
            EXIT WHEN internal.judge_part(kind_of_device, device);
        END LOOP;
    END LOOP;
    RETURN cardinality(registers);
END
$$;

COMMENT ON FUNCTION internal.judge_devices_anew(text, text[], timestamptz) IS
'Judges the readings of meters or vehicles (kind_of_device) from an instant on anew, as far as they are or were registers: what takes long, in the backlog. Returns how many devices.';

CREATE FUNCTION internal.judge_fleet_anew(kind_of_device text, since timestamptz)
RETURNS bigint
LANGUAGE sql
AS $$
    SELECT internal.judge_devices_anew(
        kind_of_device,
        ARRAY(
            SELECT live.meter_id
            FROM telemetry.live_meter_state AS live
            LEFT JOIN telemetry.meter AS listed ON listed.meter_id = live.meter_id
            WHERE kind_of_device = 'meter' AND listed.energy_reading IS NULL
            UNION ALL
            SELECT live.vehicle_id
            FROM telemetry.live_vehicle_state AS live
            LEFT JOIN telemetry.vehicle AS listed ON listed.vehicle_id = live.vehicle_id
            WHERE kind_of_device = 'vehicle' AND listed.energy_reading IS NULL
        ),
        since
    )
$$;

COMMENT ON FUNCTION internal.judge_fleet_anew(text, timestamptz) IS
'Judges the readings of all meters or vehicles (kind_of_device) without a kind of their own anew from an instant on. Returns how many are or were registers.';

CREATE FUNCTION internal.judge_unrated_anew(kind_of_device text)
RETURNS bigint
LANGUAGE sql
AS $$
    SELECT internal.judge_devices_anew(
        kind_of_device,
        ARRAY(
            SELECT live.meter_id
            FROM telemetry.live_meter_state AS live
            LEFT JOIN telemetry.meter AS listed ON listed.meter_id = live.meter_id
            WHERE kind_of_device = 'meter' AND listed.rated_power_kw IS NULL
            UNION ALL
            SELECT live.vehicle_id
            FROM telemetry.live_vehicle_state AS live
            LEFT JOIN telemetry.vehicle AS listed ON listed.vehicle_id = live.vehicle_id
            WHERE kind_of_device = 'vehicle' AND listed.rated_power_kw IS NULL
        ),
        '-infinity'
    )
$$;

COMMENT ON FUNCTION internal.judge_unrated_anew(text) IS
'Judges the readings of all meters or vehicles (kind_of_device) without a rated power of their own anew. Returns how many are or were registers.';

CREATE FUNCTION internal.judged_since(kind_of_device text, device text, since timestamptz)
RETURNS TABLE (readings bigint, events bigint, is_pending boolean)
LANGUAGE plpgsql STABLE ROWS 1
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    judged_from CONSTANT timestamptz := coalesce(since, '-infinity');
    judged_before timestamptz;
BEGIN
    SELECT waiting.judged_before INTO judged_before
    FROM internal.register_backlog AS waiting
    WHERE waiting.device_type = kind_of_device AND waiting.device_id = device;
    is_pending := judged_before IS NOT NULL;
    judged_before := coalesce(judged_before, 'infinity');
    SELECT coalesce(sum(counted.readings), 0) INTO readings
    FROM internal.register_runs(kind_of_device, device) AS run
    CROSS JOIN LATERAL (
        SELECT count(*) AS readings
        FROM internal.device_reading AS reading
        WHERE
            reading.device_type = kind_of_device
            AND reading.device_id = device
            AND reading.recorded_at > greatest(run.run_from, judged_from)
            AND reading.recorded_at <= run.run_to
            AND reading.recorded_at < judged_before
    ) AS counted;
    SELECT count(*) INTO events
    FROM internal.register_event AS event
    WHERE
        event.device_type = kind_of_device
        AND event.device_id = device
        AND event.recorded_at > judged_from
        AND event.recorded_at < judged_before;
    RETURN NEXT;
END
$$;

COMMENT ON FUNCTION internal.judged_since(text, text, timestamptz) IS
'Of a meter or vehicle (kind_of_device) that was judged anew from an instant on (null: always): how many readings of a register, how many events, and whether later ones still wait.';
