-- Judges the steps of registers and session counters: what each counts, and which are events. docs/decisions.md has the rules
-- as a table; their rows are numbered here as there.

CREATE FUNCTION internal.judge_step(
    state internal.register_state,
    at timestamptz,
    kwh float8,
    kind_of_register text,
    modulus_kwh float8,
    power_kw float8,
    still_for interval,
    is_rated boolean,
    decision text,
    decided_first_kwh float8,
    OUT kind text,
    OUT counted_kwh float8,
    OUT closes boolean,
    OUT opens boolean
)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    jitter CONSTANT float8 := internal.register_jitter_kwh();
    step CONSTANT float8 := kwh - state.last_kwh;
    -- What can have flowed into the step, kWh.
    can_flow CONSTANT float8 := jitter + power_kw * date_part(
        'epoch', at - least(state.last_at, greatest(state.flows_from, at - still_for))
    ) / 3600;
    is_plain CONSTANT boolean := step >= -jitter AND step <= can_flow;
    -- While the register stands after an event, a step that takes longer than the last reading may be the way back.
    is_plain_at_once CONSTANT boolean := is_plain AND (
        NOT state.stands OR step <= jitter + power_kw * date_part('epoch', at - state.last_at) / 3600
    );
    rolled CONSTANT float8 := kwh + modulus_kwh - state.last_kwh;
    rolls_over CONSTANT boolean := coalesce(step < 0 AND rolled >= 0 AND rolled <= can_flow, false);
    back float8;
BEGIN
    closes := false;
    opens := false;
    -- Row 1.
    IF state.last_at IS NULL THEN
        kind := 'baseline';
        counted_kwh := 0;
        RETURN;
    END IF;
    -- What an operator decided stands.
    IF decision IS NOT NULL THEN
        kind := decision;
        closes := true;
        counted_kwh := CASE decision
            WHEN 'plain' THEN step
            WHEN 'reset' THEN kwh
            WHEN 'rollover' THEN kwh + coalesce(modulus_kwh, 0) - state.last_kwh
            WHEN 'exchange' THEN kwh - decided_first_kwh
        END;
        RETURN;
    END IF;
    IF kind_of_register = 'session' THEN
        IF step < -internal.session_jitter_kwh() THEN
            kind := 'reset';
            counted_kwh := kwh;
            opens := true;
            RETURN;
        END IF;
    ELSE
        -- Row 2.
        back := kwh - state.open_before_kwh;
        IF state.open_event_at IS NOT NULL
            AND at - state.open_before_at <= internal.event_open_for()
            AND back >= -jitter
            AND back <= jitter + power_kw * date_part('epoch', at - state.open_before_at) / 3600
            AND (CASE WHEN state.open_fell THEN step > 0 ELSE step < 0 END)
            AND (
                NOT is_plain_at_once
                OR (
                    NOT state.open_has_moved
                    AND state.open_fell
                    AND abs(step) > jitter
                    AND (state.open_kind = 'break' OR NOT is_rated)
                )
            )
        THEN
            kind := 'return';
            counted_kwh := back - state.open_counted_kwh;
            closes := true;
            RETURN;
        END IF;
        -- Row 3.
        IF step < -jitter
            AND state.may_be_undone
            AND kwh - state.before_kwh >= -jitter
            AND kwh - state.before_kwh <= jitter + power_kw * date_part('epoch', at - state.before_at) / 3600
            AND state.last_kwh - state.before_kwh > jitter
            AND NOT rolls_over
        THEN
            kind := 'return';
            counted_kwh := kwh - state.before_kwh - state.counted_kwh;
            RETURN;
        END IF;
    END IF;
    -- Row 4.
    IF is_plain THEN
        counted_kwh := step;
        RETURN;
    END IF;
    opens := true;
    IF rolls_over THEN
        kind := 'rollover';
        counted_kwh := rolled;
    ELSIF step < 0 AND kwh <= 0.1 * state.last_kwh AND kwh <= can_flow THEN
        kind := 'reset';
        counted_kwh := kwh;
    ELSE
        kind := 'break';
        counted_kwh := 0;
    END IF;
END
$$;

COMMENT ON FUNCTION internal.judge_step(
    internal.register_state, timestamptz, float8, text, float8, float8, interval, boolean, text, float8
) IS
'What a register''s step from its state to a value (kWh) at an instant counts (kWh), and which event it is; null: a plain step. Whether it closes the open event or opens one.';

-- Judges the readings of a stretch of a run, whose events before are right, and writes the events of the stretch. Reads
-- all of them in one query, which leaves plain steps out. A step is plain that the device could deliver since its value moved;
-- only the first move after an event is judged by another rule, and is looked for after each.

