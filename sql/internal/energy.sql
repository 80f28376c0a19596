-- One row a whole hour of a vehicle: the rollup, its energy by what the vehicle's kWh values mean.

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

-- A device in a part of an hour, read from the history by its index. Where that is gone, the part has its share of the rollup's
-- hour by duration, and is estimated; counts are no whole numbers then. The last value of a register is not asked for here.
--
-- within_from and within_to bound the part with values known when the statement is planned. A caller that clips the window per
-- row (one call an assignment) passes its own outer window, and the planner still leaves out every chunk outside it; a
-- caller with a single window passes it twice.

CREATE FUNCTION internal.kept_from(kind_of_device text)
RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT coalesce(
        internal.hour_kept_from(internal.history_horizon(kind_of_device || '_telemetry_history')), timestamptz '-infinity'
    )
$$;

COMMENT ON FUNCTION internal.kept_from(text) IS
'The start of the first hour (UTC) of which the history of meters or vehicles (kind_of_device) is kept whole; hours before it are known from their rollups alone.';

CREATE FUNCTION internal.meter_part(
    meter text,
    part_from timestamptz,
    part_to timestamptz,
    within_from timestamptz,
    within_to timestamptz
)
RETURNS TABLE (
    readings float8,
    energy_ac_kwh float8,
    voltage_sum_v float8,
    voltage_min_v float4,
    voltage_max_v float4,
    is_estimated boolean
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        coalesce(sum(piece.readings), 0),
        sum(piece.energy_ac_kwh),
        sum(piece.voltage_sum_v),
        min(piece.voltage_min_v),
        max(piece.voltage_max_v),
        coalesce(bool_or(piece.is_estimated), false)
    FROM (
        SELECT
            count(*)::float8 AS readings,
            sum(history.energy_ac_kwh) AS energy_ac_kwh,
            sum(history.voltage_v::float8) AS voltage_sum_v,
            min(history.voltage_v) AS voltage_min_v,
            max(history.voltage_v) AS voltage_max_v,
            false AS is_estimated
        FROM internal.meter_telemetry_history AS history
        WHERE
            history.meter_id = meter
            AND history.recorded_at > part_from
            AND history.recorded_at <= part_to
            AND history.recorded_at > within_from
            AND history.recorded_at <= within_to
            AND history.recorded_at > (SELECT internal.kept_from('meter'))
        UNION ALL
        SELECT
            hourly.readings * share.of_hour,
            hourly.energy_ac_sum_kwh * share.of_hour,
            hourly.voltage_sum_v * share.of_hour,
            hourly.voltage_min_v,
            hourly.voltage_max_v,
            true
        FROM internal.meter_hourly AS hourly
        CROSS JOIN LATERAL (SELECT date_part('epoch', part_to - part_from) / 3600) AS share (of_hour)
        WHERE
            hourly.meter_id = meter
            AND part_from < part_to
            AND hourly.bucket_start = internal.hour_bucket(part_to)
            AND hourly.bucket_start > internal.hour_floor(within_from)
            AND hourly.bucket_start <= internal.hour_bucket(within_to)
            AND hourly.bucket_start < (SELECT internal.kept_from('meter'))
    ) AS piece
$$;

COMMENT ON FUNCTION internal.meter_part(text, timestamptz, timestamptz, timestamptz, timestamptz) IS
'Readings, their sum of kWh values and of voltages (V), lowest and highest voltage, of one meter in (part_from, part_to], a part of an hour; null without a reading; is_estimated: by its share of the hour. within_from and within_to are planning bounds that hold the part.';

CREATE FUNCTION internal.vehicle_part(
    vehicle text,
    part_from timestamptz,
    part_to timestamptz,
    within_from timestamptz,
    within_to timestamptz
)
RETURNS TABLE (
    readings float8,
    energy_dc_kwh float8,
    battery_temp_sum_c float8,
    is_estimated boolean
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        coalesce(sum(piece.readings), 0),
        sum(piece.energy_dc_kwh),
        sum(piece.battery_temp_sum_c),
        coalesce(bool_or(piece.is_estimated), false)
    FROM (
        SELECT
            count(*)::float8 AS readings,
            sum(history.energy_dc_kwh) AS energy_dc_kwh,
            sum(history.battery_temp_c::float8) AS battery_temp_sum_c,
            false AS is_estimated
        FROM internal.vehicle_telemetry_history AS history
        WHERE
            history.vehicle_id = vehicle
            AND history.recorded_at > part_from
            AND history.recorded_at <= part_to
            AND history.recorded_at > within_from
            AND history.recorded_at <= within_to
            AND history.recorded_at > (SELECT internal.kept_from('vehicle'))
        UNION ALL
        SELECT
            hourly.readings * share.of_hour,
            hourly.energy_dc_sum_kwh * share.of_hour,
            hourly.battery_temp_sum_c * share.of_hour,
            true
        FROM internal.vehicle_hourly AS hourly
        CROSS JOIN LATERAL (SELECT date_part('epoch', part_to - part_from) / 3600) AS share (of_hour)
        WHERE
            hourly.vehicle_id = vehicle
            AND part_from < part_to
            AND hourly.bucket_start = internal.hour_bucket(part_to)
            AND hourly.bucket_start > internal.hour_floor(within_from)
            AND hourly.bucket_start <= internal.hour_bucket(within_to)
            AND hourly.bucket_start < (SELECT internal.kept_from('vehicle'))
    ) AS piece
$$;

COMMENT ON FUNCTION internal.vehicle_part(text, timestamptz, timestamptz, timestamptz, timestamptz) IS
'The same of one vehicle: readings, sums of kWh values and of battery temperatures (degrees C).';

-- A device over a window, to the exact instant: whole hours from the rollup, and the parts of hours at both ends. Where the
-- window lies within one hour or touches no whole one, the first part covers it, or both parts meet. That is all for a device
-- that reads intervals; for one that is a register at some time, the energy is that of its register.

CREATE FUNCTION internal.meter_window(
    meter text,
    window_from timestamptz,
    window_to timestamptz,
    within_from timestamptz,
    within_to timestamptz
)
RETURNS TABLE (
    readings float8,
    energy_ac_kwh float8,
    voltage_sum_v float8,
    voltage_min_v float4,
    voltage_max_v float4,
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
        interval_sum.voltage_sum_v,
        interval_sum.voltage_min_v,
        interval_sum.voltage_max_v,
        coalesce(register.baselines, 0),
        coalesce(register.resets, 0),
        coalesce(register.rollovers, 0),
        interval_sum.is_estimated OR coalesce(register.is_estimated, false)
    FROM (
        SELECT
            sum(piece.readings) AS readings,
            sum(piece.energy_ac_kwh) AS energy_ac_kwh,
            sum(piece.voltage_sum_v) AS voltage_sum_v,
            min(piece.voltage_min_v) AS voltage_min_v,
            max(piece.voltage_max_v) AS voltage_max_v,
            bool_or(piece.is_estimated) AS is_estimated
        FROM (
            SELECT
                begun.readings,
                begun.energy_ac_kwh,
                begun.voltage_sum_v,
                begun.voltage_min_v,
                begun.voltage_max_v,
                begun.is_estimated
            FROM internal.meter_part(
                meter, window_from, least(window_to, internal.hour_ceiling(window_from)), within_from, within_to
            ) AS begun
            UNION ALL
            SELECT sum(hourly.readings), sum(hourly.energy_ac_sum_kwh), sum(hourly.voltage_sum_v), min(hourly.voltage_min_v), max(hourly.voltage_max_v), false
            FROM internal.meter_hourly AS hourly
            WHERE
                hourly.meter_id = meter
                AND hourly.bucket_start > internal.hour_ceiling(window_from)
                AND hourly.bucket_start <= internal.hour_bucket(internal.hour_floor(window_to))
                AND hourly.bucket_start > internal.hour_ceiling(within_from)
                AND hourly.bucket_start <= internal.hour_bucket(internal.hour_floor(within_to))
            UNION ALL
            SELECT ended.readings, ended.energy_ac_kwh, ended.voltage_sum_v, ended.voltage_min_v, ended.voltage_max_v, ended.is_estimated
            FROM internal.meter_part(
                meter,
                greatest(internal.hour_floor(window_to), internal.hour_ceiling(window_from)),
                window_to,
                within_from,
                within_to
            ) AS ended
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
'Readings, AC energy (kWh), sum (V), lowest and highest of the voltages of one meter in (window_from, window_to], null where nothing is known; of a register the baselines (first readings, which count nothing), resets and rollovers; whether it is estimated: rests on a rollup whose history is gone. within_from and within_to are planning bounds that hold the window; pass the window itself.';

CREATE FUNCTION internal.vehicle_window(
    vehicle text,
    window_from timestamptz,
    window_to timestamptz,
    within_from timestamptz,
    within_to timestamptz
)
RETURNS TABLE (
    readings float8,
    energy_dc_kwh float8,
    battery_temp_sum_c float8,
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
        interval_sum.battery_temp_sum_c,
        coalesce(register.baselines, 0),
        coalesce(register.resets, 0),
        coalesce(register.rollovers, 0),
        interval_sum.is_estimated OR coalesce(register.is_estimated, false)
    FROM (
        SELECT
            sum(piece.readings) AS readings,
            sum(piece.energy_dc_kwh) AS energy_dc_kwh,
            sum(piece.battery_temp_sum_c) AS battery_temp_sum_c,
            bool_or(piece.is_estimated) AS is_estimated
        FROM (
            SELECT
                begun.readings,
                begun.energy_dc_kwh,
                begun.battery_temp_sum_c,
                begun.is_estimated
            FROM internal.vehicle_part(
                vehicle, window_from, least(window_to, internal.hour_ceiling(window_from)), within_from, within_to
            ) AS begun
            UNION ALL
            SELECT sum(hourly.readings), sum(hourly.energy_dc_sum_kwh), sum(hourly.battery_temp_sum_c), false
            FROM internal.vehicle_hourly AS hourly
            WHERE
                hourly.vehicle_id = vehicle
                AND hourly.bucket_start > internal.hour_ceiling(window_from)
                AND hourly.bucket_start <= internal.hour_bucket(internal.hour_floor(window_to))
                AND hourly.bucket_start > internal.hour_ceiling(within_from)
                AND hourly.bucket_start <= internal.hour_bucket(internal.hour_floor(within_to))
            UNION ALL
            SELECT ended.readings, ended.energy_dc_kwh, ended.battery_temp_sum_c, ended.is_estimated
            FROM internal.vehicle_part(
                vehicle,
                greatest(internal.hour_floor(window_to), internal.hour_ceiling(window_from)),
                window_to,
                within_from,
                within_to
            ) AS ended
        ) AS piece
    ) AS interval_sum
    LEFT JOIN LATERAL (
        SELECT true AS is_one, counted.*
        FROM internal.register_window(
            'vehicle', CASE WHEN (SELECT internal.has_registers('vehicle')) THEN vehicle END, window_from, window_to
        ) AS counted
    ) AS register ON true
$$;

COMMENT ON FUNCTION internal.vehicle_window(text, timestamptz, timestamptz, timestamptz, timestamptz) IS
'The same of one vehicle: readings, DC energy (kWh), sum of battery temperatures (degrees C), and what internal.meter_window says of a register.';
