-- Which readings of a vehicle belong to a charge. They are stamped within the time in which a meter feeds it, or the first one
-- is that comes after: a car may report half a minute after the plug is out, and what it then reports arrived before.
--
-- A stay is a feed seen from the vehicle: (feed_from, stay_to]. The last reading counts if it comes within 15 minutes, before
-- the vehicle's next assignment, and its time since the reading before begins while the vehicle was fed.

CREATE FUNCTION internal.stay_end(vehicle text, feed_to timestamptz, window_to timestamptz)
RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN feed_to >= window_to THEN window_to ELSE coalesce(
        (
            SELECT nullif(late.recorded_at, feed_to)
            FROM internal.vehicle_telemetry_history AS late
            WHERE
                late.vehicle_id = vehicle
                -- A reading at the end itself leaves nothing to come after it.
                AND late.recorded_at >= feed_to
                AND late.recorded_at <= least(feed_to + interval '15 minutes', window_to)
                AND NOT EXISTS (
                    SELECT
                    FROM internal.assignment AS other
                    WHERE
                        other.vehicle_id = vehicle
                        AND other.during && tstzrange(feed_to, late.recorded_at)
                )
            ORDER BY late.recorded_at
            LIMIT 1
        ),
        feed_to
    ) END
$$;

COMMENT ON FUNCTION internal.stay_end(text, timestamptz, timestamptz) IS
'When the last reading was taken that belongs to a charge of a vehicle which ended at feed_to: that instant, or up to 15 minutes later, but not after window_to.';

CREATE FUNCTION internal.vehicle_stays(vehicle text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (meter_id text, stay_from timestamptz, stay_to timestamptz, assignment_id bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
AS $$
    SELECT feed.meter_id, greatest(feed.feed_from, window_from), ended.stay_to, feed.assignment_id
    -- A charge that ended just before the window may own a reading of it.
    FROM internal.vehicle_feeds(vehicle, window_from - interval '15 minutes', window_to) AS feed
    CROSS JOIN LATERAL (SELECT internal.stay_end(vehicle, feed.feed_to, window_to)) AS ended (stay_to)
    WHERE ended.stay_to > window_from
$$;

COMMENT ON FUNCTION internal.vehicle_stays(text, timestamptz, timestamptz) IS
'The readings of a vehicle in (window_from, window_to] that belong to its charges: those of (stay_from, stay_to], by meter and assignment (null: the meter of the same id). Stays do not overlap.';

CREATE FUNCTION internal.fleet_stays(window_from timestamptz, window_to timestamptz)
RETURNS TABLE (vehicle_id text, meter_id text, stay_from timestamptz, stay_to timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10000
AS $$
    SELECT feed.vehicle_id, feed.meter_id, greatest(feed.feed_from, window_from), ended.stay_to
    FROM internal.fleet_feeds(window_from - interval '15 minutes', window_to) AS feed
    CROSS JOIN LATERAL (SELECT internal.stay_end(feed.vehicle_id, feed.feed_to, window_to)) AS ended (stay_to)
    WHERE feed.vehicle_id IS NOT NULL AND ended.stay_to > window_from
$$;

COMMENT ON FUNCTION internal.fleet_stays(timestamptz, timestamptz) IS
'internal.vehicle_stays of all vehicles.';
