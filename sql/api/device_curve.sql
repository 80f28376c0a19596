-- The course of a device minute by minute: power, and what else its readings say. Buckets hold the readings of (from, to] like every window;
-- the power is the energy of a bucket's readings over the time that they describe. Of the history alone: where that is gone, nothing
-- is known of minutes.

CREATE FUNCTION api.device_curve(
    kind_of_device text,
    device text,
    window_from timestamptz,
    window_to timestamptz,
    bucket text
)
RETURNS TABLE (
    bucket_from timestamptz,
    bucket_to timestamptz,
    energy_kwh float8,
    power_kw float8,
    voltage_mean_v float8,
    soc_last_pct float4,
    battery_temp_mean_c float8,
    readings bigint
)
LANGUAGE sql STABLE ROWS 288
AS $$
    WITH width AS MATERIALIZED (
        SELECT CASE internal.one_of('bucket', bucket, ARRAY['1m', '5m', '15m'])
            WHEN '1m' THEN interval '1 minute'
            WHEN '5m' THEN interval '5 minutes'
            ELSE interval '15 minutes'
        END AS step
        WHERE internal.one_of('kind_of_device', kind_of_device, ARRAY['meter', 'vehicle']) IS NOT NULL
    ),
    flow AS (
        SELECT
            date_bin(width.step, reading.recorded_at - interval '1 microsecond', timestamptz '2000-01-01 00:00:00+00') AS slot,
            sum(reading.energy_kwh) AS energy_kwh,
            -- Where a step took longer than since the reading before, the standstill is within its time.
            sum(reading.energy_kwh) FILTER (WHERE reading.flow_from IS NOT NULL)
            / nullif(
                sum(date_part('epoch', reading.recorded_at - reading.flow_from)) FILTER (
                    WHERE reading.energy_kwh IS NOT NULL AND NOT (reading.stands AND reading.is_beside_a_long_step)
                ),
                0
            ) * 3600 AS power_kw
        FROM width
        CROSS JOIN (
            SELECT
                step.*,
                bool_or(step.flow_from < step.previous_at) OVER (
                    PARTITION BY date_bin(
                        width.step, step.recorded_at - interval '1 microsecond', timestamptz '2000-01-01 00:00:00+00'
                    )
                ) AS is_beside_a_long_step
            FROM width
            CROSS JOIN internal.reading_powers(
                kind_of_device, device, window_from, window_to, window_from, window_to
            ) AS step
        ) AS reading
        GROUP BY 1
    ),
    measured AS (
        SELECT
            date_bin(width.step, reading.recorded_at - interval '1 microsecond', timestamptz '2000-01-01 00:00:00+00') AS slot,
            avg(reading.voltage_v) AS voltage_mean_v,
            (array_agg(reading.soc_pct ORDER BY reading.recorded_at DESC))[1] AS soc_last_pct,
            avg(reading.battery_temp_c) AS battery_temp_mean_c,
            count(*) AS readings
        FROM width
        CROSS JOIN (
            SELECT
                grid.recorded_at,
                grid.voltage_v::float8 AS voltage_v,
                NULL::float4 AS soc_pct,
                NULL::float8 AS battery_temp_c
            FROM internal.meter_telemetry_history AS grid
            WHERE
                kind_of_device = 'meter'
                AND grid.meter_id = device
                AND grid.recorded_at > window_from
                AND grid.recorded_at <= window_to
            UNION ALL
            SELECT battery.recorded_at, NULL, battery.soc_pct, battery.battery_temp_c::float8
            FROM internal.vehicle_telemetry_history AS battery
            WHERE
                kind_of_device = 'vehicle'
                AND battery.vehicle_id = device
                AND battery.recorded_at > window_from
                AND battery.recorded_at <= window_to
        ) AS reading
        GROUP BY 1
    )
    SELECT
        greatest(slot.begins, window_from),
        least(slot.begins + width.step, window_to),
        flow.energy_kwh,
        flow.power_kw,
        measured.voltage_mean_v,
        measured.soc_last_pct,
        measured.battery_temp_mean_c,
        coalesce(measured.readings, 0)
    FROM width
    CROSS JOIN LATERAL generate_series(
        date_bin(width.step, window_from, timestamptz '2000-01-01 00:00:00+00'),
        window_to - interval '1 microsecond',
        width.step
    ) AS slot (begins)
    LEFT JOIN flow ON flow.slot = slot.begins
    LEFT JOIN measured ON measured.slot = slot.begins
    ORDER BY slot.begins
$$;

COMMENT ON FUNCTION api.device_curve(text, text, timestamptz, timestamptz, text) IS
'The course of a meter or vehicle (kind_of_device) in (window_from, window_to] by 1m, 5m or 15m (bucket, from whole minutes of UTC): energy (kWh) and mean power (kW) of its readings, mean voltage (V), last state of charge (percent), mean battery temperature (degrees C), readings; a row a bucket, null without a reading. From the history: nothing where that is gone.';