CREATE FUNCTION internal.judge_stretch(
    kind_of_device text,
    device text,
    kind_of_register text,
    run_from timestamptz,
    judged_from timestamptz,
    judged_to timestamptz
)
RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    rules record;
    state internal.register_state;
    decided_at timestamptz[];
    glitches timestamptz[];
    candidate record;
    move_at timestamptz;
    move_kwh float8;
    point record;
    decided_kind text;
    decided_first_kwh float8;
    judged record;
    candidates CURSOR (since timestamptz, flows_from timestamptz) FOR
        SELECT *
        FROM (
            SELECT
                step.*,
                coalesce(
                    max(CASE WHEN step.kwh <> step.last_kwh THEN step.last_at END) OVER (
                        ORDER BY step.at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                    ),
                    flows_from
                ) AS flows_from
            FROM (
                SELECT
                    reading.at,
                    reading.kwh,
                    reading.shown_at,
                    reading.shown_kwh,
                    lag(reading.at) OVER in_time AS last_at,
                    lag(reading.kwh) OVER in_time AS last_kwh,
                    lag(reading.at, 2) OVER in_time AS before_at,
                    lag(reading.kwh, 2) OVER in_time AS before_kwh
                FROM (
                    SELECT
                        history.recorded_at AS at,
                        history.energy_kwh AS kwh,
                        lag(history.recorded_at) OVER (ORDER BY history.recorded_at) AS shown_at,
                        lag(history.energy_kwh) OVER (ORDER BY history.recorded_at) AS shown_kwh
                    FROM internal.device_reading AS history
                    WHERE
                        history.device_type = kind_of_device
                        AND history.device_id = device
                        AND history.recorded_at >= since
                        AND history.recorded_at > run_from
                        AND history.recorded_at <= judged_to
                ) AS reading
                WHERE reading.at <> ALL (glitches)
                WINDOW in_time AS (ORDER BY reading.at)
            ) AS step
        ) AS step
        WHERE
            step.at >= judged_from
            AND (
                step.kwh - step.last_kwh >= -internal.register_jitter_kwh()
                AND (kind_of_register = 'register' OR step.kwh - step.last_kwh >= -internal.session_jitter_kwh())
                AND step.kwh - step.last_kwh <= internal.register_jitter_kwh() + rules.power_kw * date_part(
                    'epoch', step.at - least(step.last_at, greatest(step.flows_from, step.at - rules.still_for))
                ) / 3600
                AND step.shown_at = step.last_at
                AND step.at <> ALL (decided_at)
            ) IS NOT TRUE
        ORDER BY step.at;
