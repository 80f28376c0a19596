-- Energy of devices that are registers or session counters at some time of a window, piece by piece. A piece is an hour of the
-- rollup, what the window or a change of kind leaves of one (read from the history by index), or, where a caller wants an hour
-- apart, one reading of it.
--
-- What a piece of a register counts is its last value less the last value before it, plus the corrections of its events. A piece
-- of intervals counts their sum. Of an hour whose history is gone, a part counts by its share of the hour, and is estimated.
--
-- Periods are an array for the planner's sake: it knows how many there are, and joins their hours and events accordingly.

CREATE TYPE internal.device_period AS (
    device_id text,
    energy_reading text,
    period_from timestamptz,
    counted_from timestamptz,
    counted_to timestamptz
);

COMMENT ON TYPE internal.device_period IS
'What the values of a device mean: since when, and the part of it that a window holds, (counted_from, counted_to].';

CREATE FUNCTION internal.energy_pieces(
    kind_of_device text,
    pieces_from timestamptz,
    pieces_to timestamptz,
    only_device text DEFAULT NULL,
    apart_device_ids text[] DEFAULT '{}',
    apart_buckets timestamptz[] DEFAULT '{}'
)
RETURNS TABLE (
    device_id text,
    bucket_start timestamptz,
    energy_reading text,
    piece_from timestamptz,
    piece_to timestamptz,
    first_recorded_at timestamptz,
    last_recorded_at timestamptz,
    readings bigint,
    energy_kwh float8,
    source text,
    is_estimated boolean
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1000
SET search_path = pg_catalog
SET plan_cache_mode = force_custom_plan
SET jit = off
SET work_mem = '32MB'
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    -- Hours before this are known from their rollups alone.
    kept_from CONSTANT timestamptz := internal.kept_from(kind_of_device);
    -- The hour before the first one tells with which value that began.
    looked_from CONSTANT timestamptz := internal.hour_floor(pieces_from) - interval '1 hour';
    periods CONSTANT internal.device_period[] := ARRAY(
        SELECT
            (
                period.device_id, period.energy_reading, period.period_from, period.counted_from, period.counted_to
            )::internal.device_period
        FROM internal.device_periods(kind_of_device, pieces_from, pieces_to, only_device) AS period
    );
BEGIN
    RETURN QUERY
    -- Hours that are read from the history: a period begins or ends within them, or they are wanted apart.
    WITH cut AS MATERIALIZED (
        SELECT
            hour.device_id,
            hour.energy_reading,
            hour.period_from,
            hour.counted_from,
            hour.counted_to,
            hour.bucket_start,
            greatest(internal.hour_floor(hour.bucket_start), hour.counted_from) AS part_from,
            least(internal.hour_floor(hour.bucket_start) + interval '1 hour', hour.counted_to) AS part_to,
            bool_or(hour.is_apart) AS is_apart
        FROM (
            SELECT period.*, internal.hour_bucket(edge.instant) AS bucket_start, false AS is_apart
            FROM unnest(periods) AS period
            CROSS JOIN LATERAL (VALUES (period.counted_from), (period.counted_to)) AS edge (instant)
            WHERE edge.instant <> internal.hour_floor(edge.instant)
            UNION ALL
            SELECT period.*, apart.bucket_start, true
            FROM unnest(apart_device_ids, apart_buckets) AS apart (device_id, bucket_start)
            JOIN unnest(periods) AS period
                ON period.device_id = apart.device_id
                AND internal.hour_floor(apart.bucket_start) < period.counted_to
                AND internal.hour_floor(apart.bucket_start) + interval '1 hour' > period.counted_from
        ) AS hour
        WHERE hour.bucket_start > kept_from
        GROUP BY
            hour.device_id, hour.energy_reading, hour.period_from, hour.counted_from, hour.counted_to, hour.bucket_start
    ),
    piece AS MATERIALIZED (
        SELECT
            period.*,
            hourly.bucket_start,
            internal.hour_floor(hourly.bucket_start) AS piece_from,
            internal.hour_floor(hourly.bucket_start) + interval '1 hour' AS piece_to,
            hourly.first_recorded_at,
            hourly.last_recorded_at,
            hourly.readings,
            hourly.energy_sum_kwh AS sum_kwh,
            hourly.energy_first_kwh AS first_kwh,
            hourly.energy_last_kwh AS last_kwh,
            share.of_hour,
            'rollup' AS source
        FROM unnest(periods) AS period
        JOIN internal.device_hourly AS hourly ON hourly.device_id = period.device_id
        CROSS JOIN LATERAL (
            SELECT
                greatest(
                    0,
                    date_part(
                        'epoch',
                        least(internal.hour_floor(hourly.bucket_start) + interval '1 hour', period.counted_to)
                        - greatest(internal.hour_floor(hourly.bucket_start), period.counted_from)
                    ) / 3600
                )
        ) AS share (of_hour)
        WHERE
            hourly.device_type = kind_of_device
            AND (only_device IS NULL OR hourly.device_id = only_device)
            AND hourly.bucket_start > looked_from
            AND hourly.bucket_start <= internal.hour_bucket(pieces_to)
            AND hourly.bucket_start <= period.counted_to
            AND hourly.last_recorded_at > period.period_from
            -- An hour before the period has nothing to say about it.
            AND (hourly.bucket_start > period.period_from OR share.of_hour > 0)
            AND NOT EXISTS (
                SELECT
                FROM cut
                WHERE
                    cut.device_id = period.device_id
                    AND cut.period_from = period.period_from
                    AND cut.bucket_start = hourly.bucket_start
            )
        UNION ALL
        SELECT
            part.device_id, part.energy_reading, part.period_from, part.counted_from, part.counted_to, part.bucket_start,
            CASE WHEN part.is_apart THEN reading.first_recorded_at - interval '1 microsecond' ELSE part.part_from END,
            CASE WHEN part.is_apart THEN reading.first_recorded_at ELSE part.part_to END,
            reading.first_recorded_at, reading.last_recorded_at, reading.readings,
            reading.sum_kwh, reading.first_kwh, reading.last_kwh,
            CASE WHEN part.is_before THEN 0 ELSE 1 END,
            'history'
        FROM (
            SELECT cut.*, false AS is_before FROM cut
            UNION ALL
            -- What comes before the window in its hour tells with which value that began.
            SELECT
                cut.device_id, cut.energy_reading, cut.period_from, cut.counted_from, cut.counted_to, cut.bucket_start,
                greatest(internal.hour_floor(cut.bucket_start), cut.period_from), cut.counted_from, false, true
            FROM cut
            WHERE cut.counted_from > internal.hour_floor(cut.bucket_start) AND cut.counted_from > cut.period_from
        ) AS part
        CROSS JOIN LATERAL (
            SELECT
                array_agg(history.recorded_at ORDER BY history.recorded_at) AS instants,
                array_agg(history.energy_kwh ORDER BY history.recorded_at) AS kwh,
                sum(history.energy_kwh) AS sum_kwh
            FROM internal.device_reading AS history
            WHERE
                history.device_type = kind_of_device
                AND history.device_id = part.device_id
                AND history.recorded_at > part.part_from
                AND history.recorded_at <= part.part_to
                AND history.recorded_at > looked_from
                AND history.recorded_at <= pieces_to
        ) AS read
        CROSS JOIN LATERAL (
            SELECT
                read.instants[1] AS first_recorded_at,
                read.instants[cardinality(read.instants)] AS last_recorded_at,
                cardinality(read.instants)::bigint AS readings,
                read.sum_kwh,
                read.kwh[1] AS first_kwh,
                read.kwh[cardinality(read.kwh)] AS last_kwh
            WHERE read.instants IS NOT NULL AND NOT part.is_apart
            UNION ALL
            SELECT single.instant, single.instant, 1, single.kwh, single.kwh, single.kwh
            FROM unnest(read.instants, read.kwh) AS single (instant, kwh)
            WHERE part.is_apart
        ) AS reading
    ),
    corrected AS MATERIALIZED (
        SELECT
            piece.device_id,
            piece.period_from,
            piece.piece_from,
            sum(event.correction_kwh) AS correction_kwh,
            bool_or(event.kind = 'baseline') AS has_baseline
        FROM internal.register_event AS event
        JOIN piece
            ON piece.device_id = event.device_id
            AND event.recorded_at > piece.piece_from
            AND event.recorded_at <= piece.piece_to
            AND event.recorded_at > piece.period_from
        WHERE
            event.device_type = kind_of_device
            AND (only_device IS NULL OR event.device_id = only_device)
            AND event.recorded_at > looked_from
            AND event.recorded_at <= internal.hour_ceiling(pieces_to)
            AND piece.energy_reading <> 'interval'
            AND piece.of_hour > 0
        GROUP BY piece.device_id, piece.period_from, piece.piece_from
    ),
    opened AS (
        SELECT
            piece.*,
            lag(piece.last_kwh) OVER (
                PARTITION BY piece.device_id, piece.period_from ORDER BY piece.first_recorded_at
            ) AS opening_kwh
        FROM piece
    )
    SELECT
        opened.device_id,
        opened.bucket_start,
        opened.energy_reading,
        greatest(opened.piece_from, opened.counted_from),
        least(opened.piece_to, opened.counted_to),
        opened.first_recorded_at,
        opened.last_recorded_at,
        round(opened.readings * opened.of_hour)::bigint,
        opened.of_hour * CASE
            WHEN opened.energy_reading = 'interval' THEN opened.sum_kwh
            -- A register's first reading counts nothing.
            WHEN corrected.has_baseline AND opened.readings = 1 THEN NULL
            WHEN corrected.has_baseline THEN opened.last_kwh + corrected.correction_kwh
            ELSE
                opened.last_kwh - coalesce(opened.opening_kwh, earlier.energy_kwh, opened.first_kwh)
                + coalesce(corrected.correction_kwh, 0)
        END,
        opened.source,
        opened.of_hour < 1 OR (
            opened.energy_reading <> 'interval'
            AND opened.opening_kwh IS NULL
            AND earlier.energy_kwh IS NULL
            AND NOT coalesce(corrected.has_baseline, false)
        )
    FROM opened
    LEFT JOIN corrected
        ON corrected.device_id = opened.device_id
        AND corrected.period_from = opened.period_from
        AND corrected.piece_from = opened.piece_from
    -- Registers that were silent before the first piece.
    LEFT JOIN LATERAL internal.reading_before(
        kind_of_device,
        opened.device_id,
        opened.period_from,
        CASE
            WHEN opened.opening_kwh IS NULL
                AND opened.energy_reading <> 'interval'
                AND NOT coalesce(corrected.has_baseline, false)
                THEN opened.piece_from + interval '1 microsecond'
        END,
        '{}'
    ) AS earlier ON true
    WHERE opened.of_hour > 0;
END
$$;

COMMENT ON FUNCTION internal.energy_pieces(text, timestamptz, timestamptz, text, text[], timestamptz[]) IS
'Energy (kWh; null where a register''s first reading is all there is) in (pieces_from, pieces_to] of meters or vehicles (kind_of_device) that are registers at some time of it, or of one: one row an hour of the rollup, a part of an hour, or a reading of an hour to be taken apart (by device and bucket_start), with the meaning of its values, and whether it is estimated.';
