-- One vehicle over a half-open window, to the exact instant, as api.meter_window does it for a meter.

CREATE FUNCTION api.vehicle_window(vehicle text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    readings bigint,
    energy_dc_kwh float8,
    battery_temp_mean_c float8,
    baselines integer,
    resets integer,
    rollovers integer,
    is_estimated boolean
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        interval_sum.readings,
        CASE WHEN register.is_one THEN register.energy_kwh ELSE interval_sum.energy_dc_kwh END,
        interval_sum.battery_temp_mean_c,
        coalesce(register.baselines, 0),
        coalesce(register.resets, 0),
        coalesce(register.rollovers, 0),
        coalesce(register.is_estimated, false)
    FROM (
        SELECT
            coalesce(sum(piece.readings), 0)::bigint AS readings,
            sum(piece.energy_dc_kwh) AS energy_dc_kwh,
            sum(piece.battery_temp_sum_c) / nullif(sum(piece.readings), 0)::float8 AS battery_temp_mean_c
        FROM (
            SELECT
                count(*) AS readings,
                sum(history.energy_dc_kwh) AS energy_dc_kwh,
                sum(history.battery_temp_c::float8) AS battery_temp_sum_c
            FROM api.vehicle_telemetry_history AS history
            WHERE
                history.vehicle_id = vehicle
                AND history.recorded_at >= window_from
                AND history.recorded_at < least(window_to, api.hour_ceiling(window_from))
            UNION ALL
            SELECT sum(hourly.readings), sum(hourly.energy_dc_sum_kwh), sum(hourly.battery_temp_sum_c)
            FROM api.vehicle_hourly AS hourly
            WHERE
                hourly.vehicle_id = vehicle
                AND hourly.bucket_start >= api.hour_ceiling(window_from)
                AND hourly.bucket_start < api.hour_floor(window_to)
            UNION ALL
            SELECT count(*), sum(history.energy_dc_kwh), sum(history.battery_temp_c::float8)
            FROM api.vehicle_telemetry_history AS history
            WHERE
                history.vehicle_id = vehicle
                AND history.recorded_at >= greatest(api.hour_floor(window_to), api.hour_ceiling(window_from))
                AND history.recorded_at < window_to
        ) AS piece
    ) AS interval_sum
    LEFT JOIN LATERAL (
        SELECT true AS is_one, counted.*
        FROM api.register_window(
            'vehicle', CASE WHEN (SELECT api.has_registers('vehicle')) THEN vehicle END, window_from, window_to
        ) AS counted
    ) AS register ON true
$$;

COMMENT ON FUNCTION api.vehicle_window(text, timestamptz, timestamptz) IS
'Readings, DC energy (kWh) and mean battery temperature (degrees C) of one vehicle in [window_from, window_to), null where nothing is known; of a register the baselines, resets and rollovers, and whether the energy rests on a rollup whose history was dropped, as api.meter_window says them.';
