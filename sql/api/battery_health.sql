-- A battery's capacity: the energy that fills it from 0 to 100 %. The state of charge rises with the energy since a charge
-- began, along a line with one slope for all charges and a beginning of its own for each; the capacity is 100 over the
-- slope. Least squares, of points that internal.charging_points leaves. The error is that of the slope with each charge
-- as one observation, whatever the errors within it have in common (a cluster-robust variance), and the interval Student's
-- with as many degrees of freedom as there are charges of equal weight, less one.

CREATE FUNCTION api.battery_months(vehicle text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    month_from timestamptz,
    stretches bigint,
    capacity_kwh float8,
    capacity_error_kwh float8,
    capacity_low_kwh float8,
    capacity_high_kwh float8,
    trend_kwh_per_month float8,
    trend_error_kwh_per_month float8,
    hours_jumping bigint,
    hours_frozen bigint,
    hours_without_energy bigint,
    hours_above_power bigint
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 13
AS $$
    WITH point AS MATERIALIZED (
        SELECT * FROM internal.charging_points(vehicle, window_from, window_to)
    ),
    charge AS MATERIALIZED (
        SELECT
            stretch.*,
            date_trunc('month', stretch.stretch_from, 'UTC') AS month_from,
            -- Months since 2000: a twelfth of a year of 365.25 days.
            date_part('epoch', stretch.stretch_from - timestamptz '2000-01-01 00:00:00+00') / 2629800 AS month,
            CASE
                WHEN stretch.off_pct > internal.soc_tolerance_pct(stretch.explained_pct) THEN 'jump'
                WHEN -stretch.off_pct > internal.soc_tolerance_pct(stretch.explained_pct) THEN 'frozen'
            END AS fault
        FROM (
            SELECT
                point.stretch_from,
                regr_sxx(point.soc_pct, point.energy_dc_kwh) FILTER (WHERE NOT point.is_edge) AS sxx,
                regr_sxy(point.soc_pct, point.energy_dc_kwh) FILTER (WHERE NOT point.is_edge) AS sxy,
                max(point.pct_per_kwh) * (max(point.energy_dc_kwh) - min(point.energy_dc_kwh)) AS explained_pct,
                (regr_slope(point.soc_pct, point.energy_dc_kwh) - max(point.pct_per_kwh))
                * (max(point.energy_dc_kwh) - min(point.energy_dc_kwh)) AS off_pct
            FROM point
            WHERE point.fault IS NULL AND point.stretch_from IS NOT NULL
            GROUP BY point.stretch_from
        ) AS stretch
        -- Less is lost in the resolution of the state of charge.
        WHERE stretch.explained_pct >= 20
    ),
    good AS MATERIALIZED (
        SELECT charge.* FROM charge WHERE charge.fault IS NULL AND charge.sxx > 0
    ),
    -- Of months and, with a null month, of all of them; so below.
    slope AS MATERIALIZED (
        SELECT
            good.month_from,
            count(*) AS stretches,
            sum(good.sxy) / sum(good.sxx) AS slope,
            sum(good.sxx) AS weight,
            -- As many charges of equal weight would weigh as these do.
            sum(good.sxx) ^ 2 / sum(good.sxx ^ 2) AS equal_stretches,
            count(DISTINCT good.month_from) AS months,
            sum(good.sxx * good.month) / sum(good.sxx) AS month_mean
        FROM good
        GROUP BY GROUPING SETS ((good.month_from), ())
        HAVING count(*) > 0
    ),
    spread AS (
        SELECT
            slope.month_from,
            sqrt(sum((good.sxy - slope.slope * good.sxx) ^ 2) * slope.stretches / nullif(slope.stretches - 1, 0))
            / slope.weight AS slope_error,
            sum((good.month - slope.month_mean) * (good.sxy - slope.slope * good.sxx))
            / nullif(sum(good.sxx * (good.month - slope.month_mean) ^ 2), 0) AS drift
        FROM slope
        JOIN good ON slope.month_from IS NULL OR good.month_from = slope.month_from
        GROUP BY slope.month_from, slope.slope, slope.weight, slope.stretches
    ),
    -- What the slope changes by in a month, and its error, for the whole window.
    drift AS (
        SELECT
            spread.drift,
            sqrt(
                sum(
                    (
                        (good.month - slope.month_mean)
                        * (good.sxy - (slope.slope + spread.drift * (good.month - slope.month_mean)) * good.sxx)
                    ) ^ 2
                ) * slope.stretches / (slope.stretches - 2)
            ) / sum(good.sxx * (good.month - slope.month_mean) ^ 2) AS drift_error
        FROM slope
        JOIN spread ON spread.month_from IS NULL
        CROSS JOIN good
        WHERE slope.month_from IS NULL AND slope.months >= 3
        GROUP BY spread.drift, slope.stretches
    ),
    faulty AS (
        SELECT
            date_trunc('month', judged.bucket_start, 'UTC') AS month_from,
            count(*) FILTER (WHERE judged.fault = 'jump') AS hours_jumping,
            count(*) FILTER (WHERE judged.fault = 'frozen') AS hours_frozen,
            count(*) FILTER (WHERE judged.fault = 'no_energy') AS hours_without_energy,
            count(*) FILTER (WHERE judged.fault = 'power') AS hours_above_power
        FROM (
            SELECT point.bucket_start, max(coalesce(point.fault, charge.fault)) AS fault
            FROM point
            LEFT JOIN charge ON charge.stretch_from = point.stretch_from
            WHERE coalesce(point.fault, charge.fault) IS NOT NULL
            GROUP BY point.bucket_start
        ) AS judged
        GROUP BY GROUPING SETS ((date_trunc('month', judged.bucket_start, 'UTC')), ())
        HAVING count(*) > 0
    ),
    fitted AS (
        SELECT
            slope.month_from,
            slope.stretches,
            slope.slope,
            spread.slope_error,
            student.factor * spread.slope_error AS slope_reach,
            -- Between two thirds and twice the capacity at least.
            slope.stretches >= 3
            AND slope.equal_stretches >= 2
            AND student.factor * spread.slope_error < slope.slope / 2 AS is_known
        FROM slope
        JOIN spread ON spread.month_from IS NOT DISTINCT FROM slope.month_from
        CROSS JOIN LATERAL (
            SELECT 1 / greatest(slope.equal_stretches - 1, 0.5) AS share
        ) AS freedom
        CROSS JOIN LATERAL (
            -- The 97.5 % point of Student's distribution, to 3 % from 2 degrees of freedom on.
            SELECT 1.96 + freedom.share * (2.37 + freedom.share * (2.82 + freedom.share * 2.55)) AS factor
        ) AS student
    )
    SELECT
        coalesce(fitted.month_from, faulty.month_from),
        coalesce(fitted.stretches, 0),
        CASE WHEN fitted.is_known THEN 100 / fitted.slope END,
        CASE WHEN fitted.is_known THEN 100 / fitted.slope ^ 2 * fitted.slope_error END,
        CASE WHEN fitted.is_known THEN 100 / (fitted.slope + fitted.slope_reach) END,
        CASE WHEN fitted.is_known THEN 100 / (fitted.slope - fitted.slope_reach) END,
        CASE WHEN fitted.is_known THEN -100 / fitted.slope ^ 2 * drift.drift END,
        CASE WHEN fitted.is_known THEN 100 / fitted.slope ^ 2 * drift.drift_error END,
        coalesce(faulty.hours_jumping, 0),
        coalesce(faulty.hours_frozen, 0),
        coalesce(faulty.hours_without_energy, 0),
        coalesce(faulty.hours_above_power, 0)
    FROM fitted
    -- A month is null in one row of each.
    FULL JOIN faulty ON coalesce(faulty.month_from, '-infinity') = coalesce(fitted.month_from, '-infinity')
    LEFT JOIN drift ON coalesce(fitted.month_from, faulty.month_from) IS NULL
    ORDER BY 1
$$;

COMMENT ON FUNCTION api.battery_months(text, timestamptz, timestamptz) IS
'A vehicle''s battery capacity (kWh) with its standard error and 95 % interval, month by month (UTC) and, in the row whose month is null, for the whole of (window_from, window_to], there with its trend (kWh a month) over three months or more. From charges of 20 points or more (stretches); null where they are fewer than three, or where the interval reaches to two thirds or twice. Hours left out: the state of charge is not where the energy puts it, is frozen, rises without energy; or more energy than the vehicle takes. No row where there is neither a stretch nor such an hour.';

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
    battery_temp_max_c float4,
    is_pending boolean
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
        max(hourly.battery_temp_max_c),
        internal.is_pending('vehicle', vehicle, window_from, window_to)
    FROM internal.hours_of_vehicle(vehicle, window_from, window_to) AS hourly
$$;

COMMENT ON FUNCTION api.vehicle_condition(text, timestamptz, timestamptz) IS
'Whether a vehicle ever sent a reading, its battery''s capacity as listed (kWh), and of the whole hours of (window_from, window_to]: readings, coverage, hours above 40 degrees C, highest battery temperature (degrees C; null without a reading); whether late readings may be missing yet (is_pending).';
