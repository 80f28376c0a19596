-- Energy of registers at instants: what api.register_hours adds up by hour, for callers to whom an hour can belong to
-- several. Whole hours stand at their first reading; an hour that is to be taken apart has its readings one by one.
--
-- Of such an hour the rollup has told the energy; its readings tell when it came. A register without a reset in the hour
-- has counted, up to a reading, its highest value so far less its mark before; and the mark is what the whole hour's
-- highest value exceeds by the whole hour's energy. Hours with a reset inside come reading by reading anyway.

CREATE FUNCTION api.register_moments(
    kind_of_device text,
    moments_from timestamptz,
    moments_to timestamptz,
    apart_device_ids text[],
    apart_hours timestamptz[]
)
RETURNS TABLE (device_id text, instant timestamptz, energy_kwh float8, is_estimated boolean)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10000
SET search_path = pg_catalog
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    IF NOT api.has_registers(kind_of_device) THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH apart AS MATERIALIZED (
        SELECT DISTINCT hour.device_id, hour.bucket_start
        FROM unnest(apart_device_ids, apart_hours) AS hour (device_id, bucket_start)
    ),
    piece AS MATERIALIZED (
        SELECT
            counted.device_id,
            counted.bucket_start,
            counted.first_recorded_at,
            counted.last_recorded_at,
            counted.energy_kwh,
            counted.is_estimated,
            true AS is_register,
            counted.readings > 1
            AND NOT counted.is_estimated
            AND counted.energy_kwh IS NOT NULL
            AND apart.device_id IS NOT NULL AS is_apart
        FROM api.register_pieces(kind_of_device, moments_from, moments_to) AS counted
        LEFT JOIN apart ON apart.device_id = counted.device_id AND apart.bucket_start = counted.bucket_start
        UNION ALL
        SELECT
            counted.device_id,
            counted.bucket_start,
            counted.first_recorded_at,
            counted.last_recorded_at,
            counted.energy_kwh,
            false,
            false,
            apart.device_id IS NOT NULL
        FROM api.interval_pieces(kind_of_device, moments_from, moments_to) AS counted
        LEFT JOIN apart ON apart.device_id = counted.device_id AND apart.bucket_start = counted.bucket_start
    )
    SELECT piece.device_id, piece.first_recorded_at, piece.energy_kwh, piece.is_estimated
    FROM piece
    WHERE NOT piece.is_apart
    UNION ALL
    SELECT
        piece.device_id,
        reading.recorded_at,
        CASE
            WHEN piece.is_register THEN
                greatest(0, reading.highest_kwh - (reading.hour_highest_kwh - piece.energy_kwh))
                - greatest(0, coalesce(reading.highest_before_kwh - (reading.hour_highest_kwh - piece.energy_kwh), 0))
            ELSE reading.energy_kwh
        END,
        false
    FROM piece
    CROSS JOIN LATERAL (
        SELECT
            history.recorded_at,
            history.energy_kwh,
            max(history.energy_kwh) OVER (ORDER BY history.recorded_at) AS highest_kwh,
            max(history.energy_kwh) OVER (
                ORDER BY history.recorded_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS highest_before_kwh,
            max(history.energy_kwh) OVER () AS hour_highest_kwh
        FROM api.device_reading AS history
        WHERE
            history.device_type = kind_of_device
            AND history.device_id = piece.device_id
            AND history.recorded_at >= piece.first_recorded_at
            AND history.recorded_at <= piece.last_recorded_at
            AND history.recorded_at >= moments_from
            AND history.recorded_at < moments_to
    ) AS reading
    WHERE piece.is_apart;
END
$$;

COMMENT ON FUNCTION api.register_moments(text, timestamptz, timestamptz, text[], timestamptz[]) IS
'Energy (kWh; null where nothing is known) in [moments_from, moments_to) of meters or vehicles (kind_of_device) that are registers at some time of it, by device and instant of a reading; whole hours stand at their first reading, but for the hours of devices that are to be taken apart. Whether it rests on a rollup whose history was dropped.';
