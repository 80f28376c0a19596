-- A misspelt argument is an error that names the allowed values. Immutable, so that an argument known at planning time costs
-- nothing at run time.

CREATE FUNCTION internal.one_of(argument text, given text, allowed text[])
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog
AS $$
BEGIN
    IF given = ANY (allowed) THEN
        RETURN given;
    END IF;
    RAISE EXCEPTION '% cannot be %', argument, quote_nullable(given)
        USING ERRCODE = 'invalid_parameter_value', HINT = format('Allowed: %s.', array_to_string(allowed, ', '));
END
$$;

COMMENT ON FUNCTION internal.one_of(text, text, text[]) IS
'The value of an argument. Error 22023, with the allowed values, where it is none of them.';

-- PostgreSQL takes UTC+2 for a zone two hours west of UTC (POSIX): whoever writes that means the opposite.

CREATE FUNCTION internal.time_zone(given text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog
AS $$
BEGIN
    IF given !~ '^[A-Za-z]+[-+]?[0-9]' OR given ~ '^(GMT[-+]?0|[CEMP]ST[5-8][CEMP]DT)$' THEN
        PERFORM timezone(given, timestamptz '2000-01-01 00:00:00+00');
        RETURN given;
    END IF;
    RAISE invalid_parameter_value;
EXCEPTION WHEN invalid_parameter_value THEN
    RAISE EXCEPTION 'timezone cannot be %', quote_nullable(given)
        USING
            ERRCODE = 'invalid_parameter_value',
            HINT = 'Give a name of pg_timezone_names, for example Europe/Berlin, or UTC.';
END
$$;

COMMENT ON FUNCTION internal.time_zone(text) IS
'A time zone that PostgreSQL knows, as it is given. Error 22023 for any other, with an example.';
