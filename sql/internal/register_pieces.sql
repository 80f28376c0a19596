-- Register energy of a window, piece by piece, for one device or all. A piece is one reading, or a stretch in which no
-- step down can be deep enough for a reset: its smallest value is at least register_tolerance of its largest. A stretch is
-- a whole hour, of which the rollup has all that is needed (first, last and highest value), or the part of an hour that
-- the window or a change of kind leaves, which is read from the history by index, as are the readings of all other hours. "First is smallest and last is largest" is not enough: 10, 30, 20, 40 is that
-- too, and contains a reset.
--
-- Each reading's energy depends on earlier readings and not on the window: a step belongs to the instant of
-- the later reading, so windows that meet add up. The high-water mark is the highest value since the last reset among
-- the readings of the reading's own day (UTC) and of register_look_back before that, and the previous reading's however
-- old it is. Hence all pieces of that look-back are taken too, whole days at a time where they allow it, and dropped at
-- the end.
--
-- Which devices are registers, and since when, is looked up first and passed on as arrays: the planner always
-- estimates one row for the result of a subquery, and would loop where it has to hash. And the query is in plpgsql,
-- because TimescaleDB makes the watermark of a rollup a constant only where the statement itself names it. A register
-- is called by its number in these arrays, which is sorted and compared for a fraction of what its id would cost.
--
-- Most registers of a fleet rise from piece to piece, and then a piece counts its rise over the previous row. The high-water
-- mark is computed only for the others, the uneven ones.
--
-- An hour whose history was dropped is assumed to have the simplest course that its rollup allows: rising, or with one reset,
-- after its largest value or before its smallest. It is flagged.

