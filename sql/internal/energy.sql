-- One row a whole hour of a meter: the rollup, its energy by what the meter's kWh values mean. For callers with a
-- meter in each row, one call each: the meter is known only at run time, and an OR over all meters cannot use the index.

CREATE FUNCTION internal.hours_of_meter(meter text, hours_from timestamptz, hours_to timestamptz)
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
    FROM internal.meter_hourly AS hourly
    LEFT JOIN internal.register_hours(
        'meter', internal.hour_ceiling(hours_from), internal.hour_floor(hours_to), meter
    ) AS register ON register.bucket_start = hourly.bucket_start
    WHERE
        hourly.meter_id = meter
        AND hourly.bucket_start > internal.hour_ceiling(hours_from)
        AND hourly.bucket_start <= internal.hour_bucket(internal.hour_floor(hours_to))
    -- Keeps the subquery separate in the plan: one look-up a meter, never a scan for all of them.
    OFFSET 0
$$;

COMMENT ON FUNCTION internal.hours_of_meter(text, timestamptz, timestamptz) IS
'One row a whole hour of (hours_from, hours_to] in which a meter has a reading: readings, AC energy (kWh), and whether the energy rests on a rollup alone where the history would have been asked.';

-- One meter over a window, to the exact instant: whole hours from the rollup, the cut hours at both ends from
-- the history by its index. Where the window lies within one hour or touches no whole one, the first branch covers it or
-- the first and third meet. That is all for a meter that reads intervals; for one that is a register at some time, the
-- energy is that of its register.
--
-- within_from and within_to bound the window with values known when the statement is planned. A caller that clips the
-- window per row (one call an assignment) passes its own outer window, and the planner still leaves out every chunk
-- outside it; a caller with a single window passes it twice.

CREATE FUNCTION internal.meter_window(
    meter text,
    window_from timestamptz,
    window_to timestamptz,
    within_from timestamptz,
    within_to timestamptz
)
RETURNS TABLE (
    readings bigint,
    energy_ac_kwh float8,
    baselines integer,
    resets integer,
    rollovers integer,
    is_estimated boolean
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        interval_sum.readings,
        CASE WHEN register.is_one THEN register.energy_kwh ELSE interval_sum.energy_ac_kwh END,
        coalesce(register.baselines, 0),
        coalesce(register.resets, 0),
        coalesce(register.rollovers, 0),
        coalesce(register.is_estimated, false)
    FROM (
        SELECT coalesce(sum(piece.readings), 0)::bigint AS readings, sum(piece.energy_ac_kwh) AS energy_ac_kwh
        FROM (
            SELECT count(*) AS readings, sum(history.energy_ac_kwh) AS energy_ac_kwh
            FROM internal.meter_telemetry_history AS history
            WHERE
                history.meter_id = meter
                AND history.recorded_at > window_from
                AND history.recorded_at <= least(window_to, internal.hour_ceiling(window_from))
                AND history.recorded_at > within_from
                AND history.recorded_at <= within_to
            UNION ALL
            SELECT sum(hourly.readings), sum(hourly.energy_ac_sum_kwh)
            FROM internal.meter_hourly AS hourly
            WHERE
                hourly.meter_id = meter
                AND hourly.bucket_start > internal.hour_ceiling(window_from)
                AND hourly.bucket_start <= internal.hour_bucket(internal.hour_floor(window_to))
                AND hourly.bucket_start > internal.hour_ceiling(within_from)
                AND hourly.bucket_start <= internal.hour_bucket(internal.hour_floor(within_to))
            UNION ALL
            SELECT count(*), sum(history.energy_ac_kwh)
            FROM internal.meter_telemetry_history AS history
            WHERE
                history.meter_id = meter
                AND history.recorded_at > greatest(internal.hour_floor(window_to), internal.hour_ceiling(window_from))
                AND history.recorded_at <= window_to
                AND history.recorded_at > within_from
                AND history.recorded_at <= within_to
        ) AS piece
    ) AS interval_sum
    LEFT JOIN LATERAL (
        SELECT true AS is_one, counted.*
        FROM internal.register_window(
            'meter', CASE WHEN (SELECT internal.has_registers('meter')) THEN meter END, window_from, window_to
        ) AS counted
    ) AS register ON true
$$;

COMMENT ON FUNCTION internal.meter_window(text, timestamptz, timestamptz, timestamptz, timestamptz) IS
'Readings and AC energy (kWh, null where nothing is known) of one meter in (window_from, window_to]; of a register the baselines (first readings, which count nothing), resets and rollovers, and whether the energy rests on a rollup whose history was dropped. within_from and within_to are planning bounds that hold the window; pass the window itself.';

-- The same for a vehicle, which callers know at planning time.

CREATE FUNCTION internal.hours_of_vehicle(vehicle text, hours_from timestamptz, hours_to timestamptz)
RETURNS TABLE (
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
    is_estimated boolean
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 24
AS $$
    SELECT
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
        coalesce(register.is_estimated, false)
    FROM internal.vehicle_hourly AS hourly
    LEFT JOIN internal.register_hours(
        'vehicle', internal.hour_ceiling(hours_from), internal.hour_floor(hours_to), vehicle
    ) AS register ON register.bucket_start = hourly.bucket_start
    WHERE
        hourly.vehicle_id = vehicle
        AND hourly.bucket_start > internal.hour_ceiling(hours_from)
        AND hourly.bucket_start <= internal.hour_bucket(internal.hour_floor(hours_to))
$$;

COMMENT ON FUNCTION internal.hours_of_vehicle(text, timestamptz, timestamptz) IS
'One row a whole hour of (hours_from, hours_to] in which a vehicle has a reading: readings, DC energy (kWh), states of charge (percent), battery temperatures (degrees C), and whether the energy rests on a rollup alone where the history would have been asked.';

-- One vehicle over a window, to the exact instant, as internal.meter_window does it for a meter.

CREATE FUNCTION internal.vehicle_window(vehicle text, window_from timestamptz, window_to timestamptz)
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
            FROM internal.vehicle_telemetry_history AS history
            WHERE
                history.vehicle_id = vehicle
                AND history.recorded_at > window_from
                AND history.recorded_at <= least(window_to, internal.hour_ceiling(window_from))
            UNION ALL
            SELECT sum(hourly.readings), sum(hourly.energy_dc_sum_kwh), sum(hourly.battery_temp_sum_c)
            FROM internal.vehicle_hourly AS hourly
            WHERE
                hourly.vehicle_id = vehicle
                AND hourly.bucket_start > internal.hour_ceiling(window_from)
                AND hourly.bucket_start <= internal.hour_bucket(internal.hour_floor(window_to))
            UNION ALL
            SELECT count(*), sum(history.energy_dc_kwh), sum(history.battery_temp_c::float8)
            FROM internal.vehicle_telemetry_history AS history
            WHERE
                history.vehicle_id = vehicle
                AND history.recorded_at > greatest(internal.hour_floor(window_to), internal.hour_ceiling(window_from))
                AND history.recorded_at <= window_to
        ) AS piece
    ) AS interval_sum
    LEFT JOIN LATERAL (
        SELECT true AS is_one, counted.*
        FROM internal.register_window(
            'vehicle', CASE WHEN (SELECT internal.has_registers('vehicle')) THEN vehicle END, window_from, window_to
        ) AS counted
    ) AS register ON true