BEGIN
    SELECT * INTO STRICT rules FROM internal.register_rules(kind_of_device, device);
    state := internal.register_state_before(kind_of_device, device, run_from, judged_from, rules.still_for);
    SELECT
        coalesce(array_agg(known.recorded_at), '{}'),
        coalesce(array_agg(known.recorded_at) FILTER (WHERE known.kind = 'glitch'), '{}')
    INTO decided_at, glitches
    FROM internal.register_decisions(kind_of_device, device, coalesce(state.last_at, run_from), judged_to) AS known;

    OPEN candidates (coalesce(state.last_at, judged_from), coalesce(state.flows_from, '-infinity'));
    FETCH candidates INTO candidate;
    LOOP
        move_at := NULL;
        IF state.stands THEN
            SELECT history.recorded_at, history.energy_kwh INTO move_at, move_kwh
            FROM internal.device_reading AS history
            WHERE
                history.device_type = kind_of_device
                AND history.device_id = device
                AND history.recorded_at > state.last_at
                AND history.recorded_at >= judged_from
                AND history.recorded_at <= judged_to
                AND history.recorded_at < coalesce(candidate.at, 'infinity')
                AND history.energy_kwh <> state.last_kwh
                AND history.recorded_at <> ALL (glitches)
            ORDER BY history.recorded_at
            LIMIT 1;
        END IF;
        IF move_at IS NOT NULL THEN
            -- The register stood still up to here: the steps between say nothing but how long.
            SELECT
                move_at AS at,
                move_kwh AS kwh,
                NULL::timestamptz AS shown_at,
                max(history.recorded_at) AS last_at,
                state.last_kwh AS last_kwh,
                state.last_kwh AS shown_kwh,
                state.last_at AS before_at,
                state.last_kwh AS before_kwh,
                state.flows_from AS flows_from
            INTO point
            FROM internal.device_reading AS history
            WHERE
                history.device_type = kind_of_device
                AND history.device_id = device
                AND history.recorded_at >= state.last_at
                AND history.recorded_at < move_at
                AND history.recorded_at <> ALL (glitches);
        ELSIF candidate.at IS NOT NULL THEN
            point := candidate;
        ELSE
            EXIT;
        END IF;

        -- Bring the state to the reading before the one to be judged, over steps that are plain.
        IF point.last_at > state.last_at THEN
            state.open_counted_kwh := state.open_counted_kwh + point.last_kwh - state.last_kwh;
            state.before_at := point.before_at;
            state.before_kwh := point.before_kwh;
            state.counted_kwh := point.last_kwh - point.before_kwh;
            state.may_be_undone := true;
            state.last_at := point.last_at;
            state.last_kwh := point.last_kwh;
            state.shown_kwh := point.last_kwh;
            state.flows_from := point.flows_from;
        END IF;
        IF point.shown_at IS NOT NULL THEN
            state.shown_kwh := point.shown_kwh;
        END IF;
        decided_kind := NULL;
        decided_first_kwh := NULL;
        IF point.at = ANY (decided_at) THEN
            SELECT known.kind, known.first_kwh INTO decided_kind, decided_first_kwh
            FROM internal.register_decisions(kind_of_device, device, point.at, point.at) AS known;
        END IF;
        SELECT * INTO judged
        FROM internal.judge_step(
            state,
            point.at,
            point.kwh,
            kind_of_register,
            CASE
                WHEN point.kwh < state.last_kwh OR decided_kind = 'rollover'
                    THEN internal.register_modulus(kind_of_device, device, point.at)
            END,
            rules.power_kw,
            rules.still_for,
            rules.is_rated,
            decided_kind,
            decided_first_kwh
        );
        -- The first reading after a glitch comes back from it.
        IF judged.kind IS NULL AND point.shown_at > point.last_at THEN
            judged.kind := 'return';
        END IF;

        -- The state after it.
        IF judged.opens THEN
            state.open_event_at := point.at;
            state.open_kind := judged.kind;
            state.open_fell := point.kwh < state.last_kwh;
            state.open_before_at := state.last_at;
            state.open_before_kwh := state.last_kwh;
            state.open_counted_kwh := judged.counted_kwh;
            state.open_has_moved := false;
        ELSIF judged.closes OR point.at - state.open_before_at > internal.event_open_for() THEN
            state.open_event_at := NULL;
            state.open_counted_kwh := NULL;
            state.open_has_moved := NULL;
        ELSIF state.open_event_at IS NOT NULL THEN
            state.open_counted_kwh := state.open_counted_kwh + judged.counted_kwh;
            state.open_has_moved := state.open_has_moved OR point.kwh <> state.last_kwh;
        END IF;
        IF judged.kind IS NOT NULL THEN
            INSERT INTO telemetry.register_event (
                device_type, device_id, recorded_at, kind, before_at, before_kwh, kwh, counted_kwh, correction_kwh,
                open_event_at, open_counted_kwh, open_has_moved
            )
            VALUES (
                kind_of_device, device, point.at, judged.kind, state.last_at, state.last_kwh, point.kwh,
                judged.counted_kwh, judged.counted_kwh - (point.kwh - coalesce(state.shown_kwh, 0)),
                state.open_event_at, state.open_counted_kwh, state.open_has_moved
            );
            state.flows_from := coalesce(state.last_at, point.at);
            state.stands := true;
        ELSE
            state.flows_from := CASE
                WHEN point.kwh <> state.last_kwh THEN state.last_at
                ELSE state.flows_from
            END;
            state.stands := state.stands AND point.kwh = state.last_kwh;
        END IF;
        state.before_at := state.last_at;
        state.before_kwh := state.last_kwh;
        state.counted_kwh := judged.counted_kwh;
        state.may_be_undone := judged.kind IS NULL OR judged.kind = 'return';
        state.last_at := point.at;
        state.last_kwh := point.kwh;
        state.shown_kwh := point.kwh;
        WHILE candidate.at <= point.at LOOP
            FETCH candidates INTO candidate;
        END LOOP;
    END LOOP;
    CLOSE candidates;

    -- What an operator left out counts nothing, and neither does the way to it.
    INSERT INTO telemetry.register_event (
        device_type, device_id, recorded_at, kind, before_at, before_kwh, kwh, counted_kwh, correction_kwh
    )
    SELECT
        kind_of_device, device, glitch.recorded_at, 'glitch', valid.recorded_at, valid.energy_kwh, glitch.energy_kwh, 0,
        coalesce(shown.energy_kwh, 0) - glitch.energy_kwh
    FROM internal.device_reading AS glitch
    LEFT JOIN LATERAL internal.reading_before(kind_of_device, device, run_from, glitch.recorded_at, '{}') AS shown ON true
    LEFT JOIN LATERAL internal.reading_before(kind_of_device, device, run_from, glitch.recorded_at, glitches) AS valid ON true
    WHERE
        glitch.device_type = kind_of_device
        AND glitch.device_id = device
        AND glitch.recorded_at = ANY (glitches)
        AND glitch.recorded_at >= judged_from
        AND glitch.recorded_at > run_from
        AND glitch.recorded_at <= judged_to;
END
$$;

