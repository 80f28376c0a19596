-- A charger's ratio of DC to AC energy by day (UTC). A feed counts only on days with readings of both meter and vehicle, and a
-- day only where the meter's readings are plausible.

CREATE FUNCTION internal.charger_days(meter text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    day_from timestamptz,
    day_to timestamptz,
    energy_ac_kwh float8,
    energy_dc_kwh float8,
    efficiency_ratio float8,
    meter_readings bigint,
    vehicle_readings bigint,
    fed_seconds float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 90
AS $$
    WITH feed AS MATERIALIZED (
        SELECT
            fed.vehicle_id,
            fed.feed_from,
            fed.feed_to,
            internal.stay_end(fed.vehicle_id, fed.feed_to, window_to) AS stay_to
        FROM internal.meter_feeds(meter, window_from, window_to) AS fed
    ),
    implausible AS MATERIALIZED (
        SELECT found.recorded_at
        FROM internal.implausible_readings('meter', window_from, window_to, meter) AS found
    )
    SELECT
        slot.bucket_from,
        slot.bucket_to,
        sum(grid.energy_ac_kwh),
        sum(battery.energy_dc_kwh),
        internal.ratio(sum(battery.energy_dc_kwh), sum(grid.energy_ac_kwh)),
        round(sum(grid.readings))::bigint,
        round(sum(battery.readings))::bigint,
        sum(internal.seconds_elapsed(stretch.stretch_from, stretch.stretch_to))
    FROM internal.buckets(window_from, window_to, 'day', 'UTC') AS slot
    JOIN feed
        ON feed.feed_from < slot.bucket_to AND feed.feed_to > slot.bucket_from
    CROSS JOIN LATERAL (
        SELECT
            greatest(slot.bucket_from, feed.feed_from) AS stretch_from,
            least(slot.bucket_to, feed.feed_to) AS stretch_to
    ) AS stretch
    CROSS JOIN LATERAL internal.meter_window(
        meter, stretch.stretch_from, stretch.stretch_to, window_from, window_to
    ) AS grid
    CROSS JOIN LATERAL internal.vehicle_window(
        feed.vehicle_id,
        stretch.stretch_from,
        least(slot.bucket_to, feed.stay_to),
        window_from,
        window_to
    ) AS battery
    WHERE
        grid.readings > 0
        AND battery.readings > 0
        AND NOT EXISTS (SELECT FROM internal.unsteady_registers('meter', window_from, window_to, meter))
        AND NOT EXISTS (
            SELECT
            FROM implausible AS found
            WHERE found.recorded_at > slot.bucket_from AND found.recorded_at <= slot.bucket_to
        )
    GROUP BY slot.bucket_from, slot.bucket_to
$$;

COMMENT ON FUNCTION internal.charger_days(text, timestamptz, timestamptz) IS
'Days (UTC, clipped) of (window_from, window_to] with readings of both a meter and a vehicle that it fed: AC and DC energy (kWh), their ratio (null where AC is 0), readings, and seconds for which it fed them.';
