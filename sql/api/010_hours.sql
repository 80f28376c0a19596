-- Hours begin at whole hours of UTC, as the rollups' buckets do. Both functions are immutable down to their last term, so
-- that the planner folds them to constants and leaves out the chunks that a window does not touch.

CREATE FUNCTION api.hour_floor(instant timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT date_bin(interval '1 hour', instant, timestamptz '2000-01-01 00:00:00+00')
$$;

COMMENT ON FUNCTION api.hour_floor(timestamptz) IS
'The whole hour (UTC) at or before an instant: the start of its rollup bucket.';

CREATE FUNCTION api.hour_ceiling(instant timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT to_timestamp(ceil(date_part('epoch', instant - timestamptz '1970-01-01 00:00:00+00') / 3600) * 3600)
$$;

COMMENT ON FUNCTION api.hour_ceiling(timestamptz) IS
'The whole hour (UTC) at or after an instant: the first rollup bucket that lies wholly after it.';
