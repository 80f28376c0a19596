-- When a vehicle charged, from its hourly rollup: runs of hours in which energy came in and the state of charge rose. A
-- run begins at the lowest state of charge of its first hour, or at the last one of the hour before where that is lower,
-- and ends at the highest of its last hour; so a drive before or after, within the same hour, does not count. A state of
-- charge that fell since the hour before begins a new run. An hour in which it fell, rose and fell again is ambiguous and
-- belongs to no run.

CREATE FUNCTION internal.charging_stretches(vehicle text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    stretch_from timestamptz,
    soc_from_pct float8,
    soc_to_pct float8,
    energy_dc_kwh float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
AS $$
    SELECT
        internal.hour_floor(min(numbered.bucket_start)),
        min(numbered.soc_from_pct),
        max(numbered.soc_max_pct),
        sum(numbered.energy_dc_kwh)
    FROM (
        SELECT
            rising.bucket_start,
            rising.energy_dc_kwh,
            least(rising.soc_min_pct, rising.soc_before_pct)::float8 AS soc_from_pct,
            rising.soc_max_pct::float8 AS soc_max_pct,
            count(*) FILTER (WHERE rising.begins) OVER (ORDER BY rising.bucket_start) AS number
        FROM (
            SELECT
                follows.bucket_start,
                follows.energy_dc_kwh,
                follows.soc_min_pct,
                follows.soc_max_pct,
                follows.soc_before_pct,
                follows.soc_before_pct IS NULL
                OR NOT coalesce(lag(follows.is_rising) OVER (ORDER BY follows.bucket_start), false)
                OR follows.soc_min_pct < follows.soc_before_pct AS begins,
                follows.is_rising
            FROM (
                SELECT
                    hourly.bucket_start,
                    hourly.energy_dc_kwh,
                    hourly.soc_min_pct,
                    hourly.soc_max_pct,
                    -- Null where the hour before has no reading.
                    CASE
                        WHEN lag(hourly.bucket_start) OVER (ORDER BY hourly.bucket_start)
                            = hourly.bucket_start - interval '1 hour'
                            THEN lag(hourly.soc_last_pct) OVER (ORDER BY hourly.bucket_start)
                    END AS soc_before_pct,
                    hourly.energy_dc_kwh > 0
                    AND (
                        hourly.soc_max_pct > hourly.soc_min_pct
                        OR hourly.soc_min_pct > lag(hourly.soc_last_pct) OVER (ORDER BY hourly.bucket_start)
                    )
                    AND NOT (
                        hourly.soc_min_pct < hourly.soc_first_pct AND hourly.soc_last_pct < hourly.soc_max_pct
                    ) AS is_rising
                FROM internal.hours_of_vehicle(vehicle, window_from, window_to) AS hourly
            ) AS follows
        ) AS rising
        WHERE rising.is_rising
    ) AS numbered
    GROUP BY numbered.number
$$;

COMMENT ON FUNCTION internal.charging_stretches(text, timestamptz, timestamptz) IS
'Runs of whole hours in (window_from, window_to] in which a vehicle charged: when it began, its state of charge at both ends (percent), and the DC energy between (kWh).';
