-- What a device's energy over a window is made of, hour by hour: the rollup of an hour, or readings of the history where
-- the window or a change of kind cuts the hour, or where a register may have been reset in it. In plpgsql, so that it is
-- planned for each window, which a caller knows row by row.

CREATE FUNCTION internal.energy_parts(
    kind_of_device text,
    device text,
    parts_from timestamptz,
    parts_to timestamptz
)
RETURNS TABLE (
    bucket_start timestamptz,
    energy_reading text,
    source text,
    first_recorded_at timestamptz,
    last_recorded_at timestamptz,
    readings bigint,
    energy_kwh float8,
    is_estimated boolean,
    steps text[],
    steps_at timestamptz[],
    steps_before_kwh float8[],
    steps_to_kwh float8[]
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100
SET search_path = pg_catalog
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT
        piece.bucket_start,
        piece.energy_reading,
        CASE
            WHEN piece.source = 'rollup' THEN 'rollup'
            WHEN piece.energy_reading = 'register'
                AND piece.bucket_start >= parts_from
                AND piece.bucket_start + interval '1 hour' <= parts_to
                AND NOT EXISTS (
                    SELECT FROM internal.device_kind AS kind
                    WHERE
                        kind.device_type = kind_of_device
                        AND kind.device_id = device
                        AND kind.kind_from > piece.bucket_start
                        AND kind.kind_from < piece.bucket_start + interval '1 hour'
                )
                THEN 'irregular_hour'
            ELSE 'cut_hour'
        END,
        min(piece.first_recorded_at),
        max(piece.last_recorded_at),
        sum(piece.readings)::bigint,
        sum(piece.energy_kwh),
        bool_or(piece.is_estimated),
        coalesce(array_agg(piece.step ORDER BY piece.first_recorded_at) FILTER (WHERE piece.step IS NOT NULL), '{}'),
        array_agg(piece.first_recorded_at ORDER BY piece.first_recorded_at) FILTER (WHERE piece.step IS NOT NULL),
        array_agg(piece.previous_kwh ORDER BY piece.first_recorded_at) FILTER (WHERE piece.step IS NOT NULL),
        array_agg(piece.first_kwh ORDER BY piece.first_recorded_at) FILTER (WHERE piece.step IS NOT NULL)
    FROM (
        SELECT
            'register' AS energy_reading,
            -- Outside, an hour goes by its whole hour.
            internal.hour_floor(counted.bucket_start) AS bucket_start,
            counted.first_recorded_at,
            counted.last_recorded_at,
            counted.readings,
            counted.energy_kwh,
            counted.step,
            counted.previous_kwh,
            counted.first_kwh,
            counted.source,
            counted.is_estimated
        FROM internal.register_pieces(kind_of_device, parts_from, parts_to, device) AS counted
        UNION ALL
        SELECT
            'interval',
            internal.hour_floor(counted.bucket_start),
            counted.first_recorded_at,
            counted.last_recorded_at,
            counted.readings,
            counted.energy_kwh,
            NULL,
            NULL,
            NULL,
            counted.source,
            false
        FROM internal.interval_pieces(kind_of_device, parts_from, parts_to, device) AS counted
    ) AS piece
    GROUP BY piece.bucket_start, piece.energy_reading, piece.source;
END
$$;

COMMENT ON FUNCTION internal.energy_parts(text, text, timestamptz, timestamptz) IS
'What the energy (kWh) of a meter or vehicle (kind_of_device) in (parts_from, parts_to] is made of: one row an hour, meaning of its values (interval or register) and source: rollup, cut_hour or irregular_hour (readings of the history). Steps of registers (baseline, reset, rollover) with their instants and the values (kWh) before and at them; null where there are none.';
