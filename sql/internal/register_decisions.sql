-- Decisions of operators about steps of registers: which are allowed, and what they change.

CREATE FUNCTION internal.rfc3339(instant timestamptz)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET timezone = 'UTC'
AS $$ SELECT replace(to_jsonb(instant) #>> '{}', '+00:00', 'Z') $$;

COMMENT ON FUNCTION internal.rfc3339(timestamptz) IS 'An instant as errors show it: RFC 3339, in UTC.';

-- Whoever brings the first reading of a device holds no live row that could be locked: then the table is, for a moment.

CREATE FUNCTION internal.lock_device(kind_of_device text, device text)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM internal.lock_register(kind_of_device, device);
    IF NOT EXISTS (
        SELECT FROM telemetry.live_meter_state AS live WHERE kind_of_device = 'meter' AND live.meter_id = device
        UNION ALL
        SELECT FROM telemetry.live_vehicle_state AS live WHERE kind_of_device = 'vehicle' AND live.vehicle_id = device
    ) THEN
        EXECUTE format('LOCK TABLE telemetry.%I IN SHARE ROW EXCLUSIVE MODE', 'live_' || kind_of_device || '_state');
        PERFORM internal.lock_register(kind_of_device, device);
    END IF;
END
$$;

COMMENT ON FUNCTION internal.lock_device(text, text) IS
'Keeps others from adding readings of a meter or vehicle (kind_of_device), its first one too, until the transaction ends.';

CREATE FUNCTION internal.lock_known_device(kind_of_device text, device text)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT
        FROM internal.device_kind AS known
        WHERE known.device_type = kind_of_device AND known.device_id = device
    ) THEN
        RAISE EXCEPTION '% % has no reading and is not registered', kind_of_device, device
            USING ERRCODE = 'no_data_found', COLUMN = 'device';
    END IF;
    PERFORM internal.lock_device(kind_of_device, device);
END
$$;

COMMENT ON FUNCTION internal.lock_known_device(text, text) IS
'internal.lock_device, of a device that has readings or is registered. Error P0002: it is not known.';

CREATE FUNCTION internal.check_decision_is_whole(decision text, at timestamptz, first_kwh float8)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    announced_for CONSTANT interval := interval '31 days';
BEGIN
    IF at IS NULL OR NOT isfinite(at) THEN
        RAISE EXCEPTION 'at must be an instant, such as %', internal.rfc3339(date_trunc('hour', now()))
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'at';
    END IF;
    IF decision = 'exchange' AND first_kwh IS NULL THEN
        RAISE EXCEPTION 'first_kwh is missing: exchange needs the value with which the new meter began, such as 700'
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'first_kwh';
    END IF;
    IF decision <> 'exchange' AND first_kwh IS NOT NULL THEN
        RAISE EXCEPTION 'first_kwh must come with exchange: % has none', decision
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'first_kwh';
    END IF;
    IF first_kwh NOT BETWEEN 0 AND 1e9 THEN
        RAISE EXCEPTION 'first_kwh must be a number from 0 to 1e9 (kWh), such as 700'
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'first_kwh';
    END IF;
    IF at > now() + announced_for THEN
        RAISE EXCEPTION 'at must be at most 31 days ahead, up to %',
            internal.rfc3339(date_trunc('second', now() + announced_for))
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'at';
    END IF;
END
$$;

COMMENT ON FUNCTION internal.check_decision_is_whole(text, timestamptz, float8) IS
'Error 22023 where a decision lacks an instant or the first value (kWh) of an exchange, has one too many, or lies too far ahead.';

-- The register is locked by then: what is checked here holds until the end of the transaction.

CREATE FUNCTION internal.check_decision(
    kind_of_device text, device text, at timestamptz, decision text, first_kwh float8
)
RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    run record;
    about record;
    before record;
    modulus_kwh float8;
