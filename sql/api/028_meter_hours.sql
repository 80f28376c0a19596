-- One row a meter and whole hour: the rollup, its energy by what the meter's kWh values mean. only_meter is written so
-- that the planner folds it away, where it is null as where it is given.

CREATE FUNCTION api.meter_hours(hours_from timestamptz, hours_to timestamptz, only_meter text DEFAULT NULL)
RETURNS TABLE (
    meter_id text,
    bucket_start timestamptz,
    readings bigint,
    energy_ac_kwh float8,
    voltage_sum_v float8,
    voltage_min_v float4,
    voltage_max_v float4,
    is_estimated boolean,
    resets integer
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10000
AS $$
    SELECT
        hourly.meter_id,
        hourly.bucket_start,
        hourly.readings,
        CASE WHEN register.device_id IS NULL THEN hourly.energy_ac_sum_kwh ELSE register.energy_kwh END,
        hourly.voltage_sum_v,
        hourly.voltage_min_v,
        hourly.voltage_max_v,
        coalesce(register.is_estimated, false),
        coalesce(register.resets, 0)
    FROM api.meter_hourly AS hourly
    LEFT JOIN api.register_hours(
        'meter', api.hour_ceiling(hours_from), api.hour_floor(hours_to), only_meter
    ) AS register
        ON register.device_id = hourly.meter_id AND register.bucket_start = hourly.bucket_start
    WHERE
        (only_meter IS NULL OR hourly.meter_id = only_meter)
        AND hourly.bucket_start >= api.hour_ceiling(hours_from)
        AND hourly.bucket_start < api.hour_floor(hours_to)
$$;

COMMENT ON FUNCTION api.meter_hours(timestamptz, timestamptz, text) IS
'One row a meter (or the one named) and whole hour of [hours_from, hours_to) in which it has a reading: readings, AC energy (kWh), voltages (V), whether the energy rests on a rollup alone where the history would have been asked, and resets of the register.';
