-- A hundred years are for ever: further back, the calendars of clients end before PostgreSQL's does.

CREATE FUNCTION api.expired_before(kept_for interval)
RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT now() - CASE WHEN kept_for <= interval '36500 days' THEN kept_for END
$$;

COMMENT ON FUNCTION api.expired_before(interval) IS
'The instant before which data has expired that is kept for so long; null where that is for ever, or for more than a hundred years.';

-- From where on the history is whole: what the policy keeps, less what an earlier policy dropped.

CREATE FUNCTION api.history_horizon(relation_name text)
RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT greatest(api.expired_before(policy.drop_after), policy.dropped_before)
    FROM api.policy
    WHERE policy.relation = relation_name
$$;

COMMENT ON FUNCTION api.history_horizon(text) IS
'The instant from which on a history (by its name in schema telemetry) is kept whole; null where nothing was ever dropped. Older readings are refused, older rollups left alone.';

-- A rollup row is computed anew only while all that it was made of is there. What the policy drops is known by the policy;
-- what somebody else dropped is written down before a refresh, because a late reading could fill the gap that tells of it.

CREATE PROCEDURE api.remember_dropped()
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE telemetry.policy
    SET dropped_before = seen.dropped_before
    FROM (
        SELECT policy.relation, api.already_dropped(policy.relation) AS dropped_before
        FROM telemetry.policy
    ) AS seen
    WHERE
        policy.relation = seen.relation
        AND seen.dropped_before > greatest(api.expired_before(policy.drop_after), policy.dropped_before, '-infinity');
END
$$;

COMMENT ON PROCEDURE api.remember_dropped() IS
'Writes down in telemetry.policy up to where data is gone that the policy keeps; every refresh calls it first.';

-- What a rollup is made of: days of hours, hours of the history.

CREATE FUNCTION api.source_relation(relation_name text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN relation_name LIKE '%\_daily' THEN replace(relation_name, '_daily', '_hourly')
        WHEN relation_name LIKE '%\_hourly' THEN replace(relation_name, '_hourly', '_telemetry_history')
    END
$$;

COMMENT ON FUNCTION api.source_relation(text) IS
'Name of the relation in schema telemetry that a rollup is made of: the hourly one of a daily one, the history of an hourly one; null for a history.';

CREATE FUNCTION api.newest_known(relation_name text)
RETURNS timestamptz
LANGUAGE sql STABLE
AS $$
    SELECT CASE
        WHEN relation_name LIKE 'meter%' THEN (SELECT max(recorded_at) FROM api.live_meter_state)
        ELSE (SELECT max(recorded_at) FROM api.live_vehicle_state)
    END + interval '1 microsecond'
$$;

COMMENT ON FUNCTION api.newest_known(text) IS
'The instant just after the newest reading of the devices that a relation (by its name in schema telemetry) is about; null where there is none.';
