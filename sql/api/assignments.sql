-- A vehicle was plugged into a meter at an instant: an assignment begins, and ends where the next one of either begins.
-- Idempotent: a repeat changes nothing, also where the assignment was moved, voided or closed since.

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
    PERFORM internal.lock_assignments_of(ARRAY[meter], ARRAY[vehicle]);

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
    FROM internal.assignments_of(meter, vehicle, tstzrange(plugged_in_at, NULL)) AS later
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
    FROM internal.assignments_of(meter, vehicle, tstzrange(plugged_in_at, plugged_in_at, '[]')) AS taken
    ORDER BY taken.id;
END
$$;

COMMENT ON FUNCTION api.plug_in(text, text, timestamptz) IS
'A vehicle was plugged into a meter: created (the assignment that begins), unchanged (a repeat; the assignment, or nulls where it was voided), or overlap (each assignment in the way; nothing is changed).';

-- A meter's vehicle was unplugged at an instant: its assignment ends there, also where a later end was stored. Idempotent: a
-- repeat changes nothing, also where the assignment changed since.

CREATE FUNCTION api.plug_out(meter text, vehicle text, plugged_out_at timestamptz)
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
BEGIN
    PERFORM internal.lock_assignments_of(ARRAY[meter], ARRAY[vehicle]);

    RETURN QUERY
    SELECT
        'unchanged', kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during), upper(kept.during)
    FROM telemetry.assignment AS kept
    WHERE
        kept.meter_id = meter
        AND (vehicle IS NULL OR kept.vehicle_id = vehicle)
        AND kept.during && tstzrange(plugged_out_at - interval '1 microsecond', plugged_out_at)
        AND upper(kept.during) = plugged_out_at;
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
        AND upper(change.new_during) = plugged_out_at
        AND (vehicle IS NULL OR change.new_vehicle_id = vehicle)
    ORDER BY change.id DESC
    LIMIT 1;
    IF FOUND THEN
        RETURN;
    END IF;

    RETURN QUERY
    UPDATE telemetry.assignment AS kept
    SET during = tstzrange(lower(kept.during), plugged_out_at)
    WHERE
        kept.meter_id = meter
        AND (vehicle IS NULL OR kept.vehicle_id = vehicle)
        AND kept.during @> plugged_out_at
        AND lower(kept.during) < plugged_out_at
    RETURNING 'closed', kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during), upper(kept.during);
END
$$;

COMMENT ON FUNCTION api.plug_out(text, text, timestamptz) IS
'A vehicle (null: any) was unplugged from a meter: closed (the assignment that ends), unchanged (a repeat; the assignment, or nulls where it was voided), or no row where nothing was plugged in.';

-- From an instant on, a meter feeds a vehicle, and other assignments of the two end: the plug-outs that nobody reported and
-- the plug-in, in one step. Idempotent: a repeat changes nothing.

CREATE FUNCTION api.hand_over(meter text, vehicle text, handed_over_at timestamptz)
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
BEGIN
    -- The plug-in alone settles a repeat, free devices, and an assignment that begins at this very instant, which cannot
    -- end there.
    RETURN QUERY
    SELECT * FROM api.plug_in(meter, vehicle, handed_over_at) AS plugged
    WHERE plugged.outcome <> 'overlap' OR plugged.begins = handed_over_at;
    IF FOUND THEN
        RETURN;
    END IF;

    RETURN QUERY
    UPDATE telemetry.assignment AS kept
    SET during = tstzrange(lower(kept.during), handed_over_at)
    WHERE
        kept.id = ANY (ARRAY(
            SELECT taken.id
            FROM internal.assignments_of(meter, vehicle, tstzrange(handed_over_at, handed_over_at, '[]')) AS taken
        ))
        AND (upper_inf(kept.during) OR upper(kept.during) > handed_over_at)
    RETURNING 'closed', kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during), upper(kept.during);

    RETURN QUERY
    SELECT * FROM api.plug_in(meter, vehicle, handed_over_at) AS plugged
    WHERE plugged.outcome = 'created';
    IF NOT FOUND THEN
        -- A session without these locks assigned a device in between. The error takes the closing back.
        RAISE serialization_failure USING MESSAGE = 'the devices were assigned by another transaction; try again';
    END IF;
END
$$;

COMMENT ON FUNCTION api.hand_over(text, text, timestamptz) IS
'A meter feeds a vehicle from an instant on: closed (each assignment that ends there), then created; or unchanged (a repeat; nulls where it was voided), or overlap (each that begins at that very instant; nothing is changed).';

-- Runs with the owner's rights, so that a role without DELETE may call it: a trigger keeps the voided assignment's values.

CREATE FUNCTION api.void_assignment(assignment_id bigint)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM telemetry.assignment WHERE id = assignment_id;
END
$$;

COMMENT ON FUNCTION api.void_assignment(bigint) IS
'Voids an assignment: deletes it as one that never was; telemetry.assignment_change keeps its values. Without such an assignment it changes nothing.';
