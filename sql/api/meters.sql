-- Energy and voltage of one meter: whole hours from the rollup, cut hours from the history by its index.

CREATE FUNCTION api.meter_energy(meter text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    is_known boolean,
    readings bigint,
    energy_ac_kwh float8,
    voltage_mean_v float8,
    voltage_min_v float4,
    voltage_max_v float4,
    coverage float8,
    resets integer,
    is_estimated boolean,
    energy_ac_reason text
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        EXISTS (SELECT FROM internal.live_meter_state AS live WHERE live.meter_id = meter)
        OR EXISTS (SELECT FROM internal.assignment WHERE assignment.meter_id = meter)
        OR EXISTS (SELECT FROM internal.meter AS listed WHERE listed.meter_id = meter),
        drawn.readings,
        drawn.energy_ac_kwh,
        seen.voltage_mean_v,
        seen.voltage_min_v,
        seen.voltage_max_v,
        internal.coverage(drawn.readings, internal.seconds_elapsed(window_from, window_to)),
        drawn.resets,
        drawn.is_estimated,
        CASE
            WHEN drawn.readings = 0 THEN 'no_readings'
            WHEN drawn.baselines > 0 THEN 'baseline_missing'
        END
    FROM internal.meter_window(meter, window_from, window_to, window_from, window_to) AS drawn
    CROSS JOIN (
        SELECT
            sum(piece.voltage_sum_v) / nullif(sum(piece.readings), 0)::float8 AS voltage_mean_v,
            min(piece.voltage_min_v) AS voltage_min_v,
            max(piece.voltage_max_v) AS voltage_max_v
        FROM (
            SELECT hourly.readings, hourly.voltage_sum_v, hourly.voltage_min_v, hourly.voltage_max_v
            FROM internal.meter_hourly AS hourly
            WHERE
                hourly.meter_id = meter
                AND hourly.bucket_start > internal.hour_ceiling(window_from)
                AND hourly.bucket_start <= internal.hour_bucket(internal.hour_floor(window_to))
            UNION ALL
            SELECT 1, history.voltage_v, history.voltage_v, history.voltage_v
            FROM internal.meter_telemetry_history AS history
            WHERE
                history.meter_id = meter
                AND history.recorded_at > window_from
                AND history.recorded_at <= least(window_to, internal.hour_ceiling(window_from))
            UNION ALL
            SELECT 1, history.voltage_v, history.voltage_v, history.voltage_v
            FROM internal.meter_telemetry_history AS history
            WHERE
                history.meter_id = meter
                AND history.recorded_at > greatest(internal.hour_floor(window_to), internal.hour_ceiling(window_from))
                AND history.recorded_at <= window_to
        ) AS piece
    ) AS seen
$$;

COMMENT ON FUNCTION api.meter_energy(text, timestamptz, timestamptz) IS
'Whether a meter ever sent a reading, and its readings, AC energy (kWh), mean, lowest and highest voltage (V), coverage, register resets in (window_from, window_to], and whether the energy is estimated; null where nothing is known, and the reason why.';

-- The vehicles that a meter fed within a window, and its energy for each.

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
        sum(internal.seconds_elapsed(feed.feed_from, feed.feed_to)),
        sum(fed.readings)::bigint,
        sum(fed.energy_ac_kwh)
    FROM internal.meter_feeds(meter, window_from, window_to) AS feed
    CROSS JOIN LATERAL internal.meter_window(meter, feed.feed_from, feed.feed_to, window_from, window_to) AS fed
    GROUP BY feed.vehicle_id
    ORDER BY min(feed.feed_from)
$$;

COMMENT ON FUNCTION api.meter_vehicles(text, timestamptz, timestamptz) IS
'Vehicles that a meter fed in (window_from, window_to], in the order in which they came: for how many seconds, with how many of its readings, and its energy meanwhile (kWh, null without a reading).';
