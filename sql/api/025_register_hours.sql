-- Energy by device and whole hour, of the devices that are registers at some time of the hours asked; of all others the
-- rollup's sum is the energy. In plpgsql, so that where no device is a register nothing of it is planned, and where one
-- is, it is planned for the hours that are asked.

CREATE FUNCTION api.register_hours(
    kind_of_device text,
    hours_from timestamptz,
    hours_to timestamptz,
    only_device text DEFAULT NULL
)
RETURNS TABLE (
    device_id text,
    bucket_start timestamptz,
    energy_kwh float8,
    is_estimated boolean,
    resets integer
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1000
SET search_path = pg_catalog
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    IF NOT api.has_registers(kind_of_device, only_device) THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT
        piece.device_id,
        piece.bucket_start,
        sum(piece.energy_kwh),
        bool_or(piece.is_estimated),
        (count(*) FILTER (WHERE piece.step = 'reset'))::integer
    FROM (
        SELECT counted.device_id, counted.bucket_start, counted.energy_kwh, counted.is_estimated, counted.step
        FROM api.register_pieces(kind_of_device, hours_from, hours_to, only_device) AS counted
        UNION ALL
        SELECT counted.device_id, counted.bucket_start, counted.energy_kwh, false, NULL
        FROM api.interval_pieces(kind_of_device, hours_from, hours_to, only_device) AS counted
        UNION ALL
        -- An hour in which the kind changes and whose history was dropped: nobody can tell its values apart any more.
        SELECT kind.device_id, api.hour_floor(kind.kind_from), NULL, true, NULL
        FROM api.device_kind AS kind
        WHERE
            kind.device_type = kind_of_device
            AND (only_device IS NULL OR kind.device_id = only_device)
            AND kind.kind_from > hours_from
            AND kind.kind_from < hours_to
            AND kind.kind_from <> api.hour_floor(kind.kind_from)
            AND kind.kind_from < api.history_horizon(kind_of_device || '_telemetry_history') + interval '1 hour'
    ) AS piece
    GROUP BY piece.device_id, piece.bucket_start;
END
$$;

COMMENT ON FUNCTION api.register_hours(text, timestamptz, timestamptz, text) IS
'Energy (kWh; null where a register''s first reading is all there is) by device and whole hour between two whole hours, of meters or vehicles (kind_of_device) that are registers at some time of them, or of one; whether it rests on a rollup whose history was dropped; resets.';
