-- Whether an answer may lack committed readings: its rollup hours wait for a refresh, or the steps of a register to be judged.

CREATE FUNCTION internal.is_pending(kind_of_device text, device text, window_from timestamptz, window_to timestamptz)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT
        EXISTS (
            SELECT
            FROM internal.stale_hour AS stale
            WHERE
                stale.device_type = kind_of_device
                AND (stale.device_id = device OR stale.device_id IS NULL)
                -- A register's energy begins with its value in the hour before.
                AND stale.bucket_start > window_from - interval '2 hours'
                AND stale.bucket_start <= window_to
        )
        OR EXISTS (
            SELECT
            FROM internal.register_backlog AS waiting
            WHERE
                waiting.device_type = kind_of_device
                AND waiting.device_id = device
                AND waiting.judged_before <= window_to
        )
$$;

COMMENT ON FUNCTION internal.is_pending(text, text, timestamptz, timestamptz) IS
'Whether what a meter or vehicle (kind_of_device) sent for (window_from, window_to] may not show yet in full: late readings that wait for a refresh, or steps of a register to be judged.';

CREATE FUNCTION internal.is_vehicle_pending(vehicle text, window_from timestamptz, window_to timestamptz)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT
        internal.is_pending('vehicle', vehicle, window_from, window_to)
        OR EXISTS (
            SELECT
            FROM internal.vehicle_feeds(vehicle, window_from, window_to) AS feed
            WHERE internal.is_pending('meter', feed.meter_id, feed.feed_from, feed.feed_to)
        )
$$;

COMMENT ON FUNCTION internal.is_vehicle_pending(text, timestamptz, timestamptz) IS
'internal.is_pending of a vehicle, and of the meters that fed it while they did.';

CREATE FUNCTION internal.is_meter_pending(meter text, window_from timestamptz, window_to timestamptz)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT
        internal.is_pending('meter', meter, window_from, window_to)
        OR EXISTS (
            SELECT
            FROM internal.meter_feeds(meter, window_from, window_to) AS feed
            WHERE internal.is_pending('vehicle', feed.vehicle_id, feed.feed_from, feed.feed_to)
        )
$$;

COMMENT ON FUNCTION internal.is_meter_pending(text, timestamptz, timestamptz) IS
'internal.is_pending of a meter, and of the vehicles that it fed while it did.';

CREATE FUNCTION internal.is_fleet_pending(window_from timestamptz, window_to timestamptz)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT
        EXISTS (
            SELECT
            FROM internal.stale_hour AS stale
            WHERE stale.bucket_start > window_from - interval '2 hours' AND stale.bucket_start <= window_to
        )
        OR EXISTS (SELECT FROM internal.register_backlog AS waiting WHERE waiting.judged_before <= window_to)
$$;

COMMENT ON FUNCTION internal.is_fleet_pending(timestamptz, timestamptz) IS
'internal.is_pending of any device.';
