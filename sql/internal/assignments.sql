-- Serializes writers of a device's assignments until they commit: what a writer looks up after this call still holds in its
-- next statement. The constraints of the table would reject concurrent changes too, but with occasional deadlocks.
--
-- Devices share 256 locks (DEVICE_LOCKS), taken in order: a transaction holds at most 256, and no two wait for each other.

CREATE FUNCTION internal.lock_assignments_of(meters text[], vehicles text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('telemetry.assignment'), bucket.number)
    FROM (
        SELECT DISTINCT hashtext(device) & 255 AS number
        FROM (
            SELECT 'meter ' || meter AS device FROM unnest(meters) AS meter
            UNION ALL
            SELECT 'vehicle ' || vehicle FROM unnest(vehicles) AS vehicle
        ) AS named
        WHERE device IS NOT NULL
        ORDER BY 1
    ) AS bucket;
END
$$;

COMMENT ON FUNCTION internal.lock_assignments_of(text[], text[]) IS
'Waits until nobody else writes assignments of these meters and vehicles, and keeps others waiting until the transaction ends.';

-- The assignments of a meter and those of a vehicle that touch a period. A query for each side: with OR, the planner may
-- prefer to read the assignments of all devices in that period.

CREATE FUNCTION internal.assignments_of(meter text, vehicle text, span tstzrange)
RETURNS TABLE (id bigint, meter_id text, vehicle_id text, during tstzrange)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 2
AS $$
    SELECT fed.id, fed.meter_id, fed.vehicle_id, fed.during
    FROM internal.assignment AS fed
    WHERE fed.meter_id = meter AND fed.during && span
    UNION
    SELECT drawn.id, drawn.meter_id, drawn.vehicle_id, drawn.during
    FROM internal.assignment AS drawn
    WHERE drawn.vehicle_id = vehicle AND drawn.during && span
$$;

COMMENT ON FUNCTION internal.assignments_of(text, text, tstzrange) IS
'Assignments of a meter, and those of a vehicle, that are in force at some time of a span.';

-- The meters that fed a vehicle within a window, each with the part of the window in which it did: its assignments,
-- clipped. A vehicle that never had an assignment is paired with the meter that bears its own id, if there is one, for
-- the time in which that meter was assigned to no other vehicle: its energy for another one belongs to that one.

