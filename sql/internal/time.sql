-- A reading describes the time before its timestamp, so windows, hours, days and assignments take the readings of (from, to].
-- Buckets of a rollup begin a microsecond after their whole hour or day (UTC): so `> from AND <= to` selects the readings of a
-- window and the buckets of one between whole hours alike, and a bucket whose bucket_start is at or after the horizon of its
-- source is kept whole. The upper bound is written as the last bucket, internal.hour_bucket(internal.hour_floor(to)), since
-- TimescaleDB reads readings that are not in the rollup yet up to a bucket's length after it. Hours end with whole hours of UTC.
-- All functions are immutable down to their last term, so that the planner folds them to constants and leaves out the chunks
-- that a window does not touch.

CREATE FUNCTION internal.hour_floor(instant timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT date_bin(interval '1 hour', instant, timestamptz '2000-01-01 00:00:00+00')
$$;

COMMENT ON FUNCTION internal.hour_floor(timestamptz) IS
'The whole hour (UTC) at or before an instant.';

CREATE FUNCTION internal.hour_ceiling(instant timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT to_timestamp(ceil(date_part('epoch', instant - timestamptz '1970-01-01 00:00:00+00') / 3600) * 3600)
$$;

COMMENT ON FUNCTION internal.hour_ceiling(timestamptz) IS
'The whole hour (UTC) at or after an instant: the start of the first hour that lies wholly after it.';

CREATE FUNCTION internal.hour_bucket(instant timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT date_bin(interval '1 hour', instant, timestamptz '2000-01-01 00:00:00.000001+00')
$$;

COMMENT ON FUNCTION internal.hour_bucket(timestamptz) IS
'bucket_start of the hourly rollup that holds the readings of an instant: a microsecond after the whole hour (UTC) before it.';

CREATE FUNCTION internal.hour_kept_from(horizon timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT to_timestamp(
        ceil(date_part('epoch', horizon - timestamptz '1970-01-01 00:00:00.000001+00') / 3600) * 3600
    )
$$;

COMMENT ON FUNCTION internal.hour_kept_from(timestamptz) IS
'The start of the first hour (UTC) whose readings are all kept where those before an instant are gone; one at the instant itself is kept, and belongs to the hour before where that is whole.';

-- So many hours before an instant, for the planner: the difference of an instant and an interval is no constant to it, and it would open
-- every chunk of the history.

CREATE FUNCTION internal.earlier(instant timestamptz, hours float8)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT to_timestamp(date_part('epoch', instant - timestamptz '1970-01-01 00:00:00+00') - hours * 3600)
$$;

COMMENT ON FUNCTION internal.earlier(timestamptz, float8) IS
'The instant so many hours before another (after it, if negative), to the microsecond or nearly.';

-- Days end with midnight UTC.

CREATE FUNCTION internal.day_floor(instant timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT date_bin(interval '24 hours', instant, timestamptz '2000-01-01 00:00:00+00')
$$;

COMMENT ON FUNCTION internal.day_floor(timestamptz) IS
'The midnight (UTC) at or before an instant.';

CREATE FUNCTION internal.day_ceiling(instant timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT to_timestamp(ceil(date_part('epoch', instant - timestamptz '1970-01-01 00:00:00+00') / 86400) * 86400)
$$;

COMMENT ON FUNCTION internal.day_ceiling(timestamptz) IS
'The midnight (UTC) at or after an instant: the start of the first day that lies wholly after it.';

CREATE FUNCTION internal.day_bucket(instant timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT date_bin(interval '24 hours', instant, timestamptz '2000-01-01 00:00:00.000001+00')
$$;

COMMENT ON FUNCTION internal.day_bucket(timestamptz) IS
'bucket_start of the daily rollup that holds the readings of an instant, or an hourly bucket: a microsecond after the midnight (UTC) before it.';

CREATE FUNCTION internal.day_kept_from(horizon timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT to_timestamp(
        ceil(date_part('epoch', horizon - timestamptz '1970-01-01 00:00:00.000001+00') / 86400) * 86400
    )
$$;

COMMENT ON FUNCTION internal.day_kept_from(timestamptz) IS
'The start of the first day (UTC) that is kept whole, as internal.hour_kept_from gives it for hours.';

-- A stretch of time has whole hours, which are in the rollup, the end of the hour in which it begins, and the start of the hour
-- in which it ends. A stretch within one hour is one cut hour; one of whole hours has none.

CREATE FUNCTION internal.cut_hours(stretch_from timestamptz, stretch_to timestamptz)
RETURNS TABLE (cut_from timestamptz, cut_to timestamptz)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT piece.piece_from, piece.piece_to
    FROM (
        VALUES
            (stretch_from, least(stretch_to, internal.hour_ceiling(stretch_from))),
            (greatest(internal.hour_floor(stretch_to), internal.hour_ceiling(stretch_from)), stretch_to)
    ) AS piece (piece_from, piece_to)
    WHERE piece.piece_from < piece.piece_to
$$;

COMMENT ON FUNCTION internal.cut_hours(timestamptz, timestamptz) IS
'The parts of (stretch_from, stretch_to] that are no whole hours: at most two, one at either end.';

-- The buckets of a window: hours, days, weeks, months or years as a clock and a calendar in a time zone show them, the first and the
-- last cut by the window. A day is the time between two midnights, 23 or 25 hours where the clocks are changed; a week
-- begins on Monday. An hour begins at minute 0 of the clock; every zone in use is a multiple of 15 minutes away from UTC.

CREATE FUNCTION internal.buckets(window_from timestamptz, window_to timestamptz, bucket text, timezone text)
RETURNS TABLE (bucket_from timestamptz, bucket_to timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 24
AS $$
    SELECT edge.instant, lead(edge.instant, 1, window_to) OVER (ORDER BY edge.instant)
    FROM (
        SELECT window_from AS instant
        WHERE
            internal.one_of('bucket', bucket, ARRAY['hour', 'day', 'week', 'month', 'year', 'window']) IS NOT NULL
            AND internal.time_zone(timezone) IS NOT NULL
        UNION
        SELECT (date_trunc(unit.name, window_from AT TIME ZONE timezone) + number * unit.length) AT TIME ZONE timezone
        FROM (
            VALUES
                ('day', interval '1 day', 1), ('week', interval '1 week', 7), ('month', interval '1 month', 28),
                ('year', interval '1 year', 365)
        ) AS unit (name, length, least_days)
        CROSS JOIN LATERAL generate_series(
            0, date_part('day', window_to - window_from)::integer / unit.least_days + 2
        ) AS number
        WHERE unit.name = bucket
        UNION
        SELECT internal.hour_floor(window_from) + quarter * interval '15 minutes'
        FROM generate_series(0, (date_part('epoch', window_to - window_from) / 900)::integer + 4) AS quarter
        WHERE
            bucket = 'hour'
            AND date_part('minute', (internal.hour_floor(window_from) + quarter * interval '15 minutes') AT TIME ZONE timezone) = 0
    ) AS edge
    WHERE edge.instant >= window_from AND edge.instant < window_to
$$;

COMMENT ON FUNCTION internal.buckets(timestamptz, timestamptz, text, text) IS
'The hours, days, weeks, months or years (bucket: hour, day, week, month, year, or window for a single one) of (window_from, window_to] by the clock of a time zone, in order, without gaps; the first and the last are cut by the window.';

-- Fields that qualify the figures of every answer: the share of the time they rest on, and why one is null.

CREATE FUNCTION internal.seconds_elapsed(stretch_from timestamptz, stretch_to timestamptz)
RETURNS float8
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT greatest(0, extract(epoch FROM least(stretch_to, now()) - stretch_from)::float8)
$$;

COMMENT ON FUNCTION internal.seconds_elapsed(timestamptz, timestamptz) IS
'Seconds of a stretch of time, as far as it has passed.';

-- Implemented by each profile, with one meaning: sql/timescale/time.sql and sql/postgres/time.sql.

COMMENT ON FUNCTION internal.hour_of_bucket(timestamptz) IS
'The whole hour (UTC) of an hourly bucket, by its bucket_start: what schema api shows.';

COMMENT ON FUNCTION internal.day_of_bucket(timestamptz) IS
'The day (UTC) of a daily bucket, by its bucket_start: what schema api shows.';
