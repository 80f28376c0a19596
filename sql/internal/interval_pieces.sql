-- Interval energy of a window, piece by piece, as internal.register_pieces gives that of registers: whole hours from the
-- rollup, the hours that the window or a change of kind cuts from the history by index. Of all devices, only those that
-- are registers at some time of the window: the hours of all others are rollup rows, and need no taking apart.

CREATE FUNCTION internal.interval_pieces(
    kind_of_device text,
    pieces_from timestamptz,
    pieces_to timestamptz,
    only_device text DEFAULT NULL
)
RETURNS TABLE (
    device_id text,
    bucket_start timestamptz,
    first_recorded_at timestamptz,
    last_recorded_at timestamptz,
    readings bigint,
    energy_kwh float8,
    source text
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
AS $$
    WITH counter AS MATERIALIZED (
        SELECT
            kind.device_id,
            greatest(kind.kind_from, pieces_from) AS counted_from,
            least(kind.kind_to, pieces_to) AS counted_to
        FROM internal.device_kind AS kind
        WHERE
            kind.device_type = kind_of_device
            AND (only_device IS NULL OR kind.device_id = only_device)
            AND kind.energy_reading = 'interval'
            AND kind.kind_from < pieces_to
            AND kind.kind_to > pieces_from
            AND (
                only_device IS NOT NULL
                OR kind.device_id IN (
                    SELECT register.device_id
                    FROM internal.device_kind AS register
                    WHERE
                        register.device_type = kind_of_device
                        AND register.energy_reading = 'register'
                        AND register.kind_from < pieces_to
                        AND register.kind_to > pieces_from
                )
            )
    )
    SELECT
        hourly.device_id,
        hourly.bucket_start,
        hourly.first_recorded_at,
        hourly.last_recorded_at,
        hourly.readings,
        hourly.energy_sum_kwh,
        'rollup'
    FROM counter
    JOIN internal.device_hourly AS hourly ON hourly.device_id = counter.device_id
    WHERE
        hourly.device_type = kind_of_device
        AND (only_device IS NULL OR hourly.device_id = only_device)
        AND hourly.bucket_start > internal.hour_ceiling(counter.counted_from)
        AND hourly.bucket_start <= internal.hour_bucket(internal.hour_floor(counter.counted_to))
        AND hourly.bucket_start > internal.hour_ceiling(pieces_from)
        AND hourly.bucket_start <= internal.hour_bucket(internal.hour_floor(pieces_to))
    UNION ALL
    SELECT
        cut.device_id,
        internal.hour_floor(cut.cut_from) + interval '1 microsecond',
        reading.first_recorded_at,
        reading.last_recorded_at,
        reading.readings,
        reading.energy_kwh,
        'history'
    FROM (
        SELECT DISTINCT
            counter.device_id,
            greatest(internal.hour_floor(edge.at), counter.counted_from) AS cut_from,
            least(internal.hour_floor(edge.at) + interval '1 hour', counter.counted_to) AS cut_to
        FROM counter
        CROSS JOIN LATERAL (VALUES (counter.counted_from), (counter.counted_to)) AS edge (at)
        WHERE edge.at <> internal.hour_floor(edge.at)
    ) AS cut
    CROSS JOIN LATERAL (
        SELECT
            min(history.recorded_at) AS first_recorded_at,
            max(history.recorded_at) AS last_recorded_at,
            count(*) AS readings,
            sum(history.energy_kwh) AS energy_kwh
        FROM internal.device_reading AS history
        WHERE
            history.device_type = kind_of_device
            AND history.device_id = cut.device_id
            AND history.recorded_at > cut.cut_from
            AND history.recorded_at <= cut.cut_to
            AND history.recorded_at > pieces_from
            AND history.recorded_at <= pieces_to
    ) AS reading
    WHERE reading.readings > 0
$$;

COMMENT ON FUNCTION internal.interval_pieces(text, timestamptz, timestamptz, text) IS
'Interval energy (kWh) of meters or vehicles (kind_of_device) in (pieces_from, pieces_to], of one device or all that are registers at some time of it: one row a whole hour (source rollup) or a cut hour''s readings together (source history).';
