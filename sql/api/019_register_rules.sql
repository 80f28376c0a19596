-- The numbers by which registers are read, each with its name. Strict, so that a strict function that names one can be
-- inlined: register_look_from is asked of every row of a fleet.

CREATE FUNCTION api.register_look_back()
RETURNS interval
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT interval '168 hours'
$$;

COMMENT ON FUNCTION api.register_look_back() IS
'How long the high-water mark of a register is remembered: the day (UTC) of the reading, and this much before it. The previous reading counts however old it is.';

CREATE FUNCTION api.register_tolerance()
RETURNS float8
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT float8 '0.9'
$$;

COMMENT ON FUNCTION api.register_tolerance() IS
'A register that steps down to no less than this share of its previous value jitters; deeper, it was reset. One that was at this share of its modulus or above has rolled over.';

-- Immutable down to its last term, as the functions of 010_hours are, so that the planner knows which chunks it needs.
CREATE FUNCTION api.register_look_from(instant timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT to_timestamp(
        floor(date_part('epoch', instant - timestamptz '1970-01-01 00:00:00+00') / 86400) * 86400
        - date_part('epoch', api.register_look_back())
    )
$$;

COMMENT ON FUNCTION api.register_look_from(timestamptz) IS
'From when on the readings of a register count for the high-water mark of a reading: the start of its day (UTC), less register_look_back.';
