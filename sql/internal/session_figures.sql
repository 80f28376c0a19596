-- What a session delivered, within a window: energies on both sides, the ratio of like with like, and the course of its power. Power is
-- that between readings, of sessions of at most two days within the window; of longer ones, mostly assignments that never end, the
-- hours of the rollup stand for readings.

CREATE FUNCTION internal.session_flow(
    meter text,
    counted_from timestamptz,
    counted_to timestamptz,
    within_from timestamptz,
    within_to timestamptz
)
RETURNS TABLE (highest_power_kw float8, mean_power_kw float8, flow_s float8, spanned_kwh float8)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        max(flow.power_kw),
        -- Over the whole time of each reading: one that a window cuts has its energy in all of it.
        sum(flow.energy_kwh) FILTER (WHERE flow.power_kw >= internal.least_flow_kw())
        / sum(date_part('epoch', flow.flow_to - flow.flow_from)) FILTER (WHERE flow.power_kw >= internal.least_flow_kw())
        * 3600,
        sum(date_part('epoch', flow.flow_to - greatest(flow.flow_from, counted_from))) FILTER (
            WHERE flow.power_kw >= internal.least_flow_kw()
        ),
        sum(flow.energy_kwh) FILTER (WHERE flow.previous_at < counted_from)
    FROM (
        SELECT reading.power_kw, reading.energy_kwh, reading.previous_at, reading.flow_from, reading.recorded_at AS flow_to
        -- OFFSET 0: of the two, only the one that is wanted is called.
        FROM (SELECT WHERE counted_to - counted_from <= interval '2 days' OFFSET 0) AS short
        CROSS JOIN LATERAL internal.reading_powers(
            'meter', meter, counted_from, counted_to, within_from, within_to
        ) AS reading
        UNION ALL
        SELECT
            hour.energy_kwh / date_part('epoch', edge.flow_to - hour.bucket_from) * 3600,
            hour.energy_kwh,
            NULL,
            hour.bucket_from,
            edge.flow_to
        FROM (SELECT WHERE counted_to - counted_from > interval '2 days' OFFSET 0) AS long
        CROSS JOIN LATERAL internal.device_energies(
            'meter', counted_from, counted_to, 'hour', 'UTC', ARRAY[meter]
        ) AS hour
        CROSS JOIN LATERAL (
            SELECT least(internal.hour_floor(hour.bucket_from) + interval '1 hour', counted_to)
        ) AS edge (flow_to)
    ) AS flow
$$;

COMMENT ON FUNCTION internal.session_flow(text, timestamptz, timestamptz, timestamptz, timestamptz) IS
'Of a meter in (counted_from, counted_to]: its highest power (kW) between two readings, its mean power while at least 0.1 kW flowed, the time (s) in which it did, and energy (kWh) of a reading that describes the time before counted_from too; of more than two days, by the hour. within_from and within_to are planning bounds.';

