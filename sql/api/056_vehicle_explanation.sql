-- What stands behind api.vehicle_performance: every meter that fed the vehicle, the vehicle itself, and the parts of which
-- their energies are made. A row without a part is a feed without a reading.

CREATE FUNCTION api.vehicle_explanation(vehicle text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    device_type text,
    device_id text,
    assignment_id bigint,
    feed_from timestamptz,
    feed_to timestamptz,
    bucket_start timestamptz,
    energy_reading text,
    source text,
    first_recorded_at timestamptz,
    last_recorded_at timestamptz,
    readings bigint,
    energy_kwh float8,
    is_estimated boolean,
    steps text[],
    steps_at timestamptz[],
    steps_before_kwh float8[],
    steps_to_kwh float8[]
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
AS $$
    SELECT side.*, part.*
    FROM (
        SELECT 'meter' AS device_type, feed.meter_id AS device_id, feed.assignment_id, feed.feed_from, feed.feed_to
        FROM api.vehicle_feeds(vehicle, window_from, window_to) AS feed
        UNION ALL
        SELECT 'vehicle', vehicle, NULL, window_from, window_to
    ) AS side
    LEFT JOIN LATERAL api.energy_parts(side.device_type, side.device_id, side.feed_from, side.feed_to) AS part ON true
$$;

COMMENT ON FUNCTION api.vehicle_explanation(text, timestamptz, timestamptz) IS
'The parts (as api.energy_parts gives them) behind the energies (kWh) of a vehicle in [window_from, window_to): those of each meter that fed it, by assignment, and its own.';
