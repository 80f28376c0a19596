-- Differs by necessity because there are no chunks here to exclude.

CREATE FUNCTION internal.hour_of_bucket(bucket_start timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT internal.hour_floor(bucket_start)
$$;

CREATE FUNCTION internal.day_of_bucket(bucket_start timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT internal.day_floor(bucket_start)
$$;
