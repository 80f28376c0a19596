-- The most power that a vehicle takes: its rated power and a fifth, else no car's.

CREATE FUNCTION internal.power_limit_kw(vehicle text)
RETURNS float8
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT coalesce(
        (SELECT listed.rated_power_kw * 1.2 FROM internal.vehicle AS listed WHERE listed.vehicle_id = vehicle),
        1000
    )
$$;

COMMENT ON FUNCTION internal.power_limit_kw(text) IS
'The highest power (kW) at which energy of a vehicle is plausible: 1.2 times its rated power, or 1,000 where none is listed.';

-- How far a state of charge may be from what energy explains: 6 points, which is more than two readings of a resolution of
-- 5 % can differ by, and a fifth of the change itself.

CREATE FUNCTION internal.soc_tolerance_pct(explained_pct float8)
RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT 6 + 0.2 * explained_pct
$$;

COMMENT ON FUNCTION internal.soc_tolerance_pct(float8) IS
'How many points a change in state of charge may differ from the one that its energy explains (points) and still be plausible.';

-- A vehicle's hours, each judged by its own energy and states of charge. The capacity they are judged by is a first one:
-- the median change per kWh of the hours that charged more than half of them. Of each, both the change from the hour
-- before and the largest rise within count: a drive falsifies the former downward, a glitch the latter upward.

CREATE FUNCTION internal.battery_hours(vehicle text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    bucket_start timestamptz,
    energy_dc_kwh float8,
    soc_before_pct float8,
    soc_first_pct float8,
    soc_last_pct float8,
    soc_min_pct float8,
    soc_max_pct float8,
    pct_per_kwh float8,
    fault text
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
AS $$
    WITH hour AS MATERIALIZED (
        SELECT
            hourly.bucket_start,
            coalesce(hourly.energy_dc_kwh, 0) AS energy_dc_kwh,
            -- Null where the hour before has no reading.
            CASE
                WHEN lag(hourly.bucket_start) OVER (ORDER BY hourly.bucket_start)
                    = hourly.bucket_start - interval '1 hour'
                    THEN lag(hourly.soc_last_pct) OVER (ORDER BY hourly.bucket_start)
            END::float8 AS soc_before_pct,
            hourly.soc_first_pct::float8 AS soc_first_pct,
            hourly.soc_last_pct::float8 AS soc_last_pct,
            hourly.soc_min_pct::float8 AS soc_min_pct,
            hourly.soc_max_pct::float8 AS soc_max_pct,
            -- Energy of an hour flowed since the last reading of the hour before.
            hourly.energy_dc_kwh > internal.power_limit_kw(vehicle) * (1 + 1.0 / hourly.readings) AS is_above_power
        FROM internal.hours_of_vehicle(vehicle, window_from, window_to) AS hourly
    ),
    charged AS (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY hour.energy_dc_kwh) AS median_kwh
        FROM hour
        WHERE hour.energy_dc_kwh > 0 AND NOT hour.is_above_power
    ),
    rate AS MATERIALIZED (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY change.pct / hour.energy_dc_kwh) AS pct_per_kwh
        FROM hour
        JOIN charged ON hour.energy_dc_kwh >= charged.median_kwh
        CROSS JOIN LATERAL (
            VALUES
                (hour.soc_last_pct - hour.soc_before_pct),
                (hour.soc_max_pct - least(hour.soc_min_pct, hour.soc_before_pct))
        ) AS change (pct)
        WHERE NOT hour.is_above_power AND change.pct IS NOT NULL
    )
    SELECT
        hour.bucket_start,
        hour.energy_dc_kwh,
        hour.soc_before_pct,
        hour.soc_first_pct,
        hour.soc_last_pct,
        hour.soc_min_pct,
        hour.soc_max_pct,
        rate.pct_per_kwh,
        CASE
            WHEN hour.is_above_power THEN 'power'
            WHEN rise.pct > explained.pct + internal.soc_tolerance_pct(explained.pct)
                THEN CASE WHEN hour.energy_dc_kwh > 0 THEN 'jump' ELSE 'no_energy' END
            WHEN
                hour.soc_max_pct - least(hour.soc_min_pct, hour.soc_before_pct)
                < explained.pct - internal.soc_tolerance_pct(explained.pct)
                THEN 'frozen'
        END
    FROM hour
    CROSS JOIN rate
    CROSS JOIN LATERAL (
        SELECT CASE WHEN hour.energy_dc_kwh > 0 THEN greatest(0, rate.pct_per_kwh) * hour.energy_dc_kwh ELSE 0 END AS pct
    ) AS explained
    CROSS JOIN LATERAL (
        SELECT
            greatest(
                hour.soc_max_pct - least(hour.soc_first_pct, hour.soc_before_pct),
                hour.soc_last_pct - least(hour.soc_min_pct, hour.soc_before_pct)
            ) AS pct
    ) AS rise
