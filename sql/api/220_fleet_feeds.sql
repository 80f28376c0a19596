-- The time of every meter that was ever heard from, shared out: to the vehicles it was assigned to, to the vehicle of its
-- own id where that one was never assigned, and for the rest to nobody. The stretches of a meter neither overlap nor leave
-- a gap, so that what they hold adds up to what the meter drew.

CREATE FUNCTION api.fleet_feeds(window_from timestamptz, window_to timestamptz)
RETURNS TABLE (meter_id text, vehicle_id text, feed_from timestamptz, feed_to timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10000
AS $$
    WITH assigned AS MATERIALIZED (
        SELECT
            assignment.meter_id,
            assignment.vehicle_id,
            assignment.during * tstzrange(window_from, window_to) AS during
        FROM api.assignment
        WHERE assignment.during && tstzrange(window_from, window_to)
    )
    SELECT assigned.meter_id, assigned.vehicle_id, lower(assigned.during), upper(assigned.during)
    FROM assigned
    UNION ALL
    SELECT live.meter_id, pair.vehicle_id, lower(rest.during), upper(rest.during)
    FROM api.live_meter_state AS live
    LEFT JOIN (
        SELECT assigned.meter_id, range_agg(assigned.during) AS during
        FROM assigned
        GROUP BY assigned.meter_id
    ) AS busy ON busy.meter_id = live.meter_id
    LEFT JOIN api.live_vehicle_state AS pair
        ON pair.vehicle_id = live.meter_id
        -- OFFSET 0 has it looked up by index for those few that bear a meter's id.
        AND NOT EXISTS (SELECT FROM api.assignment WHERE assignment.vehicle_id = pair.vehicle_id OFFSET 0)
    CROSS JOIN LATERAL unnest(
        tstzmultirange(tstzrange(window_from, window_to)) - coalesce(busy.during, '{}'::tstzmultirange)
    ) AS rest (during)
$$;

COMMENT ON FUNCTION api.fleet_feeds(timestamptz, timestamptz) IS
'Whom each meter fed in [window_from, window_to), stretch by stretch: assignments, clipped; besides them the vehicle of the same id where that was never assigned, else null. A meter''s stretches make up the window.';
