-- What judging a reading of a register or of a session counter rests on. docs/decisions.md has the rules; the numbers by which
-- they judge stand here, each with its name.

CREATE FUNCTION internal.register_jitter_kwh()
RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT float8 '0.5' $$;

COMMENT ON FUNCTION internal.register_jitter_kwh() IS
'A register may step back by so much (kWh) and be right: what jitter takes, it gives back.';

CREATE FUNCTION internal.session_jitter_kwh()
RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT float8 '0.1' $$;

COMMENT ON FUNCTION internal.session_jitter_kwh() IS
'A session counter that falls by more (kWh) has begun anew.';

CREATE FUNCTION internal.unknown_power_kw()
RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT float8 '1000' $$;

COMMENT ON FUNCTION internal.unknown_power_kw() IS
'The most a device can deliver where no rated power is known, kW.';

CREATE FUNCTION internal.over_rated()
RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT float8 '1.2' $$;

COMMENT ON FUNCTION internal.over_rated() IS
'How much of its rated power a device can deliver at most.';

CREATE FUNCTION internal.event_open_for()
RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT interval '7 days' $$;

COMMENT ON FUNCTION internal.event_open_for() IS
'For how long after the value before an event a register may still return to it.';

-- The state after a reading. last: that reading; shown: its value or, where operators left later readings out as glitches,
-- theirs. flows_from: the reading before the one that first showed the value, since a counter may stand still while energy flows.
-- stands: whether the register has not moved since its last event. before: the reading before, and what the step from it counted.
-- The open event is one that a return may still undo: the value before it, and what was counted since.

CREATE TYPE internal.register_state AS (
    last_at timestamptz,
    last_kwh float8,
    shown_kwh float8,
    flows_from timestamptz,
    stands boolean,
    before_at timestamptz,
    before_kwh float8,
    counted_kwh float8,
    may_be_undone boolean,
    open_event_at timestamptz,
    open_kind text,
    open_fell boolean,
    open_before_at timestamptz,
    open_before_kwh float8,
    open_counted_kwh float8,
    open_has_moved boolean
);

COMMENT ON TYPE internal.register_state IS
'What judging the next reading of a register rests on: last reading, since when energy may flow, the reading before, the open event. kWh.';

-- The most a device can deliver, and for how long its value may stand still while energy flows.

CREATE FUNCTION internal.register_rules(kind_of_device text, device text)
RETURNS TABLE (power_kw float8, still_for interval, is_rated boolean)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        coalesce(internal.over_rated() * rated.power_kw, internal.unknown_power_kw()),
        CASE WHEN rated.power_kw IS NULL THEN interval '1 hour' ELSE interval '24 hours' END,
        rated.power_kw IS NOT NULL
    FROM (
        SELECT coalesce(
            CASE kind_of_device
                WHEN 'meter' THEN (SELECT rated_power_kw FROM internal.meter WHERE meter_id = device)
                ELSE (SELECT rated_power_kw FROM internal.vehicle WHERE vehicle_id = device)
            END,
            (SELECT rated_power_kw FROM internal.fleet_rated_power WHERE device_type = kind_of_device)
        ) AS power_kw
    ) AS rated
$$;

COMMENT ON FUNCTION internal.register_rules(text, text) IS
'The most a meter or vehicle (kind_of_device) can deliver, kW; how long its value may stand still while energy flows; and whether its rated power is known.';

-- The times in which a device is a register or a session counter. Adjacent periods of one kind are one: what changes
-- between them (the modulus) loses no step.

