-- Register energy of a window, piece by piece, for one device or all. A piece is one reading, or a whole hour in which no
-- step down can be deep enough for a reset: its smallest value is at least register_tolerance of its largest. Of such an
-- hour the rollup says all there is to know (what it was entered with, where it ended, how high it went); of any other,
-- and of the hours that the window or a change of kind cuts, the history is asked by index. "First is smallest and last
-- is largest" would not do: 10, 30, 20, 40 is that too, and has a reset in it.
--
-- Each reading's energy depends on what came before it and on nothing of the window: a step belongs to the instant of
-- the later reading, so windows that meet add up. The high-water mark is the highest value since the last reset among
-- the readings of the reading's own day (UTC) and of register_look_back before that, and the previous reading's however
-- old it is. Hence all pieces of that look-back are taken too, whole days at a time where they allow it, and dropped at
-- the end.
--
-- Which devices are registers, and since when, is looked up first and passed on as arrays: whatever the planner is told,
-- it takes the result of a query within a query for one row, and would loop where it has to hash. And the query stands in
-- plpgsql, for TimescaleDB makes the watermark of a rollup a constant only where the statement itself names it.
--
-- An hour whose history was dropped is taken for the simplest course that its rollup allows: rising, or with one reset,
-- after its largest value or before its smallest. It is flagged.

