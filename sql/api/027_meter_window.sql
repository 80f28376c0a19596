-- One meter over a half-open window, to the exact instant: whole hours from the rollup, the cut hours at both ends from
-- the history by its index. Where the window lies within one hour or touches no whole one, the first branch covers it or
-- the first and third meet. That is all for a meter that reads intervals; for one that is a register at some time, the
-- energy is that of its register.
--
-- within_from and within_to bound the window with values known when the statement is planned. A caller that clips the
-- window per row (one call an assignment) passes its own outer window, and the planner still leaves out every chunk
-- outside it; a caller with a single window passes it twice.

CREATE FUNCTION api.meter_window(
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
            FROM api.meter_telemetry_history AS history
            WHERE
                history.meter_id = meter
                AND history.recorded_at >= window_from
                AND history.recorded_at < least(window_to, api.hour_ceiling(window_from))
                AND history.recorded_at >= within_from
                AND history.recorded_at < within_to
            UNION ALL
            SELECT sum(hourly.readings), sum(hourly.energy_ac_sum_kwh)
            FROM api.meter_hourly AS hourly
            WHERE
                hourly.meter_id = meter
                AND hourly.bucket_start >= api.hour_ceiling(window_from)
                AND hourly.bucket_start < api.hour_floor(window_to)
                AND hourly.bucket_start >= api.hour_ceiling(within_from)
                AND hourly.bucket_start < api.hour_floor(within_to)
            UNION ALL
            SELECT count(*), sum(history.energy_ac_kwh)
            FROM api.meter_telemetry_history AS history
            WHERE
                history.meter_id = meter
                AND history.recorded_at >= greatest(api.hour_floor(window_to), api.hour_ceiling(window_from))
                AND history.recorded_at < window_to
                AND history.recorded_at >= within_from
                AND history.recorded_at < within_to
        ) AS piece
    ) AS interval_sum
    LEFT JOIN LATERAL (
        SELECT true AS is_one, counted.*
        FROM api.register_window(
            'meter', CASE WHEN (SELECT api.has_registers('meter')) THEN meter END, window_from, window_to
        ) AS counted
    ) AS register ON true
$$;

COMMENT ON FUNCTION api.meter_window(text, timestamptz, timestamptz, timestamptz, timestamptz) IS
'Readings and AC energy (kWh, null where nothing is known) of one meter in [window_from, window_to); of a register the baselines (first readings, which count nothing), resets and rollovers, and whether the energy rests on a rollup whose history was dropped. within_from and within_to are planning bounds that hold the window; pass the window itself.';
