-- The buckets of a window: hours or days as a clock in a time zone shows them, the first and the last cut by the window.
-- A day is the time between two midnights, 23 or 25 hours where the clocks are changed. An hour begins where the minute
-- hand stands at 0; every zone in use is a multiple of 15 minutes away from UTC.

CREATE FUNCTION api.buckets(window_from timestamptz, window_to timestamptz, bucket text, timezone text)
RETURNS TABLE (bucket_from timestamptz, bucket_to timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 24
AS $$
    SELECT edge.instant, lead(edge.instant, 1, window_to) OVER (ORDER BY edge.instant)
    FROM (
        SELECT window_from AS instant
        UNION
        SELECT (date_trunc('day', window_from AT TIME ZONE timezone) + day * interval '1 day') AT TIME ZONE timezone
        FROM generate_series(0, date_part('day', window_to - window_from)::integer + 2) AS day
        WHERE bucket = 'day'
        UNION
        SELECT api.hour_floor(window_from) + quarter * interval '15 minutes'
        FROM generate_series(0, (date_part('epoch', window_to - window_from) / 900)::integer + 4) AS quarter
        WHERE
            bucket = 'hour'
            AND date_part('minute', (api.hour_floor(window_from) + quarter * interval '15 minutes') AT TIME ZONE timezone) = 0
    ) AS edge
    WHERE edge.instant >= window_from AND edge.instant < window_to
$$;

COMMENT ON FUNCTION api.buckets(timestamptz, timestamptz, text, text) IS
'The hours or days (bucket: hour, day, or window for a single one) of [window_from, window_to) by the clock of a time zone, in order, without gaps; the first and the last are cut by the window.';
