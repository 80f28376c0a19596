-- Plug events, one at a time and in any order of arrival. Both functions lock the devices first, answer a repeat before
-- anything else, and return one row for each assignment that they touch, the event's own one last.

CREATE FUNCTION internal.closes_by_next_plug_in()
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT coalesce((SELECT fleet.close_by_next_plug_in FROM internal.plug_event_default AS fleet), false)
$$;

COMMENT ON FUNCTION internal.closes_by_next_plug_in() IS
'Whether the next plug-in of a meter or a vehicle ends an assignment that was left open; false by default.';

-- A reason of the service itself is added to that of the sender, for the statements up to the next call of set_config.

CREATE FUNCTION internal.add_reason(why text)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
DECLARE
    given CONSTANT text := coalesce(current_setting('energy.reason', true), '');
BEGIN
    PERFORM set_config('energy.reason', concat_ws('; ', nullif(given, ''), why), true);
    RETURN given;
END
$$;

COMMENT ON FUNCTION internal.add_reason(text) IS
'Adds a reason to energy.reason for this transaction, and returns what it was before.';

-- A session that ended at the instant of its plug-in has no time and no energy: a range cannot be empty, and a range of a
-- microsecond would be in the way of the next one. It takes a number and leaves its two changes, and no row that every
-- answer would have to know of. Runs with the owner's rights, since only a trigger writes changes otherwise.

CREATE FUNCTION internal.note_session_of_no_length(meter text, vehicle text, plugged_in_at timestamptz)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    noted CONSTANT bigint := nextval(pg_get_serial_sequence('telemetry.assignment', 'id'));
    operator CONSTANT text := nullif(current_setting('energy.operator', true), '');
    reason CONSTANT text := nullif(current_setting('energy.reason', true), '');
BEGIN
    INSERT INTO telemetry.assignment_change (
        assignment_id, changed_at, action, new_meter_id, new_vehicle_id, new_during, database_role, operator, reason
    )
    VALUES (
        noted, clock_timestamp(), 'created', meter, vehicle, tstzrange(plugged_in_at, NULL), session_user, operator, reason
    );
    INSERT INTO telemetry.assignment_change (
        assignment_id, changed_at, action, old_meter_id, old_vehicle_id, old_during, database_role, operator, reason
    )
    VALUES (
        noted, clock_timestamp(), 'voided', meter, vehicle, tstzrange(plugged_in_at, NULL), session_user, operator, reason
    );
    RETURN noted;
END
$$;

COMMENT ON FUNCTION internal.note_session_of_no_length(text, text, timestamptz) IS
'Records a session that ended at the instant of its plug-in as created and voided, and returns its id.';

-- Devices that stamp whole seconds report a plug-out before a plug-in of the same second that another clock stamped exactly.

CREATE FUNCTION internal.is_same_second(plugged_in_at timestamptz, plugged_out_at timestamptz)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT plugged_out_at = plugged_in_at OR plugged_out_at = date_trunc('second', plugged_in_at)
$$;

COMMENT ON FUNCTION internal.is_same_second(timestamptz, timestamptz) IS
'Whether a plug-out is of the instant of a plug-in, or of its second where the plug-out has whole seconds.';

