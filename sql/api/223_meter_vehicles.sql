-- The vehicles that a meter fed within a window and what it drew for each.

CREATE FUNCTION api.meter_vehicles(meter text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    vehicle_id text,
    fed_seconds float8,
    readings bigint,
    energy_ac_kwh float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
AS $$
    SELECT
        feed.vehicle_id,
        sum(api.seconds_elapsed(feed.feed_from, feed.feed_to)),
        sum(fed.readings)::bigint,
        sum(fed.energy_ac_kwh)
    FROM api.meter_feeds(meter, window_from, window_to) AS feed
    CROSS JOIN LATERAL api.meter_window(meter, feed.feed_from, feed.feed_to, window_from, window_to) AS fed
    GROUP BY feed.vehicle_id
    ORDER BY min(feed.feed_from)
$$;

COMMENT ON FUNCTION api.meter_vehicles(text, timestamptz, timestamptz) IS
'Vehicles that a meter fed in [window_from, window_to), in the order in which they came: for how many seconds, with how many of its readings, and what it drew meanwhile (kWh, null where there is no reading).';
