-- What a stretch of time is made of: whole hours, which are in the rollup, and beside them the rest of the hour in which it
-- begins and the start of the hour in which it ends. A stretch within one hour is one cut hour; one of whole hours has none.

CREATE FUNCTION api.whole_hours(stretch_from timestamptz, stretch_to timestamptz)
RETURNS TABLE (bucket_start timestamptz)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 24
AS $$
    SELECT hour.bucket_start
    FROM generate_series(
        api.hour_ceiling(stretch_from), api.hour_floor(stretch_to) - interval '1 hour', interval '1 hour'
    ) AS hour (bucket_start)
$$;

COMMENT ON FUNCTION api.whole_hours(timestamptz, timestamptz) IS
'The whole hours of [stretch_from, stretch_to), as the rollups name them.';

CREATE FUNCTION api.cut_hours(stretch_from timestamptz, stretch_to timestamptz)
RETURNS TABLE (cut_from timestamptz, cut_to timestamptz)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT piece.piece_from, piece.piece_to
    FROM (
        VALUES
            (stretch_from, least(stretch_to, api.hour_ceiling(stretch_from))),
            (greatest(api.hour_floor(stretch_to), api.hour_ceiling(stretch_from)), stretch_to)
    ) AS piece (piece_from, piece_to)
    WHERE piece.piece_from < piece.piece_to
$$;

COMMENT ON FUNCTION api.cut_hours(timestamptz, timestamptz) IS
'The parts of [stretch_from, stretch_to) that are no whole hours: at most two, one at either end.';