CREATE FUNCTION internal.register_runs(kind_of_device text, device text)
RETURNS TABLE (kind text, run_from timestamptz, run_to timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 2
AS $$
    SELECT numbered.energy_reading, min(numbered.kind_from), max(numbered.kind_to)
    FROM (
        SELECT
            period.*,
            count(*) FILTER (WHERE period.is_new) OVER (ORDER BY period.kind_from) AS run
        FROM (
            SELECT
                known.energy_reading,
                known.kind_from,
                known.kind_to,
                lag(known.energy_reading) OVER (ORDER BY known.kind_from) IS DISTINCT FROM known.energy_reading AS is_new
            FROM internal.device_kind AS known
            WHERE known.device_type = kind_of_device AND known.device_id = device
        ) AS period
    ) AS numbered
    WHERE numbered.energy_reading <> 'interval'
    GROUP BY numbered.energy_reading, numbered.run
    ORDER BY 2
$$;

COMMENT ON FUNCTION internal.register_runs(text, text) IS
'The times (run_from, run_to] in which a meter or vehicle (kind_of_device) is a register or a session counter (kind), in order.';

-- What operators decided about steps from an instant on, each with the reading it is about: an announced exchange is about the
-- first reading at or after its instant, once and for all: where that reading is gone, its event is still there, and no other
-- reading takes its place. Where two are about one reading, the one of its very instant stands.

CREATE FUNCTION internal.register_decisions(
    kind_of_device text, device text, decided_from timestamptz, decided_to timestamptz
)
RETURNS TABLE (recorded_at timestamptz, kind text, first_kwh float8)
LANGUAGE plpgsql STABLE ROWS 1
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    RETURN QUERY
    SELECT DISTINCT ON (about.recorded_at) about.recorded_at, decision.kind, decision.first_kwh
    FROM internal.register_decision AS decision
    CROSS JOIN LATERAL (
        SELECT decision.decided_for AS recorded_at
        WHERE decision.kind <> 'exchange'
        UNION ALL
        (
            SELECT reading.recorded_at
            FROM internal.device_reading AS reading
            WHERE
                decision.kind = 'exchange'
                AND reading.device_type = kind_of_device
                AND reading.device_id = device
                AND reading.recorded_at >= decision.decided_for
                AND reading.recorded_at <= decided_to
            ORDER BY reading.recorded_at
            LIMIT 1
        )
    ) AS about
    WHERE
        decision.device_type = kind_of_device
        AND decision.device_id = device
        AND decision.decided_for <= decided_to
        AND about.recorded_at >= decided_from
        AND NOT EXISTS (
            SELECT
            FROM internal.register_event AS known
            WHERE
                known.device_type = kind_of_device
                AND known.device_id = device
                AND known.recorded_at >= decision.decided_for
                AND known.recorded_at < about.recorded_at
                AND known.kind = 'exchange'
        )
    ORDER BY about.recorded_at, about.recorded_at <> decision.decided_for, decision.decided_for;
END
$$;

COMMENT ON FUNCTION internal.register_decisions(text, text, timestamptz, timestamptz) IS
'What operators decided about readings of [decided_from, decided_to] of a meter or vehicle (kind_of_device): the reading, the kind, and of an exchange the first value (kWh) of the new meter.';

-- The state of a register before an instant. Between two events every step is plain, so that the last event and a few readings
-- tell all of it.

CREATE FUNCTION internal.register_state_before(
    kind_of_device text, device text, run_from timestamptz, instant timestamptz, still_for interval
)
RETURNS internal.register_state
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
DECLARE
    state internal.register_state;
    event internal.register_event;
    opening internal.register_event;
    shown record;
    newest record;
    glitches CONSTANT timestamptz[] := ARRAY(
        SELECT decision.decided_for
        FROM internal.register_decision AS decision
        WHERE
            decision.device_type = kind_of_device
            AND decision.device_id = device
            AND decision.kind = 'glitch'
            AND decision.decided_for < instant
    );
BEGIN
    SELECT * INTO shown FROM internal.reading_before(kind_of_device, device, run_from, instant, '{}');
    IF shown.recorded_at IS NULL THEN
        RETURN state;
    END IF;
    state.shown_kwh := shown.energy_kwh;
    newest := shown;
    IF shown.recorded_at = ANY (glitches) THEN
        SELECT * INTO newest FROM internal.reading_before(kind_of_device, device, run_from, instant, glitches);
        IF newest.recorded_at IS NULL THEN
            RETURN state;
        END IF;
    END IF;
    state.last_at := newest.recorded_at;
    state.last_kwh := newest.energy_kwh;

    SELECT * INTO event
    FROM internal.register_event AS known
    WHERE
        known.device_type = kind_of_device
        AND known.device_id = device
        AND known.recorded_at > run_from
        AND known.recorded_at <= state.last_at
        AND known.kind <> 'glitch'
    ORDER BY known.recorded_at DESC
    LIMIT 1;
    state.open_event_at := event.open_event_at;
    IF state.open_event_at IS NOT NULL THEN
        SELECT * INTO opening
        FROM internal.register_event AS known
        WHERE
            known.device_type = kind_of_device
            AND known.device_id = device
            AND known.recorded_at = state.open_event_at;
        state.open_kind := opening.kind;
        state.open_fell := opening.kwh < opening.before_kwh;
        state.open_before_at := opening.before_at;
        state.open_before_kwh := opening.before_kwh;
        state.open_counted_kwh := event.open_counted_kwh + state.last_kwh - event.kwh;
        state.open_has_moved := event.open_has_moved;
    END IF;
    IF event.recorded_at = state.last_at THEN
        -- It may have begun to show its value at any time since the reading before.
        state.flows_from := coalesce(event.before_at, state.last_at);
        state.stands := true;
        state.before_at := event.before_at;
        state.before_kwh := event.before_kwh;
        state.counted_kwh := event.counted_kwh;
        state.may_be_undone := event.kind = 'return';
        RETURN state;
    END IF;

    SELECT recorded_at, energy_kwh INTO state.before_at, state.before_kwh
    FROM internal.reading_before(kind_of_device, device, run_from, state.last_at, glitches);
    state.counted_kwh := state.last_kwh - state.before_kwh;
    state.may_be_undone := true;
    -- The last reading of another value, within the time for which a value may stand still.
    SELECT reading.recorded_at INTO state.flows_from
    FROM internal.device_reading AS reading
    WHERE
        reading.device_type = kind_of_device
        AND reading.device_id = device
        AND reading.recorded_at < state.last_at
        AND reading.recorded_at >= state.last_at - still_for
        AND reading.recorded_at >= coalesce(event.recorded_at, run_from)
        AND reading.recorded_at > run_from
        AND reading.energy_kwh <> state.last_kwh
        AND reading.recorded_at <> ALL (glitches)
    ORDER BY reading.recorded_at DESC
    LIMIT 1;
    state.stands := state.flows_from IS NULL AND state.last_kwh = event.kwh AND NOT EXISTS (
        SELECT
        FROM internal.device_reading AS reading
        WHERE
            reading.device_type = kind_of_device
            AND reading.device_id = device
            AND reading.recorded_at < state.last_at
            AND reading.recorded_at > event.recorded_at
            AND reading.energy_kwh <> event.kwh
            AND reading.recorded_at <> ALL (glitches)
    );
    state.stands := coalesce(state.stands, false);
    state.flows_from := CASE
        WHEN state.stands THEN coalesce(event.before_at, event.recorded_at)
        -- Moved longer ago than its value may stand still, or by one step from the reading before.
        ELSE coalesce(state.flows_from, state.last_at - still_for)
    END;
    IF state.open_event_at IS NOT NULL THEN
        state.open_has_moved := state.open_has_moved OR NOT state.stands;
    END IF;
    RETURN state;
END
$$;

COMMENT ON FUNCTION internal.register_state_before(text, text, timestamptz, timestamptz, interval) IS
'What judging a reading at an instant rests on: the state of a register after its last reading before, in the run of its kind that begins after run_from. All null where there is no reading.';

-- The reading before an instant: looked for within hours first, since a search without a bound would open every chunk. Where the
-- history is gone, the last value of a rollup stands for it.

CREATE FUNCTION internal.reading_before(
    kind_of_device text, device text, run_from timestamptz, instant timestamptz, left_out timestamptz[]
)
RETURNS TABLE (recorded_at timestamptz, energy_kwh float8)
LANGUAGE plpgsql STABLE STRICT ROWS 1
SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
DECLARE
    looked_from timestamptz;
    looked_to timestamptz := instant;
    stride interval;
BEGIN
    FOREACH stride IN ARRAY ARRAY[interval '2 hours', interval '1 day', interval '8 days', interval '40 days', NULL] LOOP
        looked_from := greatest(run_from, coalesce(instant - stride, '-infinity'));
        RETURN QUERY
        SELECT reading.recorded_at, reading.energy_kwh
        FROM internal.device_reading AS reading
        WHERE
            reading.device_type = kind_of_device
            AND reading.device_id = device
            AND reading.recorded_at > looked_from
            AND reading.recorded_at < looked_to
            AND reading.recorded_at <> ALL (left_out)
        ORDER BY reading.recorded_at DESC
        LIMIT 1;
        IF FOUND THEN
            RETURN;
        END IF;
        EXIT WHEN looked_from <= run_from;
        looked_to := looked_from + interval '1 microsecond';
    END LOOP;
    RETURN QUERY
    SELECT hourly.last_recorded_at, hourly.energy_last_kwh
    FROM internal.device_hourly AS hourly
    WHERE
        hourly.device_type = kind_of_device
        AND hourly.device_id = device
        AND hourly.bucket_start < instant
        AND hourly.bucket_start >= instant - interval '8 days'
        AND hourly.last_recorded_at < instant
        AND hourly.last_recorded_at > run_from
        AND hourly.last_recorded_at <> ALL (left_out)
        -- Or it may hold what was corrected.
        AND NOT EXISTS (
            SELECT
            FROM internal.stale_hour AS stale
            WHERE
                stale.device_type = kind_of_device
                AND (stale.device_id = device OR stale.device_id IS NULL)
                AND stale.bucket_start = hourly.bucket_start
        )
    ORDER BY hourly.bucket_start DESC
    LIMIT 1;
    IF FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT daily.last_recorded_at, daily.energy_last_kwh
    FROM internal.device_daily AS daily
    WHERE
        daily.device_type = kind_of_device
        AND daily.device_id = device
        AND daily.bucket_start < instant
        AND daily.last_recorded_at < instant
        AND daily.last_recorded_at > run_from
        AND daily.last_recorded_at <> ALL (left_out)
        AND NOT EXISTS (
            SELECT
            FROM internal.stale_hour AS stale
            WHERE
                stale.device_type = kind_of_device
                AND (stale.device_id = device OR stale.device_id IS NULL)
                AND stale.bucket_start >= daily.bucket_start
                AND stale.bucket_start < daily.bucket_start + interval '24 hours'
        )
    ORDER BY daily.bucket_start DESC
    LIMIT 1;
END
$$;

COMMENT ON FUNCTION internal.reading_before(text, text, timestamptz, timestamptz, timestamptz[]) IS
'The last reading of a meter or vehicle (kind_of_device) in (run_from, instant), those left out aside, and its value (kWh); from a rollup where the history is gone. No row without one.';
