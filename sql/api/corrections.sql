-- Corrections: an operator voids, scales or replaces the readings of a device in a window, or undoes one. What was there is kept.

CREATE FUNCTION api.correct_readings(
    kind_of_device text,
    device text,
    corrected_from timestamptz,
    corrected_to timestamptz,
    action text,
    reason text,
    factor float8 DEFAULT NULL,
    readings jsonb DEFAULT NULL,
    operator text DEFAULT NULL
)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    energy CONSTANT text := CASE kind_of_device WHEN 'meter' THEN 'energy_ac_kwh' ELSE 'energy_dc_kwh' END;
    made telemetry.correction;
    changed telemetry.corrected_reading[];
BEGIN
    PERFORM internal.one_of('kind_of_device', kind_of_device, ARRAY['meter', 'vehicle']);
    PERFORM internal.one_of('action', action, ARRAY['void', 'scale', 'replace']);
    CALL internal.remember_dropped();
    PERFORM internal.check_correction(kind_of_device, corrected_from, corrected_to, action, reason, factor, readings);
    PERFORM internal.lock_known_device(kind_of_device, device);
    made.action := action;
    made.device_type := kind_of_device;
    made.device_id := device;
    made.corrected_from := corrected_from;
    made.corrected_to := corrected_to;
    made.factor := factor;
    made.reason := trim(reason);
    made.operator := operator;
    changed := ARRAY(
        SELECT ROW(NULL, coalesce(kept.recorded_at, new.recorded_at), kept.content, new.content)::telemetry.corrected_reading
        FROM internal.kept_rows(kind_of_device, device, corrected_from, corrected_to) AS kept
        FULL JOIN internal.replacing_rows(
            kind_of_device, device, corrected_from, corrected_to, coalesce(readings, '[]')
        ) AS new USING (recorded_at)
    );
    IF cardinality(changed) = 0 THEN
        RAISE EXCEPTION '% % has no reading after % and up to %: the next ones are %', kind_of_device, device,
            internal.rfc3339(corrected_from), internal.rfc3339(corrected_to),
            internal.readings_around(kind_of_device, device, corrected_from)
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'corrected_from';
    END IF;
    IF action = 'scale' THEN
        changed := ARRAY(
            SELECT ROW(
                NULL, one.recorded_at, one.was,
                one.was || jsonb_build_object(energy, internal.scaled_energy((one.was ->> energy)::float8, factor))
            )::telemetry.corrected_reading
            FROM unnest(changed) AS one
        );
    END IF;
    RETURN internal.make_correction(made, changed);
END
$$;

COMMENT ON FUNCTION api.correct_readings(text, text, timestamptz, timestamptz, text, text, float8, jsonb, text) IS
'Corrects the readings of a meter or vehicle (kind_of_device) in (corrected_from, corrected_to], and returns the number of the correction, for api.correction and api.undo_correction. action: void takes them away; scale multiplies their energies by factor; replace puts readings in their place, an array of objects with recorded_at and the columns of the history. Live state, rollups and register events follow at once, or answers are pending. A preview is a transaction that is rolled back. Error 22023: not allowed, with an example; P0002: no such device.';