$$;

COMMENT ON FUNCTION internal.battery_hours(text, timestamptz, timestamptz) IS
'The whole hours of (window_from, window_to] in which a vehicle has a reading: DC energy (kWh), states of charge (percent; before: the last of the hour before, null where that has no reading), the change in state of charge per kWh by a first estimate over the window, and what is wrong with the hour, null if nothing: power (energy above what the vehicle takes), jump (the state of charge rose more than the energy explains), no_energy (it rose without energy), frozen (energy without a rise).';

-- Points of a line: state of charge over the energy since a charge began, at the end of each hour of it and at its
-- beginning. The energy of an hour flowed between its last reading and the last one of the hour before, so these two go
-- together, whatever happened between. Lowest and highest stand in where the vehicle drove within the hour: the lowest
-- where it arrived, the highest where it left. An hour with a fault is no point; the charge goes on after it, unless its
-- energy is wrong. A fall since the hour before begins another charge. An hour in which the state of charge fell, rose and
-- fell again is ambiguous and belongs to no charge.
--
-- The last point of a charge is an edge: a charge that stops at 80 or 100 % ends where a state of charge is not rounded, and
-- the others are, to one side. It counts only where a charge has fewer than three other points.
--
-- Points may still be wrong without being impossible, so they are held against the line of their charge, its slope that
-- of all charges: first loosely, with the first slope; then with the slope of those that are left, and four standard
-- deviations by the median distance, but 1.5 points at least.

