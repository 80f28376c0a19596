-- Whether a charger's ratio changed, from its days on which it drew a kWh or more.
--
-- Baseline and recent ratio are those of its first and its last seven such days, which may not be the same days. The day
-- on which the ratio changed is found by least squares: of all ways to cut the days in two, each side with a ratio of its
-- own, the one that leaves the least of the days' differences, each weighted by its energy. It is named where the two
-- ratios lie at least 0.02 and three standard errors apart, with three days at least on either side.

CREATE FUNCTION api.charger_health(meter text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    day_from timestamptz,
    day_to timestamptz,
    energy_ac_kwh float8,
    energy_dc_kwh float8,
    efficiency_ratio float8,
    meter_readings bigint,
    vehicle_readings bigint,
    meter_coverage float8,
    vehicle_coverage float8,
    has_fed boolean,
    days bigint,
    baseline_ratio float8,
    recent_ratio float8,
    changed_from timestamptz,
    ratio_before float8,
    ratio_after float8,
    trend_per_30_days float8,
    trend_error_per_30_days float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 90
AS $$
    WITH day AS MATERIALIZED (
        SELECT
            charged.day_from,
            charged.day_to,
            charged.energy_ac_kwh,
            charged.energy_dc_kwh,
            charged.efficiency_ratio,
            charged.meter_readings,
            charged.vehicle_readings,
            charged.fed_seconds
        FROM internal.charger_days(meter, window_from, window_to) AS charged
    ),
    counted AS MATERIALIZED (
        SELECT
            day.day_from,
            day.energy_ac_kwh,
            day.energy_dc_kwh,
            day.efficiency_ratio,
            row_number() OVER so_far AS number,
            count(*) OVER () AS days,
            sum(day.energy_ac_kwh) OVER so_far AS ac_so_far,
            sum(day.energy_dc_kwh) OVER so_far AS dc_so_far,
            sum(day.energy_ac_kwh * day.efficiency_ratio ^ 2) OVER so_far AS squares_so_far,
            sum(day.energy_ac_kwh) OVER () AS ac_all,
            sum(day.energy_dc_kwh) OVER () AS dc_all,
            sum(day.energy_ac_kwh * day.efficiency_ratio ^ 2) OVER () AS squares_all
        FROM day
        WHERE day.energy_ac_kwh >= 1
        WINDOW so_far AS (ORDER BY day.day_from)
    ),
    -- Each day as the last one before the change. What is left on a side is the sum of weight x ratio squared, less the
    -- weight x the side's ratio squared; weight x ratio of a day is its DC energy.
    cut AS (
        SELECT
            lead(counted.day_from) OVER (ORDER BY counted.day_from) AS changed_from,
            counted.number,
            counted.days,
            counted.dc_so_far / counted.ac_so_far AS ratio_before,
            (counted.dc_all - counted.dc_so_far) / nullif(counted.ac_all - counted.ac_so_far, 0) AS ratio_after,
            counted.ac_so_far,
            counted.ac_all - counted.ac_so_far AS ac_left,
            counted.ac_all,
            counted.squares_all
            - counted.dc_so_far ^ 2 / counted.ac_so_far
            - (counted.dc_all - counted.dc_so_far) ^ 2 / nullif(counted.ac_all - counted.ac_so_far, 0) AS squares_left
        FROM counted
    ),
    change AS (
        SELECT best.changed_from, best.ratio_before, best.ratio_after
        FROM (
            SELECT cut.*
            FROM cut
            WHERE cut.number >= 3 AND cut.number <= cut.days - 3
            ORDER BY cut.squares_left, cut.number
            LIMIT 1
        ) AS best
        -- The standard error of the difference of two weighted means.
        WHERE
            abs(best.ratio_after - best.ratio_before) >= greatest(
                0.02,
                3 * sqrt(
                    greatest(0, best.squares_left) / (best.days - 2)
                    * (1 / best.ac_so_far + 1 / best.ac_left)
                )
            )
    ),
    summary AS (
        SELECT
            count(*) AS days,
            CASE
                WHEN count(*) >= 14
                    THEN sum(counted.energy_dc_kwh) FILTER (WHERE counted.number <= 7)
                        / sum(counted.energy_ac_kwh) FILTER (WHERE counted.number <= 7)
            END AS baseline_ratio,
            CASE
                WHEN count(*) >= 14
                    THEN sum(counted.energy_dc_kwh) FILTER (WHERE counted.number > counted.days - 7)
                        / sum(counted.energy_ac_kwh) FILTER (WHERE counted.number > counted.days - 7)
            END AS recent_ratio,
            CASE
                WHEN count(*) >= 14 THEN regr_slope(counted.efficiency_ratio, elapsed.periods)
            END AS trend,
            CASE
                WHEN count(*) >= 14 THEN sqrt(
                    greatest(
                        0,
                        regr_syy(counted.efficiency_ratio, elapsed.periods)
                        - regr_sxy(counted.efficiency_ratio, elapsed.periods) ^ 2
                        / nullif(regr_sxx(counted.efficiency_ratio, elapsed.periods), 0)
                    )
                    / (count(*) - 2) / nullif(regr_sxx(counted.efficiency_ratio, elapsed.periods), 0)
                )
            END AS trend_error
        FROM counted
        CROSS JOIN LATERAL (
            SELECT date_part('epoch', counted.day_from - window_from) / (30 * 86400)
        ) AS elapsed (periods)
    )
    SELECT
        day.day_from,
        day.day_to,
        day.energy_ac_kwh,
        day.energy_dc_kwh,
        day.efficiency_ratio,
        day.meter_readings,
        day.vehicle_readings,
        internal.coverage(day.meter_readings, day.fed_seconds),
        internal.coverage(day.vehicle_readings, day.fed_seconds),
        EXISTS (SELECT FROM internal.meter_feeds(meter, window_from, window_to)),
        summary.days,
        summary.baseline_ratio,
        summary.recent_ratio,
        change.changed_from,
        change.ratio_before,
        change.ratio_after,
        summary.trend,
        summary.trend_error
    FROM summary
    LEFT JOIN change ON true
    LEFT JOIN day ON true
    ORDER BY day.day_from
$$;

COMMENT ON FUNCTION api.charger_health(text, timestamptz, timestamptz) IS
'A charger day by day (UTC): energies (kWh), ratio and readings of each day, and beside it the same summary: whether it fed anybody, days with a kWh or more; the ratio of the first and of the last seven of them and the trend (change in 30 days, with its standard error), from 14 days on; the day from which the ratio changed, and the ratios before and after. One row with null days where there are none.';