CREATE FUNCTION api.register_pieces(
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
AS $$
#variable_conflict use_column
DECLARE
    found record;
BEGIN
    SELECT
        array_agg(register.device_id) AS device_ids,
        array_agg(register.kind_from) AS kinds_from,
        array_agg(register.modulus_kwh) AS moduli_kwh,
        array_agg(register.counted_from) AS counted_from,
        array_agg(register.counted_to) AS counted_to,
        array_agg(register.looked_from) AS looked_from
    INTO found
    FROM api.registers(kind_of_device, pieces_from, pieces_to, only_device) AS register;
    IF found.device_ids IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH register AS (
        SELECT *
        FROM unnest(
            found.device_ids, found.kinds_from, found.moduli_kwh,
            found.counted_from, found.counted_to, found.looked_from
        ) AS register (
            device_id, kind_from, modulus_kwh, counted_from, counted_to, looked_from
        )
    ),
    -- Days of the look-back, each as one piece where it is regular as an hour can be.
    day AS MATERIALIZED (
        SELECT
            register.*,
            daily.bucket_start,
            daily.first_recorded_at,
            daily.last_recorded_at,
            daily.readings,
            daily.energy_first_kwh AS first_kwh,
            daily.energy_last_kwh AS last_kwh,
            daily.energy_max_kwh AS max_kwh,
            daily.energy_min_kwh >= api.register_tolerance() * daily.energy_max_kwh
            AND daily.bucket_start >= register.looked_from AS is_regular
        FROM register
        JOIN api.device_daily AS daily ON daily.device_id = register.device_id
        WHERE
            daily.device_type = kind_of_device
            AND (only_device IS NULL OR daily.device_id = only_device)
            AND daily.bucket_start + interval '24 hours' > register.looked_from
            AND daily.bucket_start + interval '24 hours' <= register.counted_from
            AND daily.bucket_start >= api.register_look_from(pieces_from)
            AND daily.bucket_start < api.day_floor(pieces_from)
    ),
    hourly AS (
        SELECT
            register.*,
            hourly.bucket_start,
            hourly.readings,
            hourly.first_recorded_at,
            hourly.last_recorded_at,
            hourly.energy_first_kwh AS first_kwh,
            hourly.energy_last_kwh AS last_kwh,
            hourly.energy_min_kwh AS min_kwh,
            hourly.energy_max_kwh AS max_kwh
        FROM register
        JOIN api.device_hourly AS hourly ON hourly.device_id = register.device_id
        WHERE
            hourly.device_type = kind_of_device
            AND (only_device IS NULL OR hourly.device_id = only_device)
            AND hourly.bucket_start >= api.day_floor(pieces_from)
            AND hourly.bucket_start < api.hour_floor(pieces_to)
        UNION ALL
        SELECT
            day.device_id,
            day.kind_from,
            day.modulus_kwh,
            day.counted_from,
            day.counted_to,
            day.looked_from,
            hourly.bucket_start,
            hourly.readings,
            hourly.first_recorded_at,
            hourly.last_recorded_at,
            hourly.energy_first_kwh,
            hourly.energy_last_kwh,
            hourly.energy_min_kwh,
            hourly.energy_max_kwh
        FROM day
        JOIN api.device_hourly AS hourly
            ON hourly.device_id = day.device_id
            AND hourly.bucket_start >= day.bucket_start
            AND hourly.bucket_start < day.bucket_start + interval '24 hours'
        WHERE
            NOT day.is_regular
            AND hourly.device_type = kind_of_device
            AND (only_device IS NULL OR hourly.device_id = only_device)
            AND hourly.bucket_start >= api.register_look_from(pieces_from)
            AND hourly.bucket_start < api.day_floor(pieces_from)
    ),
    hour AS MATERIALIZED (
        SELECT
            hourly.*,
            CASE
                WHEN hourly.min_kwh >= api.register_tolerance() * hourly.max_kwh THEN 'regular'
                WHEN hourly.bucket_start >= (
                    SELECT coalesce(
                        api.hour_ceiling(api.history_horizon(kind_of_device || '_telemetry_history')), '-infinity'
                    )
                ) THEN 'read'
                WHEN hourly.last_kwh < api.register_tolerance() * hourly.max_kwh THEN 'reset after largest'
                WHEN hourly.min_kwh < api.register_tolerance() * hourly.first_kwh THEN 'reset before smallest'
                ELSE 'rising'
            END AS course
        FROM hourly
        WHERE
            hourly.bucket_start >= api.hour_ceiling(hourly.looked_from)
            AND hourly.bucket_start < api.hour_floor(hourly.counted_to)
            -- The hour that counted_from cuts is read from the history.
            AND (
                hourly.bucket_start >= hourly.counted_from
                OR hourly.bucket_start + interval '1 hour' <= hourly.counted_from
            )
    ),
    read AS (
        SELECT
            hour.device_id,
            hour.kind_from,
            hour.modulus_kwh,
            hour.counted_from,
            hour.counted_to,
            hour.looked_from,
            hour.bucket_start AS read_from,
            hour.bucket_start + interval '1 hour' AS read_to
        FROM hour
        WHERE hour.course = 'read'
        UNION ALL
        SELECT DISTINCT
            register.*,
            greatest(api.hour_floor(edge.at), register.looked_from),
            least(api.hour_floor(edge.at) + interval '1 hour', register.counted_to)
        FROM register
        CROSS JOIN LATERAL (
            VALUES (register.looked_from), (register.counted_from), (register.counted_to)
        ) AS edge (at)
        WHERE edge.at <> api.hour_floor(edge.at)
    ),
    piece AS MATERIALIZED (
        SELECT
            hour.device_id,
            hour.kind_from,
            hour.modulus_kwh,
            hour.counted_from,
            hour.looked_from,
            part.first_recorded_at,
            part.last_recorded_at,
            part.readings,
            part.first_kwh,
            part.last_kwh,
            part.max_kwh,
            'rollup' AS source,
            hour.course <> 'regular' AS is_estimated
        FROM hour
        CROSS JOIN LATERAL (
            SELECT
                hour.first_recorded_at, hour.last_recorded_at, hour.readings,
                hour.first_kwh, hour.last_kwh, hour.max_kwh
            WHERE hour.course IN ('regular', 'rising')
            UNION ALL
            SELECT
                hour.first_recorded_at, hour.first_recorded_at, hour.readings - 1,
                hour.first_kwh, hour.max_kwh, hour.max_kwh
            WHERE hour.course = 'reset after largest'
            UNION ALL
            SELECT hour.last_recorded_at, hour.last_recorded_at, 1, hour.last_kwh, hour.last_kwh, hour.last_kwh
            WHERE hour.course = 'reset after largest'
            UNION ALL
            SELECT hour.first_recorded_at, hour.first_recorded_at, 1, hour.first_kwh, hour.first_kwh, hour.first_kwh
            WHERE hour.course = 'reset before smallest'
            UNION ALL
            SELECT
                hour.last_recorded_at, hour.last_recorded_at, hour.readings - 1,
                hour.min_kwh, hour.last_kwh, hour.max_kwh
            WHERE hour.course = 'reset before smallest'
        ) AS part
        UNION ALL
        SELECT
            day.device_id,
            day.kind_from,
            day.modulus_kwh,
            day.counted_from,
            day.looked_from,
            day.first_recorded_at,
            day.last_recorded_at,
            day.readings,
            day.first_kwh,
            day.last_kwh,
            day.max_kwh,
            'rollup',
            false
        FROM day
        WHERE day.is_regular
        UNION ALL
        SELECT
            read.device_id,
            read.kind_from,
            read.modulus_kwh,
            read.counted_from,
            read.looked_from,
            reading.recorded_at,
            reading.recorded_at,
            1,
            reading.energy_kwh,
            reading.energy_kwh,
            reading.energy_kwh,
            'history',
            false
        FROM read
        CROSS JOIN LATERAL (
            SELECT history.recorded_at, history.energy_kwh
            FROM api.device_reading AS history
            WHERE
                history.device_type = kind_of_device
                AND history.device_id = read.device_id
                AND history.recorded_at >= read.read_from
                AND history.recorded_at < read.read_to
                AND history.recorded_at >= api.register_look_from(pieces_from)
                AND history.recorded_at < pieces_to
            -- By index for each stretch, however few readings the planner takes a whole history to hold.
            OFFSET 0
        ) AS reading
    ),
    -- Registers that were silent throughout the look-back, and have been heard since.
    silent AS (
        SELECT piece.device_id, piece.kind_from, piece.modulus_kwh, piece.counted_from, piece.looked_from
        FROM piece
        WHERE piece.looked_from > piece.kind_from
        GROUP BY piece.device_id, piece.kind_from, piece.modulus_kwh, piece.counted_from, piece.looked_from
        HAVING min(piece.first_recorded_at) >= piece.counted_from
    ),
    ordered AS (
        SELECT
            piece.*,
            lag(piece.last_kwh) OVER in_time AS previous_kwh,
            lag(piece.last_recorded_at) OVER in_time AS previous_at
        FROM (
            SELECT * FROM piece
            UNION ALL
            SELECT
                last.device_id, last.kind_from, NULL, 'infinity', NULL,
                last.recorded_at, last.recorded_at, 0,
                last.energy_kwh, last.energy_kwh, last.energy_kwh, 'rollup', false
            FROM (
                SELECT
                    array_agg(silent.device_id) AS device_ids,
                    array_agg(silent.kind_from) AS since,
                    array_agg(silent.looked_from) AS before
                FROM silent
            ) AS wanted
            CROSS JOIN LATERAL api.registers_before(
                kind_of_device, wanted.device_ids, wanted.since, wanted.before
            ) AS last
        ) AS piece
        WINDOW in_time AS (PARTITION BY piece.device_id, piece.kind_from ORDER BY piece.first_recorded_at)
    ),
    stepped AS (
        SELECT
            ordered.*,
            date_trunc('day', ordered.first_recorded_at, 'UTC') AS day,
            coalesce(ordered.first_kwh < api.register_tolerance() * ordered.previous_kwh, false) AS is_reset,
            count(*) FILTER (WHERE ordered.first_kwh < api.register_tolerance() * ordered.previous_kwh) OVER (
                PARTITION BY ordered.device_id, ordered.kind_from ORDER BY ordered.first_recorded_at
            ) AS epoch
        FROM ordered
    ),
    marked AS MATERIALIZED (
        SELECT
            stepped.*,
            greatest(
                stepped.previous_kwh,
                max(stepped.max_kwh) OVER (
                    PARTITION BY stepped.device_id, stepped.kind_from, stepped.epoch
                    ORDER BY stepped.day
                    RANGE BETWEEN api.register_look_back() PRECEDING AND interval '1 hour' PRECEDING
                ),
                max(stepped.max_kwh) OVER (
                    PARTITION BY stepped.device_id, stepped.kind_from, stepped.epoch, stepped.day
                    ORDER BY stepped.first_recorded_at
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                )
            ) AS mark_kwh
        FROM stepped
    ),
    rolled AS (
        SELECT
            after.device_id,
            after.kind_from,
            after.epoch,
            greatest(0, min(after.modulus_kwh) - greatest(max(after.previous_kwh), max(before.max_kwh))) AS rest_kwh
        FROM marked AS after
        LEFT JOIN marked AS before
            ON before.device_id = after.device_id
            AND before.kind_from = after.kind_from
            AND before.epoch = after.epoch - 1
            AND before.day >= after.day - api.register_look_back()
        WHERE after.is_reset AND after.previous_kwh >= api.register_tolerance() * after.modulus_kwh
        GROUP BY after.device_id, after.kind_from, after.epoch
    )
    SELECT
        marked.device_id,
        api.hour_floor(marked.first_recorded_at),
        marked.first_recorded_at,
        marked.last_recorded_at,
        marked.readings,
        CASE
            WHEN marked.previous_kwh IS NULL AND marked.readings = 1 THEN NULL
            WHEN marked.previous_kwh IS NULL THEN marked.max_kwh - marked.first_kwh
            WHEN marked.is_reset THEN marked.max_kwh + coalesce(rolled.rest_kwh, 0)
            -- A reading before that is no longer remembered counts for the piece's first reading and no other.
            WHEN marked.previous_at < api.register_look_from(marked.first_recorded_at)
                THEN greatest(0, marked.first_kwh - marked.previous_kwh) + marked.max_kwh - marked.first_kwh
            ELSE greatest(0, marked.max_kwh - marked.mark_kwh)
        END,
        CASE
            WHEN marked.previous_kwh IS NULL THEN 'baseline'
            WHEN rolled.rest_kwh IS NOT NULL THEN 'rollover'
            WHEN marked.is_reset THEN 'reset'
        END,
        marked.previous_kwh,
        marked.first_kwh,
        marked.source,
        marked.is_estimated
    FROM marked
    LEFT JOIN rolled
        ON marked.is_reset
        AND rolled.device_id = marked.device_id
        AND rolled.kind_from = marked.kind_from
        AND rolled.epoch = marked.epoch
    WHERE marked.first_recorded_at >= marked.counted_from;
END
$$;

COMMENT ON FUNCTION api.register_pieces(text, timestamptz, timestamptz, text) IS
'Register energy (kWh) of meters or vehicles (kind_of_device) in [pieces_from, pieces_to), of one device or all that have a register then: one row a whole hour without a reset (source rollup) or a reading (source history). step is baseline (nothing before it: what it stands on counts nothing; null where that is all), reset, rollover or null; previous_kwh and first_kwh are the register before the piece and at its first reading.';
