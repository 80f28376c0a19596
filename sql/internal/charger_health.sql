-- A charger's ratio of DC to AC energy by day (UTC), as losses have it of the same day: a vehicle counts on days with readings of both
-- while it was fed, on which neither its data nor the meter's is at fault.

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
    WITH drew AS MATERIALIZED (
        SELECT grid.bucket_from, grid.counterpart_id AS vehicle_id, grid.readings, grid.energy_kwh
        FROM internal.device_energies('meter', window_from, window_to, 'day', 'UTC', ARRAY[meter]) AS grid
        WHERE grid.counterpart_id IS NOT NULL
    ),
    charged AS MATERIALIZED (
        SELECT battery.bucket_from, battery.device_id AS vehicle_id, battery.readings, battery.energy_kwh
        FROM internal.device_energies(
            'vehicle', window_from, window_to, 'day', 'UTC', ARRAY(SELECT DISTINCT drew.vehicle_id FROM drew)
        ) AS battery
        WHERE battery.counterpart_id = meter
    ),
    fault AS MATERIALIZED (
        SELECT found.bucket_from, found.device_type, found.device_id
        FROM internal.faults_by_bucket('meter', window_from, window_to, 'day', 'UTC', ARRAY[meter]) AS found
        UNION
        SELECT found.bucket_from, found.device_type, found.device_id
        FROM internal.faults_by_bucket(
            'vehicle', window_from, window_to, 'day', 'UTC', ARRAY(SELECT DISTINCT charged.vehicle_id FROM charged)
        ) AS found
    )
    SELECT
        slot.bucket_from,
        slot.bucket_to,
        sum(drew.energy_kwh),
        sum(charged.energy_kwh),
        internal.ratio(sum(charged.energy_kwh), sum(drew.energy_kwh)),
        round(sum(drew.readings))::bigint,
        round(sum(charged.readings))::bigint,
        sum(fed.seconds)
    FROM internal.buckets(window_from, window_to, 'day', 'UTC') AS slot
    JOIN drew ON drew.bucket_from = slot.bucket_from
    JOIN charged ON charged.bucket_from = drew.bucket_from AND charged.vehicle_id = drew.vehicle_id
    CROSS JOIN LATERAL (
        SELECT
            sum(internal.seconds_elapsed(feed.feed_from, feed.feed_to)) AS seconds
        FROM internal.meter_feeds(meter, slot.bucket_from, slot.bucket_to) AS feed
        WHERE feed.vehicle_id = drew.vehicle_id
    ) AS fed
    WHERE
        NOT EXISTS (
            SELECT
            FROM fault
            WHERE
                fault.bucket_from = slot.bucket_from
                AND (fault.device_type = 'meter' OR fault.device_id = drew.vehicle_id)
        )
    GROUP BY slot.bucket_from, slot.bucket_to
$$;

COMMENT ON FUNCTION internal.charger_days(text, timestamptz, timestamptz) IS
'Days (UTC, clipped) of (window_from, window_to] with readings of both a meter and a vehicle that it fed, neither at fault: AC and DC energy (kWh), their ratio (null where AC is 0), readings, and seconds for which it fed them.';
