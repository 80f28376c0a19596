-- Days begin at midnight UTC, as the daily rollups' buckets do. Immutable down to their last term, for the same reason as
-- the hours.

CREATE FUNCTION api.day_floor(instant timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT date_bin(interval '24 hours', instant, timestamptz '2000-01-01 00:00:00+00')
$$;

COMMENT ON FUNCTION api.day_floor(timestamptz) IS
'The midnight (UTC) at or before an instant: the start of its daily rollup bucket.';

CREATE FUNCTION api.day_ceiling(instant timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT to_timestamp(ceil(date_part('epoch', instant - timestamptz '1970-01-01 00:00:00+00') / 86400) * 86400)
$$;

COMMENT ON FUNCTION api.day_ceiling(timestamptz) IS
'The midnight (UTC) at or after an instant: the first daily rollup bucket that lies wholly after it.';