CREATE FUNCTION internal.register_pieces(
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
    step text,
    previous_kwh float8,
    first_kwh float8,
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
    found record;
    -- Hours before this are known from their rollups alone.
    kept_from CONSTANT timestamptz := coalesce(
        internal.history_horizon(kind_of_device || '_telemetry_history'), '-infinity'
    );
BEGIN
    SELECT
        array_agg(register.device_id) AS device_ids,
        array_agg(register.kind_from) AS kinds_from,
        array_agg(register.modulus_kwh) AS moduli_kwh,
        array_agg(register.counted_from) AS counted_from,
        array_agg(register.counted_to) AS counted_to,
        array_agg(register.looked_from) AS looked_from
    INTO found
    FROM internal.registers(kind_of_device, pieces_from, pieces_to, only_device) AS register;
    IF found.device_ids IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH register AS MATERIALIZED (
        SELECT *
        FROM unnest(
            found.device_ids, found.kinds_from, found.moduli_kwh,
            found.counted_from, found.counted_to, found.looked_from
        ) WITH ORDINALITY AS register (
            device_id, kind_from, modulus_kwh, counted_from, counted_to, looked_from, number
        )
    ),
    -- Days of the look-back, each as one piece where it is regular as an hour can be.
    day AS MATERIALIZED (
        SELECT
            register.number,
            daily.bucket_start,
            daily.first_recorded_at,
            daily.last_recorded_at,
            daily.readings,
            daily.energy_first_kwh AS first_kwh,
            daily.energy_last_kwh AS last_kwh,
            daily.energy_max_kwh AS max_kwh,
            daily.energy_min_kwh >= internal.register_tolerance() * daily.energy_max_kwh
            AND daily.bucket_start > register.looked_from AS is_regular
        FROM register
        JOIN internal.device_daily AS daily ON daily.device_id = register.device_id
        WHERE
            daily.device_type = kind_of_device
            AND (only_device IS NULL OR daily.device_id = only_device)
            AND daily.last_recorded_at > register.looked_from
            AND daily.bucket_start > internal.register_look_from(pieces_from)
            AND daily.bucket_start <= internal.day_bucket(internal.day_floor(pieces_from))
    ),
    hourly AS (
        SELECT register.number, register.looked_from, register.counted_from, register.counted_to, hourly.*
        FROM register
        JOIN internal.device_hourly AS hourly ON hourly.device_id = register.device_id
        WHERE
            hourly.device_type = kind_of_device
            AND (only_device IS NULL OR hourly.device_id = only_device)
            AND hourly.bucket_start > internal.day_floor(pieces_from)
            AND hourly.bucket_start <= internal.hour_bucket(internal.hour_floor(pieces_to))
        UNION ALL
        SELECT register.number, register.looked_from, register.counted_from, register.counted_to, hourly.*
        FROM day
        JOIN register ON register.number = day.number
        CROSS JOIN LATERAL (
            SELECT *
            FROM internal.device_hourly AS hourly
            WHERE
                hourly.device_type = kind_of_device
                AND hourly.device_id = register.device_id
                AND hourly.bucket_start >= day.bucket_start
                AND hourly.bucket_start < day.bucket_start + interval '24 hours'
                AND hourly.bucket_start > internal.register_look_from(pieces_from)
                AND hourly.bucket_start <= internal.hour_bucket(internal.day_floor(pieces_from))
            -- By index for each day, however many hours the planner takes all days to hold.
            OFFSET 0
        ) AS hourly
        WHERE NOT day.is_regular
    ),
    hour AS MATERIALIZED (
        SELECT
            hourly.number,
            hourly.bucket_start,
            hourly.first_recorded_at,
            hourly.last_recorded_at,
            hourly.readings,
            hourly.energy_first_kwh AS first_kwh,
            hourly.energy_last_kwh AS last_kwh,
            hourly.energy_min_kwh AS min_kwh,
            hourly.energy_max_kwh AS max_kwh,
            CASE
                WHEN hourly.energy_min_kwh >= internal.register_tolerance() * hourly.energy_max_kwh THEN 'regular'
                WHEN hourly.bucket_start >= kept_from THEN 'read'
                WHEN hourly.energy_last_kwh < internal.register_tolerance() * hourly.energy_max_kwh
                    THEN 'reset after largest'
                WHEN hourly.energy_min_kwh < internal.register_tolerance() * hourly.energy_first_kwh
                    THEN 'reset before smallest'
                ELSE 'rising'
            END AS course
        FROM hourly
        WHERE
            hourly.bucket_start > internal.hour_ceiling(hourly.looked_from)
            AND hourly.bucket_start <= internal.hour_bucket(internal.hour_floor(hourly.counted_to))
            -- The hour that counted_from cuts is read from the history.
            AND (
                hourly.bucket_start > hourly.counted_from
                OR hourly.bucket_start <= internal.hour_bucket(internal.hour_floor(hourly.counted_from))
            )
    ),
    -- Hours to be read, and the parts of those that are cut.
    stretch AS (
        SELECT
            hour.number,
            internal.hour_floor(hour.bucket_start) AS read_from,
            internal.hour_floor(hour.bucket_start) + interval '1 hour' AS read_to
        FROM hour
        WHERE hour.course = 'read'
        UNION ALL
        SELECT part.number, part.read_from, part.read_to
        FROM (
            SELECT
                cut.number,
                cut.instant AS read_from,
                lead(cut.instant) OVER (PARTITION BY cut.number, cut.hour ORDER BY cut.instant) AS read_to
            FROM (
                SELECT DISTINCT register.number, internal.hour_floor(edge.at) AS hour, point.instant
                FROM register
                CROSS JOIN LATERAL (
                    VALUES (register.looked_from), (register.counted_from), (register.counted_to)
                ) AS edge (at)
                CROSS JOIN LATERAL (
                    VALUES (internal.hour_floor(edge.at)), (edge.at), (internal.hour_floor(edge.at) + interval '1 hour')
                ) AS point (instant)
                WHERE edge.at <> internal.hour_floor(edge.at)
            ) AS cut
        ) AS part
        JOIN register ON register.number = part.number
        WHERE part.read_from >= register.looked_from AND part.read_to <= register.counted_to
    ),
    ordered AS MATERIALIZED (
        SELECT
            piece.*,
            lag(piece.last_recorded_at) OVER in_time AS previous_at,
            lag(piece.last_kwh) OVER in_time AS previous_kwh,
            lag(piece.max_kwh) OVER in_time AS previous_max_kwh
        FROM (
            SELECT
                hour.number, hour.first_recorded_at, hour.last_recorded_at, hour.readings,
                hour.first_kwh, hour.last_kwh, hour.max_kwh, 'rollup' AS source, hour.course <> 'regular' AS is_estimated
            FROM hour
            WHERE hour.course IN ('regular', 'rising')
            UNION ALL
            SELECT
                hour.number, part.first_recorded_at, part.last_recorded_at, part.readings,
                part.first_kwh, part.last_kwh, part.max_kwh, 'rollup', true
            FROM hour
            CROSS JOIN LATERAL (
                VALUES
                    (
                        'reset after largest', hour.first_recorded_at, hour.first_recorded_at, hour.readings - 1,
                        hour.first_kwh, hour.max_kwh, hour.max_kwh
                    ),
                    (
                        'reset after largest', hour.last_recorded_at, hour.last_recorded_at, 1,
                        hour.last_kwh, hour.last_kwh, hour.last_kwh
                    ),
                    (
                        'reset before smallest', hour.first_recorded_at, hour.first_recorded_at, 1,
                        hour.first_kwh, hour.first_kwh, hour.first_kwh
                    ),
                    (
                        'reset before smallest', hour.last_recorded_at, hour.last_recorded_at, hour.readings - 1,
                        hour.min_kwh, hour.last_kwh, hour.max_kwh
                    )
            ) AS part (course, first_recorded_at, last_recorded_at, readings, first_kwh, last_kwh, max_kwh)
            WHERE hour.course IN ('reset after largest', 'reset before smallest') AND part.course = hour.course
            UNION ALL
            SELECT
                day.number, day.first_recorded_at, day.last_recorded_at, day.readings,
                day.first_kwh, day.last_kwh, day.max_kwh, 'rollup', false
            FROM day
            WHERE day.is_regular
            UNION ALL
            SELECT
                stretch.number, part.first_recorded_at, part.last_recorded_at, part.readings,
                part.first_kwh, part.last_kwh, part.max_kwh, 'history', false
            FROM stretch
            JOIN register ON register.number = stretch.number
            CROSS JOIN LATERAL (
                SELECT
                    min(history.energy_kwh) >= internal.register_tolerance() * max(history.energy_kwh) AS is_regular,
                    max(history.energy_kwh) AS max_kwh,
                    array_agg(history.recorded_at ORDER BY history.recorded_at) AS instants,
                    array_agg(history.energy_kwh ORDER BY history.recorded_at) AS kwh
                FROM internal.device_reading AS history
                WHERE
                    history.device_type = kind_of_device
                    AND history.device_id = register.device_id
                    AND history.recorded_at > stretch.read_from
                    AND history.recorded_at <= stretch.read_to
                    AND history.recorded_at > internal.register_look_from(pieces_from)
                    AND history.recorded_at <= pieces_to
            ) AS read
            CROSS JOIN LATERAL (
                SELECT
                    read.instants[1] AS first_recorded_at,
                    read.instants[cardinality(read.instants)] AS last_recorded_at,
                    cardinality(read.instants) AS readings,
                    read.kwh[1] AS first_kwh,
                    read.kwh[cardinality(read.kwh)] AS last_kwh,
                    read.max_kwh
                WHERE read.is_regular
                UNION ALL
                SELECT reading.instant, reading.instant, 1, reading.kwh, reading.kwh, reading.kwh
                FROM unnest(read.instants, read.kwh) AS reading (instant, kwh)
                WHERE NOT read.is_regular
            ) AS part
        ) AS piece
        WINDOW in_time AS (PARTITION BY piece.number ORDER BY piece.first_recorded_at)
    ),
    -- Registers without readings throughout the look-back, but with later ones.
    silent AS MATERIALIZED (
        SELECT register.*
        FROM ordered
        JOIN register ON register.number = ordered.number
        WHERE
            ordered.previous_at IS NULL
            AND ordered.first_recorded_at > register.counted_from
            AND register.looked_from > register.kind_from
    ),
    -- All others rise from piece to piece, but for those that were reset, jittered from one piece to the next, or paused
    -- for longer than a mark is remembered.
    uneven AS MATERIALIZED (
        SELECT silent.number FROM silent
        UNION
        SELECT ordered.number
        FROM ordered
        WHERE
            ordered.first_kwh < internal.register_tolerance() * ordered.previous_kwh
            OR ordered.max_kwh < ordered.previous_max_kwh
            OR ordered.first_recorded_at - ordered.previous_at > internal.register_look_back()
    ),
    stepped AS (
        SELECT
            entered.*,
            date_trunc('day', entered.first_recorded_at - interval '1 microsecond', 'UTC') AS day,
            coalesce(entered.first_kwh < internal.register_tolerance() * entered.entered_kwh, false) AS is_reset,
            count(*) FILTER (WHERE entered.first_kwh < internal.register_tolerance() * entered.entered_kwh) OVER (
                PARTITION BY entered.number ORDER BY entered.first_recorded_at
            ) AS epoch
        FROM (
            SELECT
                ordered.*,
                register.device_id,
                register.modulus_kwh,
                register.counted_from,
                coalesce(ordered.previous_at, last.recorded_at) AS entered_at,
                coalesce(ordered.previous_kwh, last.energy_kwh) AS entered_kwh
            FROM ordered
            JOIN register ON register.number = ordered.number
            LEFT JOIN (
                SELECT before.*
                FROM (
                    SELECT
                        array_agg(silent.device_id) AS device_ids,
                        array_agg(silent.kind_from) AS since,
                        array_agg(silent.looked_from) AS before
                    FROM silent
                ) AS wanted
                CROSS JOIN LATERAL internal.registers_before(
                    kind_of_device, wanted.device_ids, wanted.since, wanted.before
                ) AS before
            ) AS last
                ON ordered.previous_at IS NULL
                AND last.device_id = register.device_id
                AND last.kind_from = register.kind_from
            WHERE EXISTS (SELECT FROM uneven WHERE uneven.number = ordered.number)
        ) AS entered
    ),
    marked AS MATERIALIZED (
        SELECT
            stepped.*,
            greatest(
                stepped.entered_kwh,
                max(stepped.max_kwh) OVER (
                    PARTITION BY stepped.number, stepped.epoch
                    ORDER BY stepped.day
                    RANGE BETWEEN internal.register_look_back() PRECEDING AND interval '1 hour' PRECEDING
                ),
                max(stepped.max_kwh) OVER (
                    PARTITION BY stepped.number, stepped.epoch, stepped.day
                    ORDER BY stepped.first_recorded_at
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                )
            ) AS mark_kwh
        FROM stepped
    ),
    rolled AS (
        SELECT
            after.number,
            after.epoch,
            greatest(0, min(after.modulus_kwh) - greatest(max(after.entered_kwh), max(before.max_kwh))) AS rest_kwh
        FROM marked AS after
        LEFT JOIN marked AS before
            ON before.number = after.number
            AND before.epoch = after.epoch - 1
            AND before.day >= after.day - internal.register_look_back()
        WHERE after.is_reset AND after.entered_kwh >= internal.register_tolerance() * after.modulus_kwh
        GROUP BY after.number, after.epoch
    )
    SELECT
        register.device_id,
        internal.hour_bucket(ordered.first_recorded_at),
        ordered.first_recorded_at,
        ordered.last_recorded_at,
        ordered.readings,
        CASE
            WHEN ordered.previous_kwh IS NOT NULL THEN ordered.max_kwh - ordered.previous_max_kwh
            WHEN ordered.readings > 1 THEN ordered.max_kwh - ordered.first_kwh
        END,
        CASE WHEN ordered.previous_kwh IS NULL THEN 'baseline' END,
        ordered.previous_kwh,
        ordered.first_kwh,
        ordered.source,
        ordered.is_estimated
    FROM ordered
    JOIN register ON register.number = ordered.number
    WHERE
        ordered.first_recorded_at > register.counted_from
        AND NOT EXISTS (SELECT FROM uneven WHERE uneven.number = ordered.number)
    UNION ALL
    SELECT
        marked.device_id,
        internal.hour_bucket(marked.first_recorded_at),
        marked.first_recorded_at,
        marked.last_recorded_at,
        marked.readings,
        CASE
            WHEN marked.entered_kwh IS NULL AND marked.readings = 1 THEN NULL
            WHEN marked.entered_kwh IS NULL THEN marked.max_kwh - marked.first_kwh
            WHEN marked.is_reset THEN marked.max_kwh + coalesce(rolled.rest_kwh, 0)
            -- A reading before that is no longer remembered counts for the piece's first reading and no other.
            WHEN marked.entered_at <= internal.register_look_from(marked.first_recorded_at - interval '1 microsecond')
                THEN greatest(0, marked.first_kwh - marked.entered_kwh) + marked.max_kwh - marked.first_kwh
            ELSE greatest(0, marked.max_kwh - marked.mark_kwh)
        END,
        CASE
            WHEN marked.entered_kwh IS NULL THEN 'baseline'
            WHEN rolled.rest_kwh IS NOT NULL THEN 'rollover'
            WHEN marked.is_reset THEN 'reset'
        END,
        marked.entered_kwh,
        marked.first_kwh,
        marked.source,
        marked.is_estimated
    FROM marked
    LEFT JOIN rolled ON marked.is_reset AND rolled.number = marked.number AND rolled.epoch = marked.epoch
    WHERE marked.first_recorded_at > marked.counted_from;
END
$$;

COMMENT ON FUNCTION internal.register_pieces(text, timestamptz, timestamptz, text) IS
'Register energy (kWh) of meters or vehicles (kind_of_device) in (pieces_from, pieces_to], of one device or all that have a register then: one row a whole hour without a reset (source rollup), what the window or a change of kind leaves of one, or a reading (source history). step is baseline (nothing before it: what it stands on counts nothing; null where that is all), reset, rollover or null; previous_kwh and first_kwh are the register before the piece and at its first reading.';
