-- What a correction does. The lock of the device's live row keeps others from adding readings meanwhile; the rows of
-- telemetry.corrected_reading say what was there and what takes its place, so that to undo is to do it the other way round.

CREATE FUNCTION internal.most_corrected_readings()
RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT 1000000 $$;

COMMENT ON FUNCTION internal.most_corrected_readings() IS
'Readings that one correction changes at most: a device''s of almost two years, one a minute.';

CREATE FUNCTION internal.check_correction(
    kind_of_device text, corrected_from timestamptz, corrected_to timestamptz, action text, reason text,
    factor float8, readings jsonb
)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    kept_from CONSTANT timestamptz := internal.hour_kept_from(
        internal.history_horizon(kind_of_device || '_telemetry_history')
    );
    example CONSTANT text := internal.rfc3339(date_trunc('hour', now()));
BEGIN
    IF corrected_from IS NULL OR corrected_to IS NULL OR NOT isfinite(corrected_from) OR NOT isfinite(corrected_to) THEN
        RAISE EXCEPTION '% must be an instant, such as %',
            CASE WHEN isfinite(corrected_from) THEN 'corrected_to' ELSE 'corrected_from' END, example
            USING
                ERRCODE = 'invalid_parameter_value',
                COLUMN = CASE WHEN isfinite(corrected_from) THEN 'corrected_to' ELSE 'corrected_from' END;
    END IF;
    IF corrected_from >= corrected_to THEN
        RAISE EXCEPTION 'corrected_from must be earlier than corrected_to'
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'corrected_from';
    END IF;
    IF corrected_from < kept_from THEN
        RAISE EXCEPTION 'corrected_from must be at least %: older readings are not kept', internal.rfc3339(kept_from)
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'corrected_from';
    END IF;
    IF trim(coalesce(reason, '')) = '' THEN
        RAISE EXCEPTION 'reason is missing: say why, such as ''sent Wh as kWh'''
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'reason';
    END IF;
    IF (action = 'scale') <> (factor IS NOT NULL) THEN
        RAISE EXCEPTION '%', CASE action
            WHEN 'scale' THEN 'factor is missing: scale needs what to multiply energies by, such as 0.001'
            ELSE format('factor must come with scale: %s has none', action)
        END
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'factor';
    END IF;
    IF factor <= 0 OR factor > 1e6 OR factor = 1 THEN
        RAISE EXCEPTION 'factor must be a number above 0, up to 1e6, and not 1, such as 0.001'
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'factor';
    END IF;
    IF (action = 'replace') <> (readings IS NOT NULL) THEN
        RAISE EXCEPTION '%', CASE action
            WHEN 'replace' THEN 'readings are missing: replace needs those that take the place of what is there'
            ELSE format('readings must come with replace: %s has none', action)
        END
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'readings';
    END IF;
END
$$;

COMMENT ON FUNCTION internal.check_correction(text, timestamptz, timestamptz, text, text, float8, jsonb) IS
'Error 22023, with an example, where a correction of a meter''s or vehicle''s readings (kind_of_device) lacks something, or has something too many.';

-- Of registers, from values and events; the history alone is read, since rollups may not show a correction yet.

CREATE FUNCTION internal.kept_energy(
    kind_of_device text, device text, window_from timestamptz, window_to timestamptz
)
RETURNS float8
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    total_kwh float8;
    run record;
    runs tstzrange[];
    begins_kwh float8;
    ends_kwh float8;
