-- A vehicle was plugged into a meter at an instant: an assignment begins, and ends where its plug-out is known or the next
-- one of either begins. What is in the way ends there, if the clocks of the two events explain it, or if its plug-out was
-- not reported and the fleet's default says so. Idempotent: a repeat changes nothing, also where the assignment was moved,
-- voided or closed since.

CREATE FUNCTION api.plug_in(
    meter text,
    vehicle text,
    plugged_in_at timestamptz,
    clock_tolerance interval DEFAULT '5 seconds'
)
RETURNS TABLE (
    outcome text,
    id bigint,
    meter_id text,
    vehicle_id text,
    begins timestamptz,
    ends timestamptz,
    replaced_end timestamptz
)
LANGUAGE sql
AS $$
    SELECT plugged.*
    FROM internal.plug_in(meter, vehicle, plugged_in_at, clock_tolerance, internal.closes_by_next_plug_in()) AS plugged
$$;

COMMENT ON FUNCTION api.plug_in(text, text, timestamptz, interval) IS
'A vehicle was plugged into a meter: clipped (each assignment that ended up to clock_tolerance later, and ends there now) and closed (each whose plug-out was not reported, if api.set_plug_event_default allows it), then created (the assignment that begins; of no length, and voided, where its plug-out is of the same instant); or unchanged (a repeat; the assignment, or nulls where it was voided), or overlap (each assignment in the way; nothing is changed).';

-- A meter's vehicle was unplugged at an instant: its assignment ends there, also where a later end was stored. A plug-out
-- that ends nothing waits for its plug-in. Idempotent: a repeat changes nothing, also where the assignment changed since.

CREATE FUNCTION api.plug_out(
    meter text,
    vehicle text,
    plugged_out_at timestamptz,
    clock_tolerance interval DEFAULT '5 seconds'
)
RETURNS TABLE (
    outcome text,
    id bigint,
    meter_id text,
    vehicle_id text,
    begins timestamptz,
    ends timestamptz,
    replaced_end timestamptz
)
LANGUAGE sql
AS $$
    SELECT unplugged.*
    FROM internal.plug_out(meter, vehicle, plugged_out_at, clock_tolerance, true) AS unplugged
$$;

COMMENT ON FUNCTION api.plug_out(text, text, timestamptz, interval) IS
'A vehicle (null: any) was unplugged from a meter: closed (the assignment that ends, voided where it began at that instant; replaced_end: the end that the next plug-in had assumed), unchanged (a repeat; the assignment, or nulls where there is none), clipped and unchanged (an assignment that the next plug-in ended up to clock_tolerance before), waiting (it ends a plug-in that comes later; nulls), or no row where the meter feeds another vehicle, or the vehicle draws from another meter.';

-- From an instant on, a meter feeds a vehicle, and other assignments of the two end: the plug-outs that nobody reported and
-- the plug-in, in one step. Idempotent: a repeat changes nothing.

CREATE FUNCTION api.hand_over(
    meter text,
    vehicle text,
    handed_over_at timestamptz,
    clock_tolerance interval DEFAULT '5 seconds'
)
RETURNS TABLE (
    outcome text,
    id bigint,
    meter_id text,
    vehicle_id text,
    begins timestamptz,
    ends timestamptz,
    replaced_end timestamptz
)
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
    -- The plug-in alone settles a repeat, free devices, clocks that differ, and an assignment that begins at this very
    -- instant, which cannot end there.
    RETURN QUERY
    SELECT * FROM internal.plug_in(meter, vehicle, handed_over_at, clock_tolerance, false) AS plugged
    WHERE plugged.outcome <> 'overlap' OR plugged.begins = handed_over_at;
    IF FOUND THEN
        RETURN;
    END IF;

    RETURN QUERY
    UPDATE telemetry.assignment AS kept
    SET
        during = tstzrange(lower(kept.during), handed_over_at),
        assumed_end = handed_over_at
    WHERE
        kept.id = ANY (ARRAY(
            SELECT taken.id
            FROM internal.assignments_of(meter, vehicle, tstzrange(handed_over_at, handed_over_at, '[]')) AS taken
        ))
        AND (upper_inf(kept.during) OR upper(kept.during) > handed_over_at)
    RETURNING
        'closed', kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during), upper(kept.during), NULL::timestamptz;

    RETURN QUERY
    SELECT * FROM internal.plug_in(meter, vehicle, handed_over_at, clock_tolerance, false) AS plugged
    WHERE plugged.outcome <> 'overlap';
    IF NOT FOUND THEN
        -- A session without these locks assigned a device in between. The error takes the closing back.
        RAISE serialization_failure USING MESSAGE = 'the devices were assigned by another transaction; try again';
    END IF;
END
$$;

COMMENT ON FUNCTION api.hand_over(text, text, timestamptz, interval) IS
'A meter feeds a vehicle from an instant on: clipped and closed (each assignment that ends there), then created; or unchanged (a repeat; nulls where it was voided), or overlap (each that begins at that very instant; nothing is changed).';

-- What the fleet does with plug-outs that nobody reported. Stored as data, so that events over HTTP and in SQL agree.

CREATE FUNCTION api.set_plug_event_default(close_by_next_plug_in boolean)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
    INSERT INTO telemetry.plug_event_default AS fleet (close_by_next_plug_in, changed_at, database_role, operator)
    VALUES (
        set_plug_event_default.close_by_next_plug_in,
        clock_timestamp(),
        session_user,
        nullif(current_setting('energy.operator', true), '')
    )
    ON CONFLICT ON CONSTRAINT plug_event_default_key DO UPDATE
    SET
        close_by_next_plug_in = excluded.close_by_next_plug_in,
        changed_at = excluded.changed_at,
        database_role = excluded.database_role,
        operator = excluded.operator
    WHERE fleet.close_by_next_plug_in <> excluded.close_by_next_plug_in;
END
$$;

COMMENT ON FUNCTION api.set_plug_event_default(boolean) IS
'Whether a plug-in ends an assignment of its meter or its vehicle whose plug-out was not reported; false, the default: it is an overlap. Events before the change stay as they are.';

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
