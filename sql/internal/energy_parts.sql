-- What a device's energy over a window is made of, hour by hour: the rollup of an hour, or readings of the history where the
-- window or a change of kind cuts the hour.

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
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
AS $$
    SELECT
        internal.hour_floor(piece.bucket_start),
        piece.energy_reading,
        CASE piece.source WHEN 'rollup' THEN 'rollup' ELSE 'cut_hour' END,
        piece.first_recorded_at,
        piece.last_recorded_at,
        piece.readings,
        piece.energy_kwh,
        piece.is_estimated,
        coalesce(stepped.kinds, '{}'),
        stepped.at,
        stepped.before_kwh,
        stepped.to_kwh
    FROM internal.energy_pieces(kind_of_device, parts_from, parts_to, device) AS piece
    CROSS JOIN LATERAL (
        SELECT
            array_agg(event.kind ORDER BY event.recorded_at) AS kinds,
            array_agg(event.recorded_at ORDER BY event.recorded_at) AS at,
            array_agg(event.before_kwh ORDER BY event.recorded_at) AS before_kwh,
            array_agg(event.kwh ORDER BY event.recorded_at) AS to_kwh
        FROM internal.register_event AS event
        WHERE
            event.device_type = kind_of_device
            AND event.device_id = device
            AND event.recorded_at > piece.piece_from
            AND event.recorded_at <= piece.piece_to
            AND piece.energy_reading <> 'interval'
    ) AS stepped
$$;

COMMENT ON FUNCTION internal.energy_parts(text, text, timestamptz, timestamptz) IS
'What the energy (kWh) of a meter or vehicle (kind_of_device) in (parts_from, parts_to] is made of: one row an hour, meaning of its values (interval, register or session) and source: rollup or cut_hour (readings of the history). Steps of registers that are not plain energy with their instants and the values (kWh) before and at them; null where there are none.';
