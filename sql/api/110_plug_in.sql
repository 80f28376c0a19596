-- A vehicle was plugged into a meter at an instant: an assignment begins, and lasts until one of the two is taken by the
-- next. Told again, it changes nothing, whatever became of the assignment since: moved, voided or closed, it stays so.

CREATE FUNCTION api.plug_in(meter text, vehicle text, plugged_in_at timestamptz)
RETURNS TABLE (
    outcome text,
    id bigint,
    meter_id text,
    vehicle_id text,
    begins timestamptz,
    ends timestamptz
)
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
DECLARE
    free_until timestamptz;
BEGIN
    PERFORM api.lock_assignments_of(ARRAY[meter], ARRAY[vehicle]);

    RETURN QUERY
    SELECT
        'unchanged', kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during), upper(kept.during)
    FROM telemetry.assignment AS kept
    WHERE kept.meter_id = meter AND kept.vehicle_id = vehicle AND kept.during @> plugged_in_at;
    IF FOUND THEN
        RETURN;
    END IF;

    RETURN QUERY
    SELECT
        'unchanged', kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during), upper(kept.during)
    FROM telemetry.assignment_change AS change
    LEFT JOIN telemetry.assignment AS kept ON kept.id = change.assignment_id
    WHERE
        change.new_meter_id = meter
        AND lower(change.new_during) = plugged_in_at
        AND change.new_vehicle_id = vehicle
    ORDER BY change.id DESC
    LIMIT 1;
    IF FOUND THEN
        RETURN;
    END IF;

    SELECT min(lower(later.during))
    INTO free_until
    FROM api.assignments_of(meter, vehicle, tstzrange(plugged_in_at, NULL)) AS later
    WHERE lower(later.during) > plugged_in_at;
    RETURN QUERY
    INSERT INTO telemetry.assignment AS kept (meter_id, vehicle_id, during)
    VALUES (meter, vehicle, tstzrange(plugged_in_at, free_until))
    ON CONFLICT DO NOTHING
    RETURNING 'created', kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during), upper(kept.during);
    IF FOUND THEN
        RETURN;
    END IF;

    RETURN QUERY
    SELECT
        'overlap', taken.id, taken.meter_id, taken.vehicle_id, lower(taken.during), upper(taken.during)
    FROM api.assignments_of(meter, vehicle, tstzrange(plugged_in_at, plugged_in_at, '[]')) AS taken
    ORDER BY taken.id;
END
$$;

COMMENT ON FUNCTION api.plug_in(text, text, timestamptz) IS
'A vehicle was plugged into a meter: created (the assignment that begins), unchanged (it was told before; the assignment, or nulls where it was voided), or overlap (each assignment in the way; nothing is changed).';