BEGIN
    IF EXISTS (
        SELECT
        FROM internal.register_backlog AS waiting
        WHERE
            waiting.device_type = kind_of_device
            AND waiting.device_id = device
            AND waiting.judged_before <= window_to
    ) THEN
        RETURN NULL;
    END IF;
    runs := ARRAY(
        SELECT tstzrange(greatest(known.run_from, window_from), least(known.run_to, window_to), '(]')
        FROM internal.register_runs(kind_of_device, device) AS known
        WHERE known.run_from < window_to AND known.run_to > window_from
    );
    SELECT coalesce(sum(reading.energy_kwh), 0) INTO total_kwh
    FROM internal.device_reading AS reading
    WHERE
        reading.device_type = kind_of_device
        AND reading.device_id = device
        AND reading.recorded_at > window_from
        AND reading.recorded_at <= window_to
        AND NOT coalesce(reading.recorded_at <@ ANY (runs), false);
    FOR run IN
        SELECT
            known.run_from,
            greatest(known.run_from, window_from) AS part_from,
            least(known.run_to, window_to) AS part_to
        FROM internal.register_runs(kind_of_device, device) AS known
        WHERE known.run_from < window_to AND known.run_to > window_from
    LOOP
        SELECT known.energy_kwh INTO ends_kwh
        FROM internal.reading_before(
            kind_of_device, device, run.run_from, run.part_to + interval '1 microsecond', '{}'
        ) AS known;
        CONTINUE WHEN NOT FOUND;
        -- Without one, the first reading is a baseline, whose correction takes its value away.
        SELECT known.energy_kwh INTO begins_kwh
        FROM internal.reading_before(
            kind_of_device, device, run.run_from, run.part_from + interval '1 microsecond', '{}'
        ) AS known;
        total_kwh := total_kwh + ends_kwh - coalesce(begins_kwh, 0) + (
            SELECT coalesce(sum(event.correction_kwh), 0)
            FROM internal.register_event AS event
            WHERE
                event.device_type = kind_of_device
                AND event.device_id = device
                AND event.recorded_at > run.part_from
                AND event.recorded_at <= run.part_to
        );
    END LOOP;
    RETURN total_kwh;
END
$$;

COMMENT ON FUNCTION internal.kept_energy(text, text, timestamptz, timestamptz) IS
'Energy of a meter or vehicle (kind_of_device) in (window_from, window_to], kWh, from the history; null while its steps are being judged.';

CREATE FUNCTION internal.renew_live_state(kind_of_device text, device text)
RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    IF kind_of_device = 'meter' THEN
        UPDATE telemetry.live_meter_state AS live
        SET
            recorded_at = newest.recorded_at,
            energy_ac_kwh = newest.energy_ac_kwh,
            voltage_v = newest.voltage_v,
            received_at = newest.received_at
        FROM (
            SELECT * FROM telemetry.meter_telemetry_history AS kept
            WHERE kept.meter_id = device
            ORDER BY kept.recorded_at DESC
            LIMIT 1
        ) AS newest
        WHERE live.meter_id = device;
        IF NOT FOUND THEN
            DELETE FROM telemetry.live_meter_state AS live WHERE live.meter_id = device;
        END IF;
    ELSE
        UPDATE telemetry.live_vehicle_state AS live
        SET
            recorded_at = newest.recorded_at,
            soc_pct = newest.soc_pct,
            energy_dc_kwh = newest.energy_dc_kwh,
            battery_temp_c = newest.battery_temp_c,
            received_at = newest.received_at
        FROM (
            SELECT * FROM telemetry.vehicle_telemetry_history AS kept
            WHERE kept.vehicle_id = device
            ORDER BY kept.recorded_at DESC
            LIMIT 1
        ) AS newest
        WHERE live.vehicle_id = device;
        IF NOT FOUND THEN
            DELETE FROM telemetry.live_vehicle_state AS live WHERE live.vehicle_id = device;
        END IF;
    END IF;
    PERFORM internal.keep_register_state(kind_of_device, device);
END
$$;

COMMENT ON FUNCTION internal.renew_live_state(text, text) IS
'Makes a device''s live row show its newest reading of the history; without any, there is no row. The caller holds its lock.';

CREATE FUNCTION internal.apply_correction(correction bigint)
RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    made CONSTANT telemetry.correction := (SELECT known FROM telemetry.correction AS known WHERE known.id = correction);
    history CONSTANT text := made.device_type || '_telemetry_history';
    first_at CONSTANT timestamptz := (
        SELECT min(changed.recorded_at) FROM telemetry.corrected_reading AS changed WHERE changed.correction_id = correction
    );
    last_at CONSTANT timestamptz := (
        SELECT max(changed.recorded_at) FROM telemetry.corrected_reading AS changed WHERE changed.correction_id = correction
    );
    is_register CONSTANT boolean := EXISTS (SELECT FROM internal.register_runs(made.device_type, made.device_id));
    deleted bigint;
