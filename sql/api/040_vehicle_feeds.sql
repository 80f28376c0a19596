-- The meters that fed a vehicle within a window, each with the part of the window in which it did: its assignments,
-- clipped. A vehicle that never had an assignment is paired with the meter that bears its own id, if there is one, for
-- the time in which that meter was assigned to no other vehicle: what it drew for another one is that one's.

CREATE FUNCTION api.vehicle_feeds(vehicle text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (meter_id text, feed_from timestamptz, feed_to timestamptz, assignment_id bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
AS $$
    SELECT
        assignment.meter_id,
        greatest(lower(assignment.during), window_from),
        least(upper(assignment.during), window_to),
        assignment.id
    FROM api.assignment
    WHERE assignment.vehicle_id = vehicle AND assignment.during && tstzrange(window_from, window_to)
    UNION ALL
    SELECT live.meter_id, lower(rest.during), upper(rest.during), NULL
    FROM api.live_meter_state AS live
    CROSS JOIN LATERAL unnest(
        tstzmultirange(tstzrange(window_from, window_to))
        - coalesce(
            (
                SELECT range_agg(assignment.during)
                FROM api.assignment
                WHERE assignment.meter_id = vehicle AND assignment.during && tstzrange(window_from, window_to)
            ),
            '{}'::tstzmultirange
        )
    ) AS rest (during)
    WHERE
        live.meter_id = vehicle
        AND NOT EXISTS (SELECT FROM api.assignment WHERE assignment.vehicle_id = vehicle)
$$;

COMMENT ON FUNCTION api.vehicle_feeds(text, timestamptz, timestamptz) IS
'Meters that fed a vehicle in [window_from, window_to), each with its part of the window: assignments, clipped, with their ids; for a vehicle never assigned, the meter of the same id where that was not assigned to another, without one.';
