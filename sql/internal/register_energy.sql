-- Energy by device and whole hour, of the devices that are registers at some time of these hours; of all others the
-- rollup's sum is the energy. In plpgsql, so that without a register nothing is planned, and with one, the plan is for
-- these hours.

CREATE FUNCTION internal.register_hours(
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
    IF NOT internal.has_registers(kind_of_device, only_device) THEN
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
        FROM internal.register_pieces(kind_of_device, hours_from, hours_to, only_device) AS counted
        UNION ALL
        SELECT counted.device_id, counted.bucket_start, counted.energy_kwh, false, NULL
        FROM internal.interval_pieces(kind_of_device, hours_from, hours_to, only_device) AS counted
        UNION ALL
        -- In an hour in which the kind changes and whose history was dropped, the values of both kinds are mixed for good.
        SELECT kind.device_id, internal.hour_bucket(kind.kind_from), NULL, true, NULL
        FROM internal.device_kind AS kind
        WHERE
            kind.device_type = kind_of_device
            AND (only_device IS NULL OR kind.device_id = only_device)
            AND kind.kind_from > hours_from
            AND kind.kind_from < hours_to
            AND kind.kind_from <> internal.hour_floor(kind.kind_from)
            AND internal.hour_bucket(kind.kind_from) < internal.history_horizon(kind_of_device || '_telemetry_history')
    ) AS piece
    GROUP BY piece.device_id, piece.bucket_start;
END
$$;

COMMENT ON FUNCTION internal.register_hours(text, timestamptz, timestamptz, text) IS
'Energy (kWh; null where a register''s first reading is all there is) by device and whole hour between two whole hours, of meters or vehicles (kind_of_device) that are registers at some time of them, or of one; whether it rests on a rollup whose history was dropped; resets.';

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
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    IF NOT internal.has_registers(kind_of_device, device) THEN
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
        FROM internal.register_pieces(kind_of_device, window_from, window_to, device) AS counted
        UNION ALL
        SELECT counted.energy_kwh, NULL, false
        FROM internal.interval_pieces(kind_of_device, window_from, window_to, device) AS counted
    ) AS piece;
END
$$;

COMMENT ON FUNCTION internal.register_window(text, text, timestamptz, timestamptz) IS
'Energy (kWh; null where nothing is known) of a meter or vehicle (kind_of_device) that is a register at some time, in (window_from, window_to]; its baselines (first readings, which count nothing), resets and rollovers there, and whether it rests on a rollup whose history was dropped. No row for a device that was never a register.';

-- Energy of registers at instants: what internal.register_hours adds up by hour, for callers to whom an hour can belong to
-- several. Whole hours stand at their first reading; an hour to split has its readings one by one.
--
-- Of such an hour the rollup has the energy; its readings show when it came. A register without a reset in the hour
-- has counted, up to a reading, its highest value so far less its mark before; and the mark is what the whole hour's
-- highest value exceeds by the whole hour's energy. Hours with a reset inside come reading by reading anyway.

CREATE FUNCTION internal.register_moments(
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
    IF NOT internal.has_registers(kind_of_device) THEN
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
        FROM internal.register_pieces(kind_of_device, moments_from, moments_to) AS counted
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
        FROM internal.interval_pieces(kind_of_device, moments_from, moments_to) AS counted
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
        FROM internal.device_reading AS history
        WHERE
            history.device_type = kind_of_device
            AND history.device_id = piece.device_id
            AND history.recorded_at >= piece.first_recorded_at
            AND history.recorded_at <= piece.last_recorded_at
            AND history.recorded_at > moments_from
            AND history.recorded_at <= moments_to
    ) AS reading
    WHERE piece.is_apart;
END
$$;

COMMENT ON FUNCTION internal.register_moments(text, timestamptz, timestamptz, text[], timestamptz[]) IS
'Energy (kWh; null where nothing is known) in (moments_from, moments_to] of meters or vehicles (kind_of_device) that are registers at some time of it, by device and instant of a reading; whole hours stand at their first reading, but for the hours of devices to split. Whether it rests on a rollup whose history was dropped.';
