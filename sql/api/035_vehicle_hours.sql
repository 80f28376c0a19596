-- One row a vehicle and whole hour: the rollup, its energy by what the vehicle's kWh values mean. only_vehicle is written
-- so that the planner folds it away, where it is null as where it is given.

CREATE FUNCTION api.vehicle_hours(hours_from timestamptz, hours_to timestamptz, only_vehicle text DEFAULT NULL)
RETURNS TABLE (
    vehicle_id text,
    bucket_start timestamptz,
    readings bigint,
    energy_dc_kwh float8,
    soc_first_pct float4,
    soc_last_pct float4,
    soc_min_pct float4,
    soc_max_pct float4,
    battery_temp_sum_c float8,
    battery_temp_min_c float4,
    battery_temp_max_c float4,
    is_estimated boolean,
    resets integer
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10000
AS $$
    SELECT
        hourly.vehicle_id,
        hourly.bucket_start,
        hourly.readings,
        CASE WHEN register.device_id IS NULL THEN hourly.energy_dc_sum_kwh ELSE register.energy_kwh END,
        hourly.soc_first_pct,
        hourly.soc_last_pct,
        hourly.soc_min_pct,
        hourly.soc_max_pct,
        hourly.battery_temp_sum_c,
        hourly.battery_temp_min_c,
        hourly.battery_temp_max_c,
        coalesce(register.is_estimated, false),
        coalesce(register.resets, 0)
    FROM api.vehicle_hourly AS hourly
    LEFT JOIN api.register_hours(
        'vehicle', api.hour_ceiling(hours_from), api.hour_floor(hours_to), only_vehicle
    ) AS register
        ON register.device_id = hourly.vehicle_id AND register.bucket_start = hourly.bucket_start
    WHERE
        (only_vehicle IS NULL OR hourly.vehicle_id = only_vehicle)
        AND hourly.bucket_start >= api.hour_ceiling(hours_from)
        AND hourly.bucket_start < api.hour_floor(hours_to)
$$;

COMMENT ON FUNCTION api.vehicle_hours(timestamptz, timestamptz, text) IS
'One row a vehicle (or the one named) and whole hour of [hours_from, hours_to) in which it has a reading: readings, DC energy (kWh), states of charge (percent), battery temperatures (degrees C), whether the energy rests on a rollup alone where the history would have been asked, and resets of the register.';
