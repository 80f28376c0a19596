-- One device in a part of an hour, read from the history by its index: what api.meter_window and api.vehicle_window do for
-- the cut hours at the ends of a window, for callers that have many such parts. within_from and within_to bound them with
-- values known when the statement is planned, so that the planner leaves out every chunk outside.

CREATE FUNCTION api.meter_cut(
    meter text,
    cut_from timestamptz,
    cut_to timestamptz,
    within_from timestamptz,
    within_to timestamptz
)
RETURNS TABLE (readings bigint, energy_ac_kwh float8, is_estimated boolean, resets integer)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        interval_sum.readings,
        CASE WHEN register.is_one THEN register.energy_kwh ELSE interval_sum.energy_ac_kwh END,
        coalesce(register.is_estimated, false),
        coalesce(register.resets, 0)
    FROM (
        SELECT count(*) AS readings, sum(history.energy_ac_kwh) AS energy_ac_kwh
        FROM api.meter_telemetry_history AS history
        WHERE
            history.meter_id = meter
            AND history.recorded_at >= cut_from
            AND history.recorded_at < cut_to
            AND history.recorded_at >= within_from
            AND history.recorded_at < within_to
    ) AS interval_sum
    LEFT JOIN LATERAL (
        SELECT true AS is_one, counted.energy_kwh, counted.is_estimated, counted.resets
        FROM api.register_window(
            'meter', CASE WHEN (SELECT api.has_registers('meter')) THEN meter END, cut_from, cut_to
        ) AS counted
    ) AS register ON true
$$;

COMMENT ON FUNCTION api.meter_cut(text, timestamptz, timestamptz, timestamptz, timestamptz) IS
'Readings and AC energy (kWh, null where nothing is known) of one meter in [cut_from, cut_to), a part of an hour; whether it is estimated, and register resets. within_from and within_to are planning bounds that hold the part.';

CREATE FUNCTION api.vehicle_cut(
    vehicle text,
    cut_from timestamptz,
    cut_to timestamptz,
    within_from timestamptz,
    within_to timestamptz
)
RETURNS TABLE (readings bigint, energy_dc_kwh float8, battery_temp_sum_c float8, is_estimated boolean)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        interval_sum.readings,
        CASE WHEN register.is_one THEN register.energy_kwh ELSE interval_sum.energy_dc_kwh END,
        interval_sum.battery_temp_sum_c,
        coalesce(register.is_estimated, false)
    FROM (
        SELECT
            count(*) AS readings,
            sum(history.energy_dc_kwh) AS energy_dc_kwh,
            sum(history.battery_temp_c::float8) AS battery_temp_sum_c
        FROM api.vehicle_telemetry_history AS history
        WHERE
            history.vehicle_id = vehicle
            AND history.recorded_at >= cut_from
            AND history.recorded_at < cut_to
            AND history.recorded_at >= within_from
            AND history.recorded_at < within_to
    ) AS interval_sum
    LEFT JOIN LATERAL (
        SELECT true AS is_one, counted.energy_kwh, counted.is_estimated
        FROM api.register_window(
            'vehicle', CASE WHEN (SELECT api.has_registers('vehicle')) THEN vehicle END, cut_from, cut_to
        ) AS counted
    ) AS register ON true
$$;

COMMENT ON FUNCTION api.vehicle_cut(text, timestamptz, timestamptz, timestamptz, timestamptz) IS
'Readings, DC energy (kWh, null where nothing is known) and sum of battery temperatures (degrees C) of one vehicle in [cut_from, cut_to), a part of an hour, as api.meter_cut gives it for a meter.';