BEGIN
    SELECT * INTO run
    FROM internal.register_runs(kind_of_device, device) AS known
    WHERE known.run_from < at AND known.run_to >= at;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% % is no register at %: its energyReading must be register or session then',
            kind_of_device, device, internal.rfc3339(at)
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'at';
    END IF;
    SELECT reading.recorded_at, reading.energy_kwh INTO about
    FROM internal.device_reading AS reading
    WHERE
        reading.device_type = kind_of_device
        AND reading.device_id = device
        AND reading.recorded_at >= at
        AND reading.recorded_at <= run.run_to
    ORDER BY reading.recorded_at
    LIMIT 1;
    IF decision <> 'exchange' AND about.recorded_at IS DISTINCT FROM at THEN
        RAISE EXCEPTION 'at must be the instant of a reading of % %: the next ones are %', kind_of_device, device,
            internal.readings_around(kind_of_device, device, at)
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'at';
    END IF;
    IF decision = 'glitch' THEN
        RETURN;
    END IF;
    SELECT known.recorded_at, known.energy_kwh INTO before
    FROM internal.reading_before(
        kind_of_device,
        device,
        run.run_from,
        at,
        ARRAY(
            SELECT known.decided_for
            FROM internal.register_decision AS known
            WHERE known.device_type = kind_of_device AND known.device_id = device AND known.kind = 'glitch'
        )
    ) AS known;
    IF before.recorded_at IS NULL AND about.recorded_at IS NOT NULL THEN
        RAISE EXCEPTION 'at must be later than %: the first reading has no step that leads to it',
            internal.rfc3339(about.recorded_at)
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'at';
    END IF;
    IF about.recorded_at > at AND EXISTS (
        SELECT
        FROM internal.reading_before(kind_of_device, device, run.run_from, about.recorded_at, '{}') AS gone
        WHERE gone.recorded_at >= at
    ) THEN
        RAISE EXCEPTION 'at must be at least %: the readings before are not kept any more', internal.rfc3339(about.recorded_at)
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'at';
    END IF;
    IF decision = 'exchange' AND first_kwh > about.energy_kwh THEN
        RAISE EXCEPTION 'first_kwh must be at most %, the reading of %', about.energy_kwh, internal.rfc3339(about.recorded_at)
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'first_kwh';
    END IF;
    IF decision = 'rollover' THEN
        modulus_kwh := internal.register_modulus(kind_of_device, device, at);
        IF modulus_kwh IS NULL THEN
            RAISE EXCEPTION 'decision rollover needs the registerModulusKwh of % %, such as 100000', kind_of_device, device
                USING ERRCODE = 'invalid_parameter_value', COLUMN = 'decision';
        ELSIF about.energy_kwh >= before.energy_kwh OR before.energy_kwh > about.energy_kwh + modulus_kwh THEN
            RAISE EXCEPTION 'decision rollover needs a fall from at most % kWh: the step leads from % to %',
                about.energy_kwh + modulus_kwh, before.energy_kwh, about.energy_kwh
                USING ERRCODE = 'invalid_parameter_value', COLUMN = 'decision';
        END IF;
    END IF;
END
$$;

COMMENT ON FUNCTION internal.check_decision(text, text, timestamptz, text, float8) IS
'Error 22023 where a decision about a step of a meter or vehicle (kind_of_device) does not fit its readings.';

