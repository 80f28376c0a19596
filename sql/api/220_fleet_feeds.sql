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
    ),
    -- Vehicles, heard from or listed, that bear a meter's id and were never assigned; OFFSET 0 has each of them looked up
    -- by index.
    pair AS MATERIALIZED (
        SELECT namesake.vehicle_id
        FROM (
            SELECT vehicle.vehicle_id
            FROM api.live_meter_state AS meter
            JOIN api.live_vehicle_state AS vehicle ON vehicle.vehicle_id = meter.meter_id
            UNION
            SELECT listed.vehicle_id
            FROM api.live_meter_state AS meter
            JOIN api.vehicle AS listed ON listed.vehicle_id = meter.meter_id
            OFFSET 0
        ) AS namesake
        WHERE NOT EXISTS (
            SELECT FROM api.assignment WHERE assignment.vehicle_id = namesake.vehicle_id OFFSET 0
        )
    )
    SELECT assigned.meter_id, assigned.vehicle_id, lower(assigned.during), upper(assigned.during)
    FROM assigned
    UNION ALL
    SELECT live.meter_id, pair.vehicle_id, window_from, window_to
    FROM api.live_meter_state AS live
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

COMMENT ON FUNCTION api.fleet_feeds(timestamptz, timestamptz) IS
'Whom each meter fed in [window_from, window_to), stretch by stretch: assignments, clipped; besides them the vehicle of the same id, heard from or listed, where that was never assigned, else null. A meter''s stretches make up the window.';