CREATE FUNCTION api.undo_correction(correction bigint, reason text, operator text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    made telemetry.correction;
    changed telemetry.corrected_reading[];
    other record;
BEGIN
    SELECT * INTO made FROM telemetry.correction AS known WHERE known.id = correction;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no correction %', correction USING ERRCODE = 'no_data_found', COLUMN = 'correction';
    END IF;
    CALL internal.remember_dropped();
    PERFORM internal.check_correction(
        made.device_type, made.corrected_from, made.corrected_to, 'void', reason, NULL, NULL
    );
    PERFORM internal.lock_device(made.device_type, made.device_id);
    SELECT known.id INTO other FROM telemetry.correction AS known WHERE known.undoes = correction;
    IF FOUND THEN
        RAISE EXCEPTION 'correction % is undone already, by %', correction, other.id
            USING
                ERRCODE = 'restrict_violation',
                COLUMN = 'correction',
                HINT = format('To do it again, undo %s.', other.id);
    END IF;
    changed := ARRAY(
        SELECT ROW(NULL, known.recorded_at, known.became, known.was)::telemetry.corrected_reading
        FROM telemetry.corrected_reading AS known
        WHERE known.correction_id = correction
    );
    SELECT one.recorded_at INTO other
    FROM unnest(changed) AS one
    LEFT JOIN internal.kept_rows(
        made.device_type, made.device_id, made.corrected_from, made.corrected_to
    ) AS kept USING (recorded_at)
    WHERE kept.content IS DISTINCT FROM one.was
    ORDER BY one.recorded_at
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'correction % cannot be undone: the reading of % has changed since', correction,
            internal.rfc3339(other.recorded_at)
            USING
                ERRCODE = 'restrict_violation',
                COLUMN = 'correction',
                HINT = coalesce(
                    (
                        SELECT 'Undo ' || max(later.id) || ' first.'
                        FROM telemetry.correction AS later
                        JOIN telemetry.corrected_reading AS touched
                            ON touched.correction_id = later.id AND touched.recorded_at = other.recorded_at
                        WHERE
                            later.id > correction
                            AND later.device_type = made.device_type
                            AND later.device_id = made.device_id
                    ),
                    'The device sent it again: void it first.'
                );
    END IF;
    made.action := 'undo';
    made.undoes := correction;
    made.factor := NULL;
    made.reason := trim(reason);
    made.operator := operator;
    RETURN internal.make_correction(made, changed);
END
$$;

COMMENT ON FUNCTION api.undo_correction(bigint, text, text) IS
'Takes back what a correction did, and returns the number of the correction that this is; it can be undone as well. Error 23001: it is undone already, or its readings have changed since, with what to undo first; P0002: no such correction.';

CREATE VIEW api.correction AS
SELECT
    made.id,
    made.action,
    made.device_type,
    made.device_id,
    made.corrected_from,
    made.corrected_to,
    made.factor,
    made.undoes,
    undo.id AS undone_by,
    made.corrected_at,
    made.database_role,
    made.operator,
    made.reason,
    made.readings_before,
    made.readings_after,
    made.energy_before_kwh,
    made.energy_after_kwh,
    internal.is_pending(made.device_type, made.device_id, made.corrected_from, made.corrected_to) AS is_pending
FROM internal.correction AS made
LEFT JOIN internal.correction AS undo ON undo.undoes = made.id;

COMMENT ON VIEW api.correction IS
'Every correction of readings, with its figures before and after: who, when, why. What it changed, reading by reading: api.corrected_reading.';
COMMENT ON COLUMN api.correction.id IS 'Number, counted up.';
COMMENT ON COLUMN api.correction.action IS 'void, scale, replace or undo.';
COMMENT ON COLUMN api.correction.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN api.correction.device_id IS 'The device, as it names itself.';
COMMENT ON COLUMN api.correction.corrected_from IS 'Start of the window, excluded.';
COMMENT ON COLUMN api.correction.corrected_to IS 'End of the window, included.';
COMMENT ON COLUMN api.correction.factor IS 'Of scale, what the energies were multiplied by.';
COMMENT ON COLUMN api.correction.undoes IS 'Of undo, the correction that was taken back.';
COMMENT ON COLUMN api.correction.undone_by IS 'The correction that took this one back; null: none.';
COMMENT ON COLUMN api.correction.corrected_at IS 'When it was made.';
COMMENT ON COLUMN api.correction.database_role IS 'The database role that made it.';
COMMENT ON COLUMN api.correction.operator IS 'Who made it, as the request says; null: the request does not.';
COMMENT ON COLUMN api.correction.reason IS 'Why.';
COMMENT ON COLUMN api.correction.readings_before IS 'Readings of the device in the window before.';
COMMENT ON COLUMN api.correction.readings_after IS 'Readings of the device in the window after.';
COMMENT ON COLUMN api.correction.energy_before_kwh IS
'Energy of the device before, from the start of the window to the first reading after it, whose step changes with it, kWh; null: it was being judged.';
COMMENT ON COLUMN api.correction.energy_after_kwh IS 'Energy of the device after, over the same time, kWh; null: it is being judged.';
COMMENT ON COLUMN api.correction.is_pending IS 'Whether answers about the window may not show it in full yet.';

CREATE VIEW api.corrected_reading AS
SELECT changed.correction_id, changed.recorded_at, changed.was, changed.became
FROM internal.corrected_reading AS changed;
