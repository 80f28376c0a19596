-- The vehicles that a meter fed within a window, each with its part of it: api.vehicle_feeds seen from the other side.

CREATE FUNCTION api.meter_feeds(meter text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (vehicle_id text, feed_from timestamptz, feed_to timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
AS $$
    WITH assigned AS MATERIALIZED (
        SELECT assignment.vehicle_id, assignment.during * tstzrange(window_from, window_to) AS during
        FROM api.assignment
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
            EXISTS (SELECT FROM api.live_vehicle_state AS live WHERE live.vehicle_id = meter)
            OR EXISTS (SELECT FROM api.vehicle AS listed WHERE listed.vehicle_id = meter)
        )
        AND NOT EXISTS (SELECT FROM api.assignment WHERE assignment.vehicle_id = meter)
$$;

COMMENT ON FUNCTION api.meter_feeds(text, timestamptz, timestamptz) IS
'Vehicles that a meter fed in [window_from, window_to), each with its part of the window: assignments, clipped; for the rest the vehicle of the same id, heard from or listed, where that one was never assigned.';