$$;

COMMENT ON FUNCTION internal.vehicle_window(text, timestamptz, timestamptz) IS
'Readings, DC energy (kWh) and mean battery temperature (degrees C) of one vehicle in (window_from, window_to], null where nothing is known; of a register the baselines, resets and rollovers, and whether the energy rests on a rollup whose history was dropped, as internal.meter_window says them.';

-- One device in a part of an hour, read from the history by its index: what internal.meter_window and
-- internal.vehicle_window do for the cut hours at the ends of a window, for callers that have many such parts. within_from
-- and within_to bound them with values known when the statement is planned, so that the planner leaves out every chunk
-- outside.

CREATE FUNCTION internal.meter_cut(
    meter text,
    cut_from timestamptz,
    cut_to timestamptz,
    within_from timestamptz,
    within_to timestamptz
)
RETURNS TABLE (readings bigint, energy_ac_kwh float8, is_estimated boolean)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        interval_sum.readings,
        CASE WHEN register.is_one THEN register.energy_kwh ELSE interval_sum.energy_ac_kwh END,
        coalesce(register.is_estimated, false)
    FROM (
        SELECT count(*) AS readings, sum(history.energy_ac_kwh) AS energy_ac_kwh
        FROM internal.meter_telemetry_history AS history
        WHERE
            history.meter_id = meter
            AND history.recorded_at > cut_from
            AND history.recorded_at <= cut_to
            AND history.recorded_at > within_from
            AND history.recorded_at <= within_to
    ) AS interval_sum
    LEFT JOIN LATERAL (
        SELECT true AS is_one, counted.energy_kwh, counted.is_estimated
        FROM internal.register_window(
            'meter', CASE WHEN (SELECT internal.has_registers('meter')) THEN meter END, cut_from, cut_to
        ) AS counted
    ) AS register ON true
$$;

COMMENT ON FUNCTION internal.meter_cut(text, timestamptz, timestamptz, timestamptz, timestamptz) IS
'Readings and AC energy (kWh, null where nothing is known) of one meter in (cut_from, cut_to], a part of an hour, and whether it is estimated. within_from and within_to are planning bounds that hold the part.';

CREATE FUNCTION internal.vehicle_cut(
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
        FROM internal.vehicle_telemetry_history AS history
        WHERE
            history.vehicle_id = vehicle
            AND history.recorded_at > cut_from
            AND history.recorded_at <= cut_to
            AND history.recorded_at > within_from
            AND history.recorded_at <= within_to
    ) AS interval_sum
    LEFT JOIN LATERAL (
        SELECT true AS is_one, counted.energy_kwh, counted.is_estimated
        FROM internal.register_window(
            'vehicle', CASE WHEN (SELECT internal.has_registers('vehicle')) THEN vehicle END, cut_from, cut_to
        ) AS counted
    ) AS register ON true
$$;

COMMENT ON FUNCTION internal.vehicle_cut(text, timestamptz, timestamptz, timestamptz, timestamptz) IS
'Readings, DC energy (kWh, null where nothing is known) and sum of battery temperatures (degrees C) of one vehicle in (cut_from, cut_to], a part of an hour, as internal.meter_cut gives it for a meter.';