CREATE FUNCTION internal.plug_in(
    meter text,
    vehicle text,
    plugged_in_at timestamptz,
    clock_tolerance interval,
    closes_what_is_open boolean
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
DECLARE
    free_until timestamptz;
    waiting record;
    has_no_length boolean;
    ends_at timestamptz;
    in_the_way bigint[];
    reason_before text;
    begun bigint;
BEGIN
    PERFORM internal.lock_assignments_of(ARRAY[meter], ARRAY[vehicle]);

    RETURN QUERY
    SELECT
        'unchanged', kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during), upper(kept.during), NULL::timestamptz
    FROM telemetry.assignment AS kept
    WHERE kept.meter_id = meter AND kept.vehicle_id = vehicle AND kept.during @> plugged_in_at;
    IF FOUND THEN
        RETURN;
    END IF;

    RETURN QUERY
    SELECT
        'unchanged', kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during), upper(kept.during), NULL::timestamptz
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
    -- The plug-out of this session, where that came first.
    SELECT plug_out.id, plug_out.plugged_out_at
    INTO waiting
    FROM telemetry.unmatched_plug_out AS plug_out
    WHERE
        plug_out.meter_id = meter
        AND (plug_out.vehicle_id = vehicle OR plug_out.vehicle_id IS NULL)
        AND plug_out.assignment_id IS NULL
        AND plug_out.plugged_out_at >= date_trunc('second', plugged_in_at)
        AND (plug_out.plugged_out_at > plugged_in_at OR internal.is_same_second(plugged_in_at, plug_out.plugged_out_at))
        AND plug_out.plugged_out_at <= coalesce(free_until + clock_tolerance, 'infinity')
    ORDER BY plug_out.plugged_out_at, plug_out.vehicle_id
    LIMIT 1;
    has_no_length := coalesce(waiting.plugged_out_at <= plugged_in_at, false);

    in_the_way := ARRAY(
        SELECT taken.id
        FROM internal.assignments_of(meter, vehicle, tstzrange(plugged_in_at, plugged_in_at, '[]')) AS taken
    );
    -- What gives way began before. It ends within the difference of two clocks, or nobody reported when.
    RETURN QUERY
    SELECT
        'overlap', kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during), upper(kept.during), NULL::timestamptz
    FROM telemetry.assignment AS kept
    WHERE
        kept.id = ANY (in_the_way)
        AND CASE
            WHEN lower(kept.during) = plugged_in_at THEN NOT has_no_length
            WHEN upper(kept.during) <= plugged_in_at + clock_tolerance THEN false
            WHEN upper_inf(kept.during) OR upper(kept.during) = kept.assumed_end THEN NOT closes_what_is_open
            ELSE true
        END
    ORDER BY kept.id;
    IF FOUND THEN
        RETURN;
    END IF;

    IF in_the_way <> '{}' THEN
        reason_before := internal.add_reason('clipped at the next plug-in: the clocks of the two events differ');
        RETURN QUERY
        UPDATE telemetry.assignment AS kept
        SET
            during = tstzrange(lower(kept.during), plugged_in_at),
            assumed_end = CASE WHEN upper(kept.during) = kept.assumed_end THEN plugged_in_at END
        WHERE
            kept.id = ANY (in_the_way)
            AND lower(kept.during) < plugged_in_at
            AND kept.during @> plugged_in_at
            AND upper(kept.during) <= plugged_in_at + clock_tolerance
        RETURNING
            'clipped', kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during), upper(kept.during), NULL::timestamptz;
        PERFORM set_config('energy.reason', reason_before, true);

        reason_before := internal.add_reason('closed by the next plug-in');
        RETURN QUERY
        UPDATE telemetry.assignment AS kept
        SET
            during = tstzrange(lower(kept.during), plugged_in_at),
            assumed_end = plugged_in_at
        WHERE
            kept.id = ANY (in_the_way)
            AND lower(kept.during) < plugged_in_at
            AND kept.during @> plugged_in_at
            AND closes_what_is_open
            AND (upper_inf(kept.during) OR upper(kept.during) = kept.assumed_end)
        RETURNING
            'closed', kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during), upper(kept.during), NULL::timestamptz;
        PERFORM set_config('energy.reason', reason_before, true);
    END IF;

    IF has_no_length THEN
        reason_before := internal.add_reason('plugged out at the instant of the plug-in');
        begun := internal.note_session_of_no_length(meter, vehicle, plugged_in_at);
        PERFORM set_config('energy.reason', reason_before, true);
        UPDATE telemetry.unmatched_plug_out AS plug_out SET assignment_id = begun WHERE plug_out.id = waiting.id;
        RETURN QUERY SELECT 'created', begun, meter, vehicle, plugged_in_at, plugged_in_at, NULL::timestamptz;
        RETURN;
    END IF;

    -- least() passes over nulls.
    ends_at := least(waiting.plugged_out_at, free_until);
    INSERT INTO telemetry.assignment AS kept (meter_id, vehicle_id, during, assumed_end)
    VALUES (
        meter,
        vehicle,
        tstzrange(plugged_in_at, ends_at),
        CASE WHEN waiting.id IS NULL THEN free_until END
    )
    ON CONFLICT DO NOTHING
    RETURNING kept.id INTO begun;
    IF begun IS NULL THEN
        -- A session without these locks assigned a device in between. The error takes back what was closed.
        RAISE serialization_failure USING MESSAGE = 'the devices were assigned by another transaction; try again';
    END IF;
    IF waiting.id IS NOT NULL THEN
        UPDATE telemetry.unmatched_plug_out AS plug_out SET assignment_id = begun WHERE plug_out.id = waiting.id;
        IF waiting.plugged_out_at > ends_at THEN
            RETURN QUERY SELECT 'clipped', begun, meter, vehicle, plugged_in_at, ends_at, NULL::timestamptz;
        END IF;
    END IF;
    RETURN QUERY SELECT 'created', begun, meter, vehicle, plugged_in_at, ends_at, NULL::timestamptz;
