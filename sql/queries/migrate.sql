-- name: function_validators
-- The service's functions, each with the function of its language that checks the body of one.
SELECT
    routine.oid,
    format('%s.%s', routine.pronamespace::regnamespace, routine.proname),
    validator.proname
FROM pg_catalog.pg_proc AS routine
JOIN pg_catalog.pg_language AS language ON language.oid = routine.prolang
JOIN pg_catalog.pg_proc AS validator ON validator.oid = language.lanvalidator
WHERE routine.pronamespace IN ('api'::regnamespace, 'internal'::regnamespace, 'telemetry'::regnamespace)
ORDER BY 2;

-- name: names_missing
-- Missing objects of these schemas that functions in PL/pgSQL name. A name followed by % is a part of one.
SELECT
    format('%s.%s', routine.pronamespace::regnamespace, routine.proname),
    string_agg(DISTINCT format('%s.%s', named.parts[1], named.parts[2]), ', ')
FROM pg_catalog.pg_proc AS routine
JOIN pg_catalog.pg_language AS language ON language.oid = routine.prolang
CROSS JOIN regexp_matches(
    regexp_replace(routine.prosrc, '--[^\n]*', '', 'g'), '\m(api|internal|telemetry)\.([a-z0-9_]+)\M(?!%)', 'g'
) AS named (parts)
WHERE
    routine.pronamespace IN ('api'::regnamespace, 'internal'::regnamespace, 'telemetry'::regnamespace)
    AND language.lanname = 'plpgsql'
    AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_class
        WHERE relnamespace = named.parts[1]::regnamespace AND relname = named.parts[2]
    )
    AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_proc
        WHERE pronamespace = named.parts[1]::regnamespace AND proname = named.parts[2]
    )
GROUP BY 1
ORDER BY 1;