CREATE FUNCTION internal.charging_points(vehicle text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    bucket_start timestamptz,
    stretch_from timestamptz,
    energy_dc_kwh float8,
    soc_pct float8,
    pct_per_kwh float8,
    is_edge boolean,
    fault text
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
AS $$
    WITH hour AS MATERIALIZED (
        SELECT
            judged.*,
            judged.soc_min_pct < judged.soc_before_pct - 1 AS is_below_before,
            judged.energy_dc_kwh > 0
            AND judged.fault IS DISTINCT FROM 'power'
            AND (
                judged.fault IS NOT NULL
                OR judged.soc_min_pct >= judged.soc_first_pct - 1
                OR judged.soc_last_pct >= judged.soc_max_pct - 1
            ) AS is_charging
        FROM internal.battery_hours(vehicle, window_from, window_to) AS judged
    ),
    begun AS (
        SELECT
            hour.*,
            hour.soc_before_pct IS NULL
            OR NOT lag(hour.is_charging, 1, false) OVER (ORDER BY hour.bucket_start)
            OR (
                hour.is_below_before
                AND hour.fault IS NULL
                AND lag(hour.fault) OVER (ORDER BY hour.bucket_start) IS NULL
            ) AS begins
        FROM hour
    ),
    numbered AS (
        SELECT
            begun.*,
            max(begun.bucket_start) FILTER (WHERE begun.begins) OVER (ORDER BY begun.bucket_start) AS stretch_from,
            coalesce(lead(begun.begins) OVER (ORDER BY begun.bucket_start), true) AS ends
        FROM begun
        WHERE begun.is_charging
    ),
    point AS MATERIALIZED (
        SELECT
            numbered.bucket_start,
            numbered.stretch_from,
            sum(numbered.energy_dc_kwh) OVER (
                PARTITION BY numbered.stretch_from ORDER BY numbered.bucket_start
            ) AS energy_dc_kwh,
            CASE
                WHEN numbered.ends AND numbered.soc_max_pct > numbered.soc_last_pct + 1 THEN numbered.soc_max_pct
                ELSE numbered.soc_last_pct
            END AS soc_pct,
            numbered.pct_per_kwh,
            numbered.ends AS is_edge,
            numbered.fault
        FROM numbered
        UNION ALL
        SELECT
            NULL,
            numbered.stretch_from,
            0,
            CASE WHEN numbered.is_below_before THEN numbered.soc_min_pct ELSE numbered.soc_before_pct END,
            numbered.pct_per_kwh,
            false,
            NULL
        FROM numbered
        -- The first reading of all has energy of before it.
        WHERE numbered.begins AND numbered.fault IS NULL AND numbered.soc_before_pct IS NOT NULL
        UNION ALL
        SELECT NULL, numbered.stretch_from, 0, numbered.soc_min_pct, numbered.pct_per_kwh, false, NULL
        FROM numbered
        WHERE
            numbered.begins
            AND numbered.fault IS NULL
            AND numbered.soc_before_pct IS NULL
            AND numbered.soc_min_pct < numbered.soc_first_pct - 1
    ),
    loose AS (
        SELECT
            point.stretch_from,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY point.soc_pct - point.pct_per_kwh * point.energy_dc_kwh) AS soc_pct,
            internal.soc_tolerance_pct(max(point.pct_per_kwh * point.energy_dc_kwh) / 2) AS tolerance_pct
        FROM point
        WHERE point.fault IS NULL
        GROUP BY point.stretch_from
    ),
    near AS (
        SELECT point.stretch_from, point.energy_dc_kwh, point.soc_pct
        FROM point
        JOIN loose ON loose.stretch_from = point.stretch_from
        WHERE
            point.fault IS NULL
            AND abs(point.soc_pct - point.pct_per_kwh * point.energy_dc_kwh - loose.soc_pct) <= loose.tolerance_pct
    ),
    slope AS MATERIALIZED (
        SELECT sum(of_stretch.sxy) / nullif(sum(of_stretch.sxx), 0) AS pct_per_kwh
        FROM (
            SELECT
                regr_sxy(near.soc_pct, near.energy_dc_kwh) AS sxy,
                regr_sxx(near.soc_pct, near.energy_dc_kwh) AS sxx
            FROM near
            GROUP BY near.stretch_from
        ) AS of_stretch
    ),
    line AS MATERIALIZED (
        SELECT
            point.stretch_from,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY point.soc_pct - slope.pct_per_kwh * point.energy_dc_kwh) AS soc_pct
        FROM point
        CROSS JOIN slope
        WHERE point.fault IS NULL
        GROUP BY point.stretch_from
    ),
    away AS MATERIALIZED (
        SELECT
            point.bucket_start,
            point.stretch_from,
            point.energy_dc_kwh,
            point.soc_pct,
            slope.pct_per_kwh,
            point.is_edge,
            point.fault,
            abs(point.soc_pct - slope.pct_per_kwh * point.energy_dc_kwh - line.soc_pct) AS distance_pct
        FROM point
        CROSS JOIN slope
        LEFT JOIN line ON line.stretch_from = point.stretch_from
    ),
    allowed AS (
        SELECT
            -- 1.4826 times the median distance is the standard deviation of what is normally distributed.
            greatest(1.5, 4 * 1.4826 * percentile_cont(0.5) WITHIN GROUP (ORDER BY away.distance_pct)) AS distance_pct
        FROM away
        WHERE away.fault IS NULL
    )
    SELECT
        coalesce(judged.bucket_start, judged.stretch_from),
        judged.stretch_from,
        judged.energy_dc_kwh,
        judged.soc_pct,
        judged.pct_per_kwh,
        judged.is_edge
        AND count(*) FILTER (WHERE judged.fault IS NULL AND NOT judged.is_edge) OVER (
            PARTITION BY judged.stretch_from
        ) >= 3,
        judged.fault
    FROM (
        SELECT
            away.bucket_start,
            away.stretch_from,
            away.energy_dc_kwh,
            away.soc_pct,
            away.pct_per_kwh,
            away.is_edge,
            CASE
                WHEN away.fault IS NOT NULL THEN away.fault
                WHEN away.distance_pct > allowed.distance_pct THEN 'jump'
            END AS fault
        FROM away
        CROSS JOIN allowed
    ) AS judged
    UNION ALL
    SELECT hour.bucket_start, NULL, NULL, NULL, NULL, NULL, hour.fault
    FROM hour
    WHERE hour.fault IS NOT NULL AND NOT hour.is_charging
$$;

COMMENT ON FUNCTION internal.charging_points(text, timestamptz, timestamptz) IS
'Points of a vehicle''s charges in the whole hours of (window_from, window_to]: the hour, the first hour of its charge, the DC energy since that began (kWh), the state of charge (percent), the change per kWh of all charges, whether the point is an edge that its charge can do without, and what is wrong with the hour, null if nothing, as internal.battery_hours has it; jump too where the state of charge is not where its charge puts it. Hours with a fault outside a charge have no charge.';
