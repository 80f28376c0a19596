-- Differs by necessity because TimescaleDB turns a comparison of time_bucket(column) with a constant into one of the column,
-- by which it excludes chunks; with date_bin it reads them all.

CREATE FUNCTION internal.hour_of_bucket(bucket_start timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT public.time_bucket(interval '1 hour', bucket_start)
$$;

CREATE FUNCTION internal.day_of_bucket(bucket_start timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT public.time_bucket(interval '1 day', bucket_start)
$$;