BEGIN
    IF is_register THEN
        -- What is added below is judged with all that follows. What is judged anew begins with the oldest reading left.
        PERFORM internal.add_to_backlog(made.device_type, made.device_id, first_at);
        DELETE FROM telemetry.register_event AS event
        USING telemetry.corrected_reading AS changed
        WHERE
            changed.correction_id = correction
            AND changed.was IS NOT NULL
            AND event.device_type = made.device_type
            AND event.device_id = made.device_id
            AND event.recorded_at = changed.recorded_at;
    END IF;
    -- It is no retention, however old the readings are.
    PERFORM
        set_config('energy.deletes_expired', 'yes', true),
        -- A delete in the columnstore decompresses what it touches; how many rows that may be, is limited already.
        set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true);
    EXECUTE format(
        'DELETE FROM telemetry.%I WHERE %I = $1 AND recorded_at >= $2 AND recorded_at <= $3 AND recorded_at = ANY ($4)',
        history, made.device_type || '_id'
    )
    USING made.device_id, first_at, last_at, ARRAY(
        SELECT changed.recorded_at
        FROM telemetry.corrected_reading AS changed
        WHERE changed.correction_id = correction AND changed.was IS NOT NULL
    );
    PERFORM set_config('energy.deletes_expired', '', true);
    EXECUTE format(
        'INSERT INTO telemetry.%1$I
        SELECT (jsonb_populate_record(NULL::telemetry.%1$I, changed.became)).*
        FROM telemetry.corrected_reading AS changed
        WHERE changed.correction_id = $1 AND changed.became IS NOT NULL
        ORDER BY changed.recorded_at',
        history
    )
    USING correction;
    PERFORM internal.renew_rollups(correction);
    PERFORM internal.renew_live_state(made.device_type, made.device_id);
    IF is_register THEN
        PERFORM internal.judge_anew(made.device_type, made.device_id, first_at);
    END IF;
END
$$;

COMMENT ON FUNCTION internal.apply_correction(bigint) IS
'Makes the history hold what a correction put down in telemetry.corrected_reading, and live state, rollups and register events follow it. The caller holds the lock of the device.';

-- Implemented by each profile, with one meaning: sql/timescale/corrections.sql and sql/postgres/corrections.sql.

COMMENT ON FUNCTION internal.renew_rollups(bigint) IS
'Makes the rollups show what a correction changed, at once or (timescale profile) after a refresh, until when answers are pending.';

-- Stores a correction and its readings, and applies it.

CREATE FUNCTION internal.make_correction(made telemetry.correction, changed telemetry.corrected_reading[])
RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    until timestamptz;
BEGIN
    IF cardinality(changed) > internal.most_corrected_readings() THEN
        RAISE EXCEPTION 'corrected_to must be earlier: a correction changes % readings at most, not %',
            internal.most_corrected_readings(), cardinality(changed)
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'corrected_to';
    END IF;
    until := coalesce(
        (
            SELECT reading.recorded_at
            FROM internal.device_reading AS reading
            WHERE
                reading.device_type = made.device_type
                AND reading.device_id = made.device_id
                AND reading.recorded_at > made.corrected_to
            ORDER BY reading.recorded_at
            LIMIT 1
        ),
        made.corrected_to
    );
    made.readings_before := (
        SELECT count(*)
        FROM internal.device_reading AS reading
        WHERE
            reading.device_type = made.device_type
            AND reading.device_id = made.device_id
            AND reading.recorded_at > made.corrected_from
            AND reading.recorded_at <= made.corrected_to
    );
    INSERT INTO telemetry.correction (
        action, device_type, device_id, corrected_from, corrected_to, factor, undoes, operator, reason,
        readings_before, readings_after, energy_before_kwh
    )
    VALUES (
        made.action, made.device_type, made.device_id, made.corrected_from, made.corrected_to, made.factor, made.undoes,
        coalesce(made.operator, nullif(current_setting('energy.operator', true), '')), made.reason,
        made.readings_before,
        made.readings_before + (
            SELECT count(*) FILTER (WHERE one.was IS NULL) - count(*) FILTER (WHERE one.became IS NULL)
            FROM unnest(changed) AS one
        ),
        internal.kept_energy(made.device_type, made.device_id, made.corrected_from, until)
    )
    RETURNING id INTO made.id;
    INSERT INTO telemetry.corrected_reading (correction_id, recorded_at, was, became)
    SELECT made.id, one.recorded_at, one.was, one.became
    FROM unnest(changed) AS one;
    PERFORM internal.apply_correction(made.id);
    UPDATE telemetry.correction AS known
    SET energy_after_kwh = internal.kept_energy(made.device_type, made.device_id, made.corrected_from, until)
    WHERE known.id = made.id;
    RETURN made.id;
