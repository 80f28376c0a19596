-- Energy by device and whole hour, of the devices that are registers at some time of these hours; of all others the
-- rollup's sum is the energy. In plpgsql, so that without a register nothing is planned, and with one, the plan is for
-- these hours.

CREATE FUNCTION internal.register_hours(
    kind_of_device text,
    hours_from timestamptz,
    hours_to timestamptz,
    only_device text DEFAULT NULL
)
RETURNS TABLE (device_id text, bucket_start timestamptz, energy_kwh float8, is_estimated boolean)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1000
SET search_path = pg_catalog
AS $$
#variable_conflict use_column
BEGIN
    IF NOT internal.has_registers(kind_of_device, only_device) THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT piece.device_id, piece.bucket_start, sum(piece.energy_kwh), bool_or(piece.is_estimated)
    FROM internal.energy_pieces(kind_of_device, hours_from, hours_to, only_device) AS piece
    GROUP BY piece.device_id, piece.bucket_start;
END
$$;

COMMENT ON FUNCTION internal.register_hours(text, timestamptz, timestamptz, text) IS
'Energy (kWh; null where a register''s first reading is all there is) by device and whole hour between two whole hours, of meters or vehicles (kind_of_device) that are registers at some time of them, or of one; and whether it is estimated.';

-- Energy of one device, a register at some time, over a window to the exact instant. In plpgsql for the same reasons as
-- internal.register_hours. Strict, and without a row for a device that was never a register: a caller that passes no device is
-- answered without a call. A condition beside the call is no substitute: the planner may evaluate it after the call.

CREATE FUNCTION internal.register_window(
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
AS $$
#variable_conflict use_column
BEGIN
    IF NOT internal.has_registers(kind_of_device, device) THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT counted.energy_kwh, seen.baselines, seen.resets, seen.rollovers, counted.is_estimated
    FROM (
        SELECT sum(piece.energy_kwh) AS energy_kwh, coalesce(bool_or(piece.is_estimated), false) AS is_estimated
        FROM internal.energy_pieces(kind_of_device, window_from, window_to, device) AS piece
    ) AS counted
    CROSS JOIN (
        SELECT
            (count(*) FILTER (WHERE event.kind = 'baseline'))::integer AS baselines,
            (count(*) FILTER (WHERE event.kind = 'reset'))::integer AS resets,
            (count(*) FILTER (WHERE event.kind = 'rollover'))::integer AS rollovers
        FROM internal.register_event AS event
        WHERE
            event.device_type = kind_of_device
            AND event.device_id = device
            AND event.recorded_at > window_from
            AND event.recorded_at <= window_to
    ) AS seen;
END
$$;

COMMENT ON FUNCTION internal.register_window(text, text, timestamptz, timestamptz) IS
'Energy (kWh; null where nothing is known) of a meter or vehicle (kind_of_device) that is a register at some time, in (window_from, window_to]; its baselines (first readings, which count nothing), resets and rollovers there, and whether it is estimated. No row for a device that was never a register.';