END
$$;

COMMENT ON FUNCTION internal.plug_in(text, text, timestamptz, interval, boolean) IS
'What api.plug_in does; closes_what_is_open: whether it ends assignments whose plug-out nobody reported.';

CREATE FUNCTION internal.plug_out(
    meter text,
    vehicle text,
    plugged_out_at timestamptz,
    clock_tolerance interval,
    may_wait boolean
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
DECLARE
    ended_before record;
    ended_at_once record;
    reason_before text;
BEGIN
    PERFORM internal.lock_assignments_of(ARRAY[meter], ARRAY[vehicle]);

    -- The end was assumed, and is now reported.
    RETURN QUERY
    UPDATE telemetry.assignment AS kept
    SET assumed_end = NULL
    WHERE
        kept.meter_id = meter
        AND (vehicle IS NULL OR kept.vehicle_id = vehicle)
        AND kept.during && tstzrange(plugged_out_at - interval '1 microsecond', plugged_out_at)
        AND upper(kept.during) = plugged_out_at
        AND kept.assumed_end = plugged_out_at
    RETURNING
        'closed', kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during), upper(kept.during), upper(kept.during);
    IF FOUND THEN
        RETURN;
    END IF;

    RETURN QUERY
    SELECT
        'unchanged', kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during), upper(kept.during), NULL::timestamptz
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
        'unchanged', kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during), upper(kept.during), NULL::timestamptz
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
    SELECT
        'unchanged', kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during), upper(kept.during), NULL::timestamptz
    FROM telemetry.unmatched_plug_out AS noted
    LEFT JOIN telemetry.assignment AS kept ON kept.id = noted.assignment_id
    WHERE
        noted.meter_id = meter
        AND noted.plugged_out_at = plug_out.plugged_out_at
        AND noted.vehicle_id IS NOT DISTINCT FROM vehicle
        AND noted.assignment_id IS NOT NULL;
    IF FOUND THEN
        RETURN;
    END IF;

    -- The plug-out of an assignment whose end was assumed a moment before: the two clocks differ.
    SELECT kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during) AS begins, upper(kept.during) AS ends
    INTO ended_before
    FROM telemetry.assignment AS kept
    WHERE
        kept.meter_id = meter
        AND (vehicle IS NULL OR kept.vehicle_id = vehicle)
        AND kept.during && tstzrange(plugged_out_at - clock_tolerance - interval '1 microsecond', plugged_out_at)
        AND upper(kept.during) BETWEEN plugged_out_at - clock_tolerance AND plugged_out_at
        AND upper(kept.during) = kept.assumed_end
    ORDER BY upper(kept.during) DESC
    LIMIT 1;

    -- Without a vehicle, it is not taken for the plug-out of one that was plugged in a moment ago.
    RETURN QUERY
    UPDATE telemetry.assignment AS kept
    SET
        during = tstzrange(lower(kept.during), plugged_out_at),
        assumed_end = NULL
    WHERE
        kept.meter_id = meter
        AND (kept.vehicle_id = vehicle OR (vehicle IS NULL AND ended_before.id IS NULL))
        AND kept.during @> plugged_out_at
        AND lower(kept.during) < plugged_out_at
    RETURNING
        'closed', kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during), upper(kept.during),
        (
            SELECT before.assumed_end
            FROM telemetry.assignment AS before
            WHERE before.id = kept.id AND before.assumed_end = upper(before.during)
        );
    IF FOUND THEN
        RETURN;
    END IF;

    IF ended_before.id IS NOT NULL THEN
        RETURN QUERY
        SELECT
            settled.outcome, ended_before.id, ended_before.meter_id, ended_before.vehicle_id, ended_before.begins,
            ended_before.ends, NULL::timestamptz
        FROM unnest(ARRAY['clipped', 'unchanged']) AS settled (outcome);
        RETURN;
    END IF;

    -- The instant of the plug-in: a session of no length. One that has an end of record is another session's.
    SELECT kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during) AS begins
    INTO ended_at_once
    FROM telemetry.assignment AS kept
    WHERE
        kept.meter_id = meter
        AND (vehicle IS NULL OR kept.vehicle_id = vehicle)
        AND kept.during && tstzrange(plug_out.plugged_out_at, plug_out.plugged_out_at + interval '1 second')
        AND internal.is_same_second(lower(kept.during), plug_out.plugged_out_at)
        AND (upper_inf(kept.during) OR upper(kept.during) = kept.assumed_end);
    IF FOUND THEN
        reason_before := internal.add_reason('plugged out at the instant of the plug-in');
        PERFORM api.void_assignment(ended_at_once.id);
        PERFORM set_config('energy.reason', reason_before, true);
        RETURN QUERY
        SELECT
            'closed', ended_at_once.id, ended_at_once.meter_id, ended_at_once.vehicle_id, ended_at_once.begins,
            ended_at_once.begins, NULL::timestamptz;
        RETURN;
    END IF;

    -- A repeat of that.
    PERFORM
    FROM telemetry.assignment_change AS change
    WHERE
        change.new_meter_id = meter
        AND lower(change.new_during) >= plug_out.plugged_out_at
        AND lower(change.new_during) < plug_out.plugged_out_at + interval '1 second'
        AND internal.is_same_second(lower(change.new_during), plug_out.plugged_out_at)
        AND (vehicle IS NULL OR change.new_vehicle_id = vehicle)
        AND NOT EXISTS (SELECT FROM telemetry.assignment AS kept WHERE kept.id = change.assignment_id);
    IF FOUND THEN
        RETURN QUERY
        SELECT 'unchanged', NULL::bigint, NULL, NULL, NULL::timestamptz, NULL::timestamptz, NULL::timestamptz;
        RETURN;
    END IF;

    -- Another one is plugged in, and neither clocks nor a plug-out that is missing explain it: no plug-in can come that this
    -- would end.
    PERFORM
    FROM telemetry.assignment AS kept
    WHERE
        kept.id = ANY (ARRAY(
            SELECT taken.id
            FROM internal.assignments_of(
                meter, vehicle, tstzrange(plug_out.plugged_out_at, plug_out.plugged_out_at, '[]')
            ) AS taken
        ))
        AND lower(kept.during) < plug_out.plugged_out_at - clock_tolerance
        AND NOT (
            (upper_inf(kept.during) OR kept.assumed_end IS NOT DISTINCT FROM upper(kept.during))
            AND internal.closes_by_next_plug_in()
        );
    IF FOUND OR NOT may_wait THEN
        RETURN;
    END IF;

    INSERT INTO telemetry.unmatched_plug_out (
        meter_id, vehicle_id, plugged_out_at, noted_at, database_role, operator, reason
    )
    VALUES (
        meter,
        vehicle,
        plug_out.plugged_out_at,
        clock_timestamp(),
        session_user,
        nullif(current_setting('energy.operator', true), ''),
        nullif(current_setting('energy.reason', true), '')
    )
    ON CONFLICT DO NOTHING;
    RETURN QUERY
    SELECT
        CASE WHEN FOUND THEN 'waiting' ELSE 'unchanged' END,
        NULL::bigint, NULL, NULL, NULL::timestamptz, NULL::timestamptz, NULL::timestamptz;
END
$$;

COMMENT ON FUNCTION internal.plug_out(text, text, timestamptz, interval, boolean) IS
'What api.plug_out does; may_wait: whether a plug-out that ends nothing is kept for a plug-in that comes later.';
