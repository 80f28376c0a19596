-- Lengths of time and numbers of things as people write them. PostgreSQL reads each length of time back as it was.

CREATE FUNCTION internal.interval_text(length interval)
RETURNS text
LANGUAGE sql STABLE STRICT
SET intervalstyle = 'postgres_verbose'
AS $$
    SELECT CASE
        WHEN words.positive = '0' THEN '0 seconds'
        WHEN words.positive LIKE '% ago' THEN regexp_replace(replace(words.positive, ' ago', ''), '([0-9.]+)', '-\1', 'g')
        ELSE words.positive
    END
    FROM (
        SELECT replace(replace(replace(replace(length::text, '@ ', ''), 'min', 'minute'), 'sec', 'second'), 'mon', 'month')
    ) AS words (positive)
$$;

COMMENT ON FUNCTION internal.interval_text(interval) IS
'A length of time in words, exactly: 10 minutes, 1 day 12 hours.';

CREATE FUNCTION internal.counted(number numeric, noun text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT format('%s %s%s', number, noun, CASE WHEN number = 1 THEN '' ELSE 's' END)
$$;

COMMENT ON FUNCTION internal.counted(numeric, text) IS
'A number of things: 1 hour, 2 hours. The plural of the noun ends in s.';

CREATE FUNCTION internal.first_of(names text[])
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT array_to_string(names[1:3], ', ')
        || CASE WHEN cardinality(names) > 3 THEN format(' and %s more', cardinality(names) - 3) ELSE '' END
$$;

COMMENT ON FUNCTION internal.first_of(text[]) IS 'The first three of some names, and how many more there are.';