END
$$;

COMMENT ON FUNCTION internal.make_correction(telemetry.correction, telemetry.corrected_reading[]) IS
'Writes down a correction with the readings that it changes, applies it, and returns its number.';

CREATE FUNCTION internal.kept_rows(kind_of_device text, device text, rows_from timestamptz, rows_to timestamptz)
RETURNS TABLE (recorded_at timestamptz, content jsonb)
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    IF kind_of_device = 'meter' THEN
        RETURN QUERY
        SELECT kept.recorded_at, to_jsonb(kept)
        FROM internal.meter_telemetry_history AS kept
        WHERE kept.meter_id = device AND kept.recorded_at > rows_from AND kept.recorded_at <= rows_to;
    ELSE
        RETURN QUERY
        SELECT kept.recorded_at, to_jsonb(kept)
        FROM internal.vehicle_telemetry_history AS kept
        WHERE kept.vehicle_id = device AND kept.recorded_at > rows_from AND kept.recorded_at <= rows_to;
    END IF;
END
$$;

COMMENT ON FUNCTION internal.kept_rows(text, text, timestamptz, timestamptz) IS
'The readings of a meter or vehicle (kind_of_device) in (rows_from, rows_to], each as the row of its history, by column.';

-- Readings that take the place of others, as rows of the history. What the checks of its table refuse is an error there.

CREATE FUNCTION internal.replacing_rows(
    kind_of_device text, device text, rows_from timestamptz, rows_to timestamptz, readings jsonb
)
RETURNS TABLE (recorded_at timestamptz, content jsonb)
LANGUAGE plpgsql STABLE
SET timezone = 'UTC'
AS $$
DECLARE
    id CONSTANT text := kind_of_device || '_id';
    known CONSTANT text[] := CASE kind_of_device
        WHEN 'meter' THEN ARRAY['recorded_at', 'energy_ac_kwh', 'voltage_v']
        ELSE ARRAY['recorded_at', 'energy_dc_kwh', 'soc_pct', 'battery_temp_c']
    END;
    reading jsonb;
    wrong text;
BEGIN
    IF jsonb_typeof(readings) <> 'array' THEN
        RAISE EXCEPTION 'readings must be an array'
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'readings';
    END IF;
    FOR reading IN SELECT value FROM jsonb_array_elements(readings) LOOP
        wrong := CASE
            WHEN jsonb_typeof(reading) <> 'object' THEN 'a reading must be an object'
            WHEN NOT reading ?& known[1:2] THEN format('a reading must have %s and %s', known[1], known[2])
            WHEN (SELECT bool_or(NOT key = ANY (known)) FROM jsonb_object_keys(reading) AS key)
                THEN format('a reading has %s and nothing else', array_to_string(known, ', '))
        END;
        IF wrong IS NULL THEN
            recorded_at := (reading ->> 'recorded_at')::timestamptz;
            IF recorded_at <= rows_from OR recorded_at > rows_to OR recorded_at > now() THEN
                wrong := format('the reading of %s is not in the window', internal.rfc3339(recorded_at));
            END IF;
        END IF;
        IF wrong IS NOT NULL THEN
            RAISE EXCEPTION 'readings: %', wrong USING ERRCODE = 'invalid_parameter_value', COLUMN = 'readings';
        END IF;
        content := reading || jsonb_build_object(id, device, 'recorded_at', recorded_at, 'received_at', now());
        RETURN NEXT;
    END LOOP;
END
$$;

COMMENT ON FUNCTION internal.replacing_rows(text, text, timestamptz, timestamptz, jsonb) IS
'Readings of a meter or vehicle (kind_of_device), by column, as rows of its history. Error 22023 for what is no reading of (rows_from, rows_to].';

CREATE FUNCTION internal.scaled_energy(energy_kwh float8, factor float8)
RETURNS float8
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    IF energy_kwh * factor > 1e9 THEN
        RAISE EXCEPTION 'factor must be smaller: % kWh becomes more than 1e9', energy_kwh
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'factor';
    END IF;
    -- As the service takes it: less than a measurable energy is none.
    RETURN CASE WHEN energy_kwh * factor < 1e-9 THEN 0 ELSE energy_kwh * factor END;
END
$$;

COMMENT ON FUNCTION internal.scaled_energy(float8, float8) IS
'An energy multiplied by a factor, kWh. Error 22023 where it becomes more than a reading holds.';