COMMENT ON FUNCTION internal.judge_stretch(text, text, text, timestamptz, timestamptz, timestamptz) IS
'Writes the events of a register''s readings of [judged_from, judged_to], of which there are none yet, in the run of its kind that begins after run_from; those before have to be right. The caller holds the lock of the register.';

CREATE FUNCTION internal.register_modulus(kind_of_device text, device text, instant timestamptz)
RETURNS float8
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT known.register_modulus_kwh
    FROM internal.device_kind AS known
    WHERE
        known.device_type = kind_of_device
        AND known.device_id = device
        AND known.kind_from < instant
        AND known.kind_to >= instant
$$;

COMMENT ON FUNCTION internal.register_modulus(text, text, timestamptz) IS
'The value (kWh) at which the register of a meter or vehicle (kind_of_device) rolls over to zero, at an instant; null: never.';

-- Judges a register's readings from an instant on: to the newest, or, where only readings up to settles_from came or went, until
-- the state after a reading is what it was before. That takes as long as a value may stand still, and two readings more; and as long
-- as events differ. What takes longer than a request may wait is left to the backlog.

CREATE FUNCTION internal.judge_from(kind_of_device text, device text, judged_from timestamptz, settles_from timestamptz)
RETURNS void
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    run record;
    strides integer := 0;
    stretch_from timestamptz := judged_from;
    stretch_to timestamptz;
    before internal.register_event;
    after internal.register_event;
BEGIN
    stretch_to := internal.settled_after(kind_of_device, device, settles_from);
    LOOP
        SELECT * INTO before FROM internal.last_event(kind_of_device, device, stretch_to);
        DELETE FROM telemetry.register_event AS known
        WHERE
            known.device_type = kind_of_device
            AND known.device_id = device
            AND known.recorded_at >= stretch_from
            AND known.recorded_at <= stretch_to;
        FOR run IN
            SELECT *
            FROM internal.register_runs(kind_of_device, device) AS known
            WHERE known.run_to >= stretch_from AND known.run_from < stretch_to
        LOOP
            PERFORM internal.judge_stretch(
                kind_of_device, device, run.kind, run.run_from,
                greatest(stretch_from, run.run_from), least(stretch_to, run.run_to)
            );
        END LOOP;
        SELECT * INTO after FROM internal.last_event(kind_of_device, device, stretch_to);
        EXIT WHEN stretch_to = 'infinity' OR before IS NOT DISTINCT FROM after;
        stretch_from := stretch_to + interval '1 microsecond';
        stretch_to := stretch_to + internal.event_open_for();
        strides := strides + 1;
        IF strides = 5 THEN
            PERFORM internal.add_to_backlog(kind_of_device, device, stretch_from);
            EXIT;
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION internal.judge_from(text, text, timestamptz, timestamptz) IS
'Writes the events of a register anew from an instant on, until they are what they were; readings after settles_from have not changed (infinity: any may have). The caller holds the lock of the register.';

CREATE FUNCTION internal.last_event(kind_of_device text, device text, instant timestamptz)
RETURNS SETOF internal.register_event
LANGUAGE sql STABLE
AS $$
    SELECT *
    FROM internal.register_event AS known
    WHERE
        known.device_type = kind_of_device
        AND known.device_id = device
        AND known.recorded_at <= instant
        -- One says nothing of the state that it leaves as it was.
        AND known.kind <> 'glitch'
    ORDER BY known.recorded_at DESC
    LIMIT 1
$$;

COMMENT ON FUNCTION internal.last_event(text, text, timestamptz) IS
'The last event of a register at or before an instant, glitches aside. No row without one.';

CREATE FUNCTION internal.settled_after(kind_of_device text, device text, settles_from timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    third timestamptz;
    still_for CONSTANT interval := (
        SELECT rules.still_for FROM internal.register_rules(kind_of_device, device) AS rules
    );
BEGIN
    IF settles_from = 'infinity' THEN
        RETURN settles_from;
    END IF;
    SELECT reading.recorded_at INTO third
    FROM internal.device_reading AS reading
    WHERE
        reading.device_type = kind_of_device
        AND reading.device_id = device
        AND reading.recorded_at > settles_from
        -- What operators left out settles nothing.
        AND NOT EXISTS (
            SELECT
            FROM internal.register_decision AS decision
            WHERE
                decision.device_type = kind_of_device
                AND decision.device_id = device
                AND decision.decided_for = reading.recorded_at
                AND decision.kind = 'glitch'
        )
    ORDER BY reading.recorded_at
    OFFSET 2
    LIMIT 1;
    RETURN greatest(coalesce(third, 'infinity'), settles_from + still_for);
END
$$;

COMMENT ON FUNCTION internal.settled_after(text, text, timestamptz) IS
'Until when readings up to settles_from bear on the judging of later ones, but for open events.';
