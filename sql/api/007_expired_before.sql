-- A hundred years are for ever: further back, the calendars of clients end before PostgreSQL's does.

CREATE FUNCTION api.expired_before(kept_for interval)
RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT now() - CASE WHEN kept_for <= interval '36500 days' THEN kept_for END
$$;

COMMENT ON FUNCTION api.expired_before(interval) IS
'The instant before which data has expired that is kept for so long; null where that is for ever, or for more than a hundred years.';