CREATE FUNCTION internal.readings_around(kind_of_device text, device text, instant timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    around timestamptz[] := ARRAY(
        SELECT known.recorded_at
        FROM internal.reading_before(kind_of_device, device, '-infinity', instant, '{}') AS known
        UNION ALL
        (
            SELECT reading.recorded_at
            FROM internal.device_reading AS reading
            WHERE
                reading.device_type = kind_of_device
                AND reading.device_id = device
                AND reading.recorded_at > instant
            ORDER BY reading.recorded_at
            LIMIT 1
        )
    );
BEGIN
    RETURN coalesce(
        (SELECT string_agg(internal.rfc3339(known.at), ' and ' ORDER BY known.at) FROM unnest(around) AS known (at)),
        'still to come'
    );
END
$$;

COMMENT ON FUNCTION internal.readings_around(text, text, timestamptz) IS
'The instants of the readings before and after an instant, as errors name them.';

-- A decision of null withdraws one. The trigger of the table records the change.

CREATE FUNCTION internal.apply_decision(
    kind_of_device text,
    device text,
    at timestamptz,
    decision text,
    first_kwh float8,
    operator text,
    reason text
)
RETURNS TABLE (outcome text, event_at timestamptz, energy_change_kwh float8, is_pending boolean)
LANGUAGE plpgsql ROWS 1
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    set_operator CONSTANT text := coalesce(current_setting('energy.operator', true), '');
    set_reason CONSTANT text := coalesce(current_setting('energy.reason', true), '');
    known telemetry.register_decision;
    waited boolean;
    events_before internal.register_event[];
    judged_before timestamptz;
BEGIN
    SELECT * INTO known
    FROM telemetry.register_decision AS kept
    WHERE kept.device_type = kind_of_device AND kept.device_id = device AND kept.decided_for = at;
    IF (known.kind, known.first_kwh) IS NOT DISTINCT FROM (decision, first_kwh) THEN
        outcome := 'unchanged';
        energy_change_kwh := 0;
    ELSE
        waited := EXISTS (
            SELECT
            FROM telemetry.register_backlog AS waiting
            WHERE waiting.device_type = kind_of_device AND waiting.device_id = device
        );
        events_before := ARRAY(
            SELECT event
            FROM internal.register_event AS event
            WHERE event.device_type = kind_of_device AND event.device_id = device AND event.recorded_at >= at
        );
        operator := coalesce(operator, nullif(set_operator, ''));
        reason := coalesce(reason, nullif(set_reason, ''));
        PERFORM set_config('energy.operator', coalesce(operator, ''), true), set_config('energy.reason', coalesce(reason, ''), true);
        IF decision IS NULL THEN
            outcome := 'withdrawn';
            DELETE FROM telemetry.register_decision AS kept
            WHERE kept.device_type = kind_of_device AND kept.device_id = device AND kept.decided_for = at;
        ELSE
            outcome := CASE WHEN known.kind IS NULL THEN 'decided' ELSE 'changed' END;
            INSERT INTO telemetry.register_decision AS kept (
                device_type, device_id, decided_for, kind, first_kwh, decided_at, operator, reason
            )
            VALUES (kind_of_device, device, at, decision, first_kwh, clock_timestamp(), operator, reason)
            ON CONFLICT ON CONSTRAINT register_decision_key DO UPDATE SET
                kind = excluded.kind,
                first_kwh = excluded.first_kwh,
                decided_at = excluded.decided_at,
                database_role = excluded.database_role,
                operator = excluded.operator,
                reason = excluded.reason;
        END IF;
        PERFORM set_config('energy.operator', set_operator, true), set_config('energy.reason', set_reason, true);
        PERFORM internal.judge_anew(kind_of_device, device, at);
        -- As far as it is judged by now.
        SELECT waiting.judged_before INTO judged_before
        FROM telemetry.register_backlog AS waiting
        WHERE waiting.device_type = kind_of_device AND waiting.device_id = device;
        IF NOT waited THEN
            SELECT coalesce(sum(change.kwh), 0) INTO energy_change_kwh
            FROM (
                SELECT event.recorded_at, event.correction_kwh
                FROM internal.register_event AS event
                WHERE event.device_type = kind_of_device AND event.device_id = device AND event.recorded_at >= at
                UNION ALL
                SELECT event.recorded_at, -event.correction_kwh
                FROM unnest(events_before) AS event
            ) AS change (recorded_at, kwh)
            WHERE change.recorded_at < coalesce(judged_before, 'infinity');
        END IF;
    END IF;
    SELECT reading.recorded_at INTO event_at
    FROM internal.device_reading AS reading
    WHERE
        reading.device_type = kind_of_device
        AND reading.device_id = device
        AND reading.recorded_at >= at
        AND (reading.recorded_at = at OR coalesce(decision, known.kind) = 'exchange')
    ORDER BY reading.recorded_at
    LIMIT 1;
    is_pending := EXISTS (
        SELECT
        FROM telemetry.register_backlog AS waiting
        WHERE waiting.device_type = kind_of_device AND waiting.device_id = device
    );
    RETURN NEXT;
END
$$;

COMMENT ON FUNCTION internal.apply_decision(text, text, timestamptz, text, float8, text, text) IS
'Stores or withdraws (decision null) a decision about a step of a register, and judges it anew; the caller holds its lock. Returns what api.decide_step returns.';