CREATE FUNCTION internal.vehicle_feeds(vehicle text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (meter_id text, feed_from timestamptz, feed_to timestamptz, assignment_id bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
AS $$
    SELECT
        assignment.meter_id,
        greatest(lower(assignment.during), window_from),
        least(upper(assignment.during), window_to),
        assignment.id
    FROM internal.assignment
    WHERE assignment.vehicle_id = vehicle AND assignment.during && tstzrange(window_from, window_to)
    UNION ALL
    SELECT live.meter_id, lower(rest.during), upper(rest.during), NULL
    FROM internal.live_meter_state AS live
    CROSS JOIN LATERAL unnest(
        tstzmultirange(tstzrange(window_from, window_to))
        - coalesce(
            (
                SELECT range_agg(assignment.during)
                FROM internal.assignment
                WHERE assignment.meter_id = vehicle AND assignment.during && tstzrange(window_from, window_to)
            ),
            '{}'::tstzmultirange
        )
    ) AS rest (during)
    WHERE
        live.meter_id = vehicle
        AND NOT EXISTS (SELECT FROM internal.assignment WHERE assignment.vehicle_id = vehicle)
$$;

COMMENT ON FUNCTION internal.vehicle_feeds(text, timestamptz, timestamptz) IS
'Meters that fed a vehicle in (window_from, window_to], each with its part of the window: assignments, clipped, with their ids; for a vehicle never assigned, the meter of the same id where that was not assigned to another, without one.';

-- The vehicles that a meter fed within a window, each with its part of it: internal.vehicle_feeds seen from the other side.

CREATE FUNCTION internal.meter_feeds(meter text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (vehicle_id text, feed_from timestamptz, feed_to timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
AS $$
    WITH assigned AS MATERIALIZED (
        SELECT assignment.vehicle_id, assignment.during * tstzrange(window_from, window_to) AS during
        FROM internal.assignment
        WHERE assignment.meter_id = meter AND assignment.during && tstzrange(window_from, window_to)
    )
    SELECT assigned.vehicle_id, lower(assigned.during), upper(assigned.during)
    FROM assigned
    UNION ALL
    SELECT meter, lower(rest.during), upper(rest.during)
    FROM unnest(
        tstzmultirange(tstzrange(window_from, window_to))
        - coalesce((SELECT range_agg(assigned.during) FROM assigned), '{}'::tstzmultirange)
    ) AS rest (during)
    WHERE
        (
            EXISTS (SELECT FROM internal.live_vehicle_state AS live WHERE live.vehicle_id = meter)
            OR EXISTS (SELECT FROM internal.vehicle AS listed WHERE listed.vehicle_id = meter)
        )
        AND EXISTS (SELECT FROM internal.live_meter_state AS live WHERE live.meter_id = meter)
        AND NOT EXISTS (SELECT FROM internal.assignment WHERE assignment.vehicle_id = meter)
$$;

COMMENT ON FUNCTION internal.meter_feeds(text, timestamptz, timestamptz) IS
'Vehicles that a meter fed in (window_from, window_to], each with its part of the window: assignments, clipped; for the rest, if the meter has readings, the vehicle of the same id, with readings or listed, where that one was never assigned.';

-- The window of a meter, shared out: the vehicles it fed, and for the rest nobody.

CREATE FUNCTION internal.meter_parts(meter text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (vehicle_id text, part_from timestamptz, part_to timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 20
AS $$
    WITH feed AS MATERIALIZED (
        SELECT fed.vehicle_id, fed.feed_from, fed.feed_to
        FROM internal.meter_feeds(meter, window_from, window_to) AS fed
    )
    SELECT feed.vehicle_id, feed.feed_from, feed.feed_to
    FROM feed
    UNION ALL
    SELECT NULL, lower(rest.during), upper(rest.during)
    FROM unnest(
        tstzmultirange(tstzrange(window_from, window_to))
        - coalesce((SELECT range_agg(tstzrange(feed.feed_from, feed.feed_to)) FROM feed), '{}'::tstzmultirange)
    ) AS rest (during)
$$;

COMMENT ON FUNCTION internal.meter_parts(text, timestamptz, timestamptz) IS
'internal.meter_feeds, and the parts of the window between them (vehicle_id null).';

-- The time of every meter that ever sent a reading, shared out: to the vehicles it was assigned to, to the vehicle of its
-- own id where that one was never assigned, and for the rest to nobody. The stretches of a meter neither overlap nor leave
-- a gap, so that what they hold adds up to what the meter drew.

CREATE FUNCTION internal.fleet_feeds(window_from timestamptz, window_to timestamptz)
RETURNS TABLE (meter_id text, vehicle_id text, feed_from timestamptz, feed_to timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10000
AS $$
    WITH assigned AS MATERIALIZED (
        SELECT
            assignment.meter_id,
            assignment.vehicle_id,
            assignment.during * tstzrange(window_from, window_to) AS during
        FROM internal.assignment
        WHERE assignment.during && tstzrange(window_from, window_to)
    ),
    -- Vehicles, with readings or listed, that bear a meter's id and were never assigned; OFFSET 0 makes the planner look
    -- up each of them by index.
    pair AS MATERIALIZED (
        SELECT namesake.vehicle_id
        FROM (
            SELECT vehicle.vehicle_id
            FROM internal.live_meter_state AS meter
            JOIN internal.live_vehicle_state AS vehicle ON vehicle.vehicle_id = meter.meter_id
            UNION
            SELECT listed.vehicle_id
            FROM internal.live_meter_state AS meter
            JOIN internal.vehicle AS listed ON listed.vehicle_id = meter.meter_id
            OFFSET 0
        ) AS namesake
        WHERE NOT EXISTS (
            SELECT FROM internal.assignment WHERE assignment.vehicle_id = namesake.vehicle_id OFFSET 0
        )
    )
    SELECT assigned.meter_id, assigned.vehicle_id, lower(assigned.during), upper(assigned.during)
    FROM assigned
    UNION ALL
    SELECT live.meter_id, pair.vehicle_id, window_from, window_to
    FROM internal.live_meter_state AS live
    LEFT JOIN pair ON pair.vehicle_id = live.meter_id
    WHERE NOT EXISTS (SELECT FROM assigned WHERE assigned.meter_id = live.meter_id)
    UNION ALL
    SELECT busy.meter_id, pair.vehicle_id, lower(rest.during), upper(rest.during)
    FROM (
        SELECT assigned.meter_id, range_agg(assigned.during) AS during
        FROM assigned
        WHERE assigned.during <> tstzrange(window_from, window_to)
        GROUP BY assigned.meter_id
    ) AS busy
    LEFT JOIN pair ON pair.vehicle_id = busy.meter_id
    CROSS JOIN LATERAL unnest(tstzmultirange(tstzrange(window_from, window_to)) - busy.during) AS rest (during)
$$;

COMMENT ON FUNCTION internal.fleet_feeds(timestamptz, timestamptz) IS
'Whom each meter fed in (window_from, window_to], stretch by stretch: assignments, clipped; besides them the vehicle of the same id, with readings or listed, where that was never assigned, else null. A meter''s stretches make up the window.';
