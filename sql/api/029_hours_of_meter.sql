-- One row a whole hour of a meter: the rollup, its energy by what the meter's kWh values mean. For a caller that has its
-- meters row by row, one call each: there the meter is known only when the statement runs, and an "or" over all meters
-- could not be looked up by index.

CREATE FUNCTION api.hours_of_meter(meter text, hours_from timestamptz, hours_to timestamptz)
RETURNS TABLE (
    bucket_start timestamptz,
    readings bigint,
    energy_ac_kwh float8,
    is_estimated boolean
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 24
AS $$
    SELECT
        hourly.bucket_start,
        hourly.readings,
        CASE WHEN register.device_id IS NULL THEN hourly.energy_ac_sum_kwh ELSE register.energy_kwh END,
        coalesce(register.is_estimated, false)
    FROM api.meter_hourly AS hourly
    LEFT JOIN api.register_hours(
        'meter', api.hour_ceiling(hours_from), api.hour_floor(hours_to), meter
    ) AS register ON register.bucket_start = hourly.bucket_start
    WHERE
        hourly.meter_id = meter
        AND hourly.bucket_start >= api.hour_ceiling(hours_from)
        AND hourly.bucket_start < api.hour_floor(hours_to)
    -- Keeps it apart in the plan: looked up once a meter, never scanned for all of them together.
    OFFSET 0
$$;

COMMENT ON FUNCTION api.hours_of_meter(text, timestamptz, timestamptz) IS
'One row a whole hour of [hours_from, hours_to) in which a meter has a reading: readings, AC energy (kWh), and whether the energy rests on a rollup alone where the history would have been asked.';
