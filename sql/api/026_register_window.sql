-- Energy of one device, a register at some time, over a window to the exact instant. In plpgsql for the same reasons as
-- api.register_hours. Strict, and without a row for a device that was never a register: a caller that passes no device is
-- answered without a call. A condition beside the call would not do, for the planner is free to ask it afterwards.

CREATE FUNCTION api.register_window(
    kind_of_device text,
    device text,
    window_from timestamptz,
    window_to timestamptz
)
RETURNS TABLE (
    energy_kwh float8,
    baselines integer,
    resets integer,
    rollovers integer,
    is_estimated boolean
)
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE ROWS 1
SET search_path = pg_catalog
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    IF NOT api.has_registers(kind_of_device, device) THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT
        sum(piece.energy_kwh),
        (count(*) FILTER (WHERE piece.step = 'baseline'))::integer,
        (count(*) FILTER (WHERE piece.step = 'reset'))::integer,
        (count(*) FILTER (WHERE piece.step = 'rollover'))::integer,
        coalesce(bool_or(piece.is_estimated), false)
    FROM (
        SELECT counted.energy_kwh, counted.step, counted.is_estimated
        FROM api.register_pieces(kind_of_device, window_from, window_to, device) AS counted
        UNION ALL
        SELECT counted.energy_kwh, NULL, false
        FROM api.interval_pieces(kind_of_device, window_from, window_to, device) AS counted
    ) AS piece;
END
$$;

COMMENT ON FUNCTION api.register_window(text, text, timestamptz, timestamptz) IS
'Energy (kWh; null where nothing is known) of a meter or vehicle (kind_of_device) that is a register at some time, in [window_from, window_to); its baselines (first readings, which count nothing), resets and rollovers there, and whether it rests on a rollup whose history was dropped. No row for a device that was never a register.';