CREATE FUNCTION internal.session_figures(
    vehicle text,
    meter text,
    begins timestamptz,
    ends timestamptz,
    is_shown boolean,
    window_from timestamptz,
    window_to timestamptz
)
RETURNS TABLE (
    session_from timestamptz,
    session_to timestamptz,
    energy_ac_kwh float8,
    energy_dc_kwh float8,
    efficiency_ratio float8,
    lost_beyond_expected_kwh float8,
    mean_power_kw float8,
    highest_power_kw float8,
    flow_share float8,
    soc_first_pct float4,
    soc_last_pct float4,
    battery_temp_mean_c float8,
    meter_readings bigint,
    vehicle_readings bigint,
    is_estimated boolean
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        edge.session_from,
        edge.session_to,
        grid.energy_ac_kwh,
        battery.energy_dc_kwh,
        internal.ratio(battery.energy_dc_kwh, grid.energy_ac_kwh),
        grid.energy_ac_kwh * internal.expected_ratio(flow.mean_power_kw) - battery.energy_dc_kwh,
        flow.mean_power_kw,
        flow.highest_power_kw,
        CASE
            WHEN internal.seconds_elapsed(counted.counted_from, counted.counted_to) > 0 THEN least(
                1, coalesce(flow.flow_s, 0) / internal.seconds_elapsed(counted.counted_from, counted.counted_to)
            )
        END,
        coalesce(
            (
                SELECT reading.soc_pct
                FROM internal.vehicle_telemetry_history AS reading
                WHERE
                    reading.vehicle_id = vehicle
                    AND reading.recorded_at > counted.counted_from - interval '1 hour'
                    AND reading.recorded_at <= counted.counted_from
                    AND reading.recorded_at > internal.earlier(window_from, 25)
                    AND reading.recorded_at <= window_to
                ORDER BY reading.recorded_at DESC
                LIMIT 1
            ),
            (
                SELECT reading.soc_pct
                FROM internal.vehicle_telemetry_history AS reading
                WHERE
                    reading.vehicle_id = vehicle
                    AND reading.recorded_at > counted.counted_from
                    AND reading.recorded_at <= counted.stay_to
                    AND reading.recorded_at > window_from
                    AND reading.recorded_at <= window_to
                ORDER BY reading.recorded_at
                LIMIT 1
            ),
            (
                SELECT hourly.soc_last_pct
                FROM internal.vehicle_hourly AS hourly
                WHERE
                    hourly.vehicle_id = vehicle
                    AND hourly.bucket_start = internal.hour_bucket(counted.counted_from)
                    AND hourly.bucket_start >= internal.hour_bucket(window_from)
                    AND hourly.bucket_start <= window_to
                    AND hourly.last_recorded_at <= counted.counted_from
            ),
            (
                SELECT hourly.soc_first_pct
                FROM internal.vehicle_hourly AS hourly
                WHERE
                    hourly.vehicle_id = vehicle
                    AND hourly.bucket_start > internal.hour_floor(counted.counted_from)
                    AND hourly.bucket_start <= counted.stay_to
                    AND hourly.bucket_start > internal.hour_floor(window_from)
                    AND hourly.bucket_start <= window_to
                ORDER BY hourly.bucket_start
                LIMIT 1
            )
        ),
        coalesce(
            (
                SELECT reading.soc_pct
                FROM internal.vehicle_telemetry_history AS reading
                WHERE
                    reading.vehicle_id = vehicle
                    AND reading.recorded_at > counted.counted_from
                    AND reading.recorded_at <= counted.stay_to
                    AND reading.recorded_at > window_from
                    AND reading.recorded_at <= window_to
                ORDER BY reading.recorded_at DESC
                LIMIT 1
            ),
            (
                SELECT hourly.soc_last_pct
                FROM internal.vehicle_hourly AS hourly
                WHERE
                    hourly.vehicle_id = vehicle
                    AND hourly.bucket_start > internal.hour_floor(counted.counted_from)
                    AND hourly.bucket_start <= counted.stay_to
                    AND hourly.bucket_start > internal.hour_floor(window_from)
                    AND hourly.bucket_start <= window_to
                ORDER BY hourly.bucket_start DESC
                LIMIT 1
            )
        ),
        battery.battery_temp_sum_c / nullif(battery.readings, 0),
        round(grid.readings)::bigint,
        round(battery.readings)::bigint,
        grid.is_estimated
        OR battery.is_estimated
        -- A reading that describes the time before the session too.
        OR (edge.session_from >= window_from AND coalesce(flow.spanned_kwh, 0) >= 1e-9)
    FROM (
        SELECT
            CASE
                WHEN NOT is_shown THEN begins
                ELSE coalesce(
                    (
                        SELECT greatest(coalesce(reading.flow_from, reading.recorded_at - internal.shortest_step()), begins)
                        FROM internal.shown_flow(meter, begins, bound.first_to, window_from, window_to)
                            AS reading
                        ORDER BY reading.recorded_at
                        LIMIT 1
                    ),
                    begins
                )
            END AS session_from,
            CASE
                WHEN NOT is_shown THEN ends
                ELSE coalesce(
                    (
                        SELECT max(reading.recorded_at)
                        FROM internal.shown_flow(meter, bound.last_from, ends, window_from, window_to)
                            AS reading
                    ),
                    least(ends, now())
                )
            END AS session_to
        -- Values, since batches of a columnstore are not looked up by expressions.
        FROM (
            SELECT least(begins + interval '1 hour', ends) AS first_to, greatest(ends - interval '1 hour', begins) AS last_from
            OFFSET 0
        ) AS bound
        OFFSET 0
    ) AS edge
    CROSS JOIN LATERAL (
        SELECT
            greatest(edge.session_from, window_from) AS counted_from,
            -- One that ended before the window is there for what its vehicle reported late.
            greatest(least(edge.session_to, window_to), edge.session_from, window_from) AS counted_to,
            internal.stay_end(vehicle, least(edge.session_to, window_to), window_to) AS stay_to
        OFFSET 0
    ) AS counted
    CROSS JOIN LATERAL internal.meter_window(
        meter, counted.counted_from, counted.counted_to, window_from, window_to
    ) AS grid
    CROSS JOIN LATERAL internal.vehicle_window(
        vehicle, counted.counted_from, counted.stay_to, window_from, window_to
    ) AS battery
    CROSS JOIN LATERAL internal.session_flow(
        meter, counted.counted_from, counted.counted_to, window_from, window_to
    ) AS flow
$$;

COMMENT ON FUNCTION internal.session_figures(text, text, timestamptz, timestamptz, boolean, timestamptz, timestamptz) IS
'Figures of a session (internal.session_stays) within (window_from, window_to]: its ends (session_to null: it goes on), energies (kWh), the ratio of what the vehicle reported for it to what the meter drew, kWh lost beyond what is expected at its power, mean power while energy flowed and highest (kW), share of the time in which it flowed, states of charge at both ends (percent; the first from the hour before, if there is a reading), mean battery temperature (degrees C).';
