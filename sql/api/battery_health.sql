-- A battery's capacity: the energy that fills it from 0 to 100 %, as the slope of energy over change in state of charge,
-- of the stretches of 20 points or more. The line goes through the origin, because no energy is no change: a vehicle that
-- always charges from 20 to 80 % has an answer too. The standard error is that of the slope, with n - 1 degrees of freedom.

CREATE FUNCTION api.battery_months(vehicle text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    month_from timestamptz,
    stretches bigint,
    capacity_kwh float8,
    capacity_error_kwh float8,
    trend_kwh_per_month float8,
    trend_error_kwh_per_month float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 13
AS $$
    WITH charge AS MATERIALIZED (
        SELECT
            date_trunc('month', stretch.stretch_from, 'UTC') AS month_from,
            (stretch.soc_to_pct - stretch.soc_from_pct) / 100 AS share,
            stretch.energy_dc_kwh,
            -- Months since 2000: a twelfth of a year of 365.25 days.
            date_part('epoch', stretch.stretch_from - timestamptz '2000-01-01 00:00:00+00') / 2629800 AS month,
            stretch.energy_dc_kwh / ((stretch.soc_to_pct - stretch.soc_from_pct) / 100) AS capacity_kwh
        FROM internal.charging_stretches(vehicle, window_from, window_to) AS stretch
        WHERE stretch.soc_to_pct - stretch.soc_from_pct >= 20
    ),
    -- One row a month and, with a null month, one for all of them.
    fitted AS (
        SELECT
            charge.month_from,
            count(*) AS stretches,
            sum(charge.share * charge.energy_dc_kwh) / sum(charge.share ^ 2) AS capacity_kwh,
            sum(charge.share ^ 2) AS share_squares,
            sum(charge.share * charge.energy_dc_kwh) AS products,
            sum(charge.energy_dc_kwh ^ 2) AS energy_squares,
            regr_slope(charge.capacity_kwh, charge.month) AS trend,
            regr_sxx(charge.capacity_kwh, charge.month) AS sxx,
            regr_syy(charge.capacity_kwh, charge.month) AS syy,
            regr_sxy(charge.capacity_kwh, charge.month) AS sxy,
            count(DISTINCT charge.month_from) AS months
        FROM charge
        GROUP BY GROUPING SETS ((charge.month_from), ())
        HAVING count(*) > 0
    )
    SELECT
        fitted.month_from,
        fitted.stretches,
        CASE WHEN fitted.stretches >= 2 THEN fitted.capacity_kwh END,
        CASE
            WHEN fitted.stretches >= 2 THEN sqrt(
                greatest(0, fitted.energy_squares - fitted.capacity_kwh * fitted.products)
                / (fitted.stretches - 1) / fitted.share_squares
            )
        END,
        CASE WHEN fitted.months >= 3 THEN fitted.trend END,
        CASE
            WHEN fitted.months >= 3 THEN sqrt(
                greatest(0, fitted.syy - fitted.sxy ^ 2 / nullif(fitted.sxx, 0))
                / (fitted.stretches - 2) / nullif(fitted.sxx, 0)
            )
        END
    FROM fitted
    ORDER BY fitted.month_from
$$;

COMMENT ON FUNCTION api.battery_months(text, timestamptz, timestamptz) IS
'A vehicle''s battery capacity (kWh) with its standard error, month by month (UTC) and, in the row whose month is null, for the whole of (window_from, window_to], there with its trend (kWh a month) over three months or more. Stretches of 20 points of charge or more; null where there are fewer than two. No row without a stretch.';

-- A vehicle over a window of whole hours, beside its battery's capacity: whether it ever sent a reading, how much of the
-- window its readings cover, and how long its battery was hot. An hour above 40 degrees C throughout counts whole; of one
-- that passes 40, the part of its temperature range above 40 counts.

CREATE FUNCTION api.vehicle_condition(vehicle text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    is_known boolean,
    battery_capacity_listed_kwh float8,
    readings bigint,
    coverage float8,
    hours_hot float8,
    battery_temp_max_c float4
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        EXISTS (SELECT FROM internal.live_vehicle_state AS live WHERE live.vehicle_id = vehicle)
        OR EXISTS (SELECT FROM internal.assignment WHERE assignment.vehicle_id = vehicle)
        OR EXISTS (SELECT FROM internal.vehicle AS listed WHERE listed.vehicle_id = vehicle),
        (SELECT listed.battery_capacity_kwh FROM internal.vehicle AS listed WHERE listed.vehicle_id = vehicle),
        coalesce(sum(hourly.readings), 0)::bigint,
        internal.coverage(coalesce(sum(hourly.readings), 0), internal.seconds_elapsed(window_from, window_to)),
        sum(
            CASE
                WHEN hourly.battery_temp_max_c <= 40 THEN 0
                WHEN hourly.battery_temp_min_c >= 40 THEN 1
                ELSE (hourly.battery_temp_max_c - 40) / (hourly.battery_temp_max_c - hourly.battery_temp_min_c)
            END::float8
        ),
        max(hourly.battery_temp_max_c)
    FROM internal.hours_of_vehicle(vehicle, window_from, window_to) AS hourly
$$;

COMMENT ON FUNCTION api.vehicle_condition(text, timestamptz, timestamptz) IS
'Whether a vehicle ever sent a reading, its battery''s capacity as listed (kWh), and of the whole hours of (window_from, window_to]: readings, coverage, hours above 40 degrees C, highest battery temperature (degrees C; null without a reading).';
