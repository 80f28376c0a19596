-- A hundred years are for ever: further back, the calendars of clients end before PostgreSQL's does.

CREATE FUNCTION internal.expired_before(kept_for interval)
RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT now() - CASE WHEN kept_for <= interval '36500 days' THEN kept_for END
$$;

COMMENT ON FUNCTION internal.expired_before(interval) IS
'The instant before which data has expired that is kept for so long; null where that is for ever, or for more than a hundred years.';

-- The instant from which the history is whole: the policy's, or a later one up to which an earlier policy dropped data.

CREATE FUNCTION internal.history_horizon(relation_name text)
RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT greatest(internal.expired_before(policy.drop_after), policy.dropped_before)
    FROM internal.policy
    WHERE policy.relation = relation_name
$$;

COMMENT ON FUNCTION internal.history_horizon(text) IS
'The instant from which on a history (by its name in schema telemetry) is kept whole; null where nothing was ever dropped. Older readings are rejected, older rollups stay unchanged.';

-- A rollup row is recomputed only while all of its source is there. The policy shows what it drops; what somebody else
-- dropped is recorded before a refresh, because a late reading could fill the gap that shows it.

CREATE PROCEDURE internal.remember_dropped()
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE telemetry.policy
    SET dropped_before = seen.dropped_before
    FROM (
        SELECT policy.relation, internal.already_dropped(policy.relation) AS dropped_before
        FROM telemetry.policy
    ) AS seen
    WHERE
        policy.relation = seen.relation
        AND seen.dropped_before > greatest(internal.expired_before(policy.drop_after), policy.dropped_before, '-infinity');
END
$$;

COMMENT ON PROCEDURE internal.remember_dropped() IS
'Writes down in telemetry.policy up to where data is gone that the policy keeps; every refresh calls it first.';

-- The source of a rollup: hours for days, the history for hours.

CREATE FUNCTION internal.source_relation(relation_name text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN relation_name LIKE '%\_daily' THEN replace(relation_name, '_daily', '_hourly')
        WHEN relation_name LIKE '%\_hourly' THEN replace(relation_name, '_hourly', '_telemetry_history')
    END
$$;

COMMENT ON FUNCTION internal.source_relation(text) IS
'Name of the relation in schema telemetry that a rollup is made of: the hourly one of a daily one, the history of an hourly one; null for a history.';

-- A single missing hour of a device, before all data left, may be a reading of a wrong clock that somebody deleted; more of
-- them are retention. Where retention was seen before, it continues hour by hour.

CREATE FUNCTION internal.hours_of_retention(dropped_before timestamptz)
RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN dropped_before IS NULL THEN 2 ELSE 1 END
$$;

COMMENT ON FUNCTION internal.hours_of_retention(timestamptz) IS
'How many rollup rows have to be older than everything left for a deletion to be retention and not a correction, by what telemetry.policy remembers.';

-- Implemented by each profile, with one meaning: sql/timescale/retention.sql and sql/postgres/retention.sql.

COMMENT ON FUNCTION internal.already_dropped(text) IS
'The instant before which data of a relation (by its name in schema telemetry) that a rollup was computed from is gone; null where all of it exists.';

COMMENT ON FUNCTION internal.deleted_before(text) IS
'The same after rows of a relation were deleted, where no device has rows that old any more; else the value in telemetry.policy.';

COMMENT ON VIEW internal.retention_lag IS
'How far the oldest rows of each relation that drops any are past their time. Normal: overdue_by below normal_lag. More: retention does not run, or fails: see its job, or upkeep (postgres profile), in api.job_health.';
COMMENT ON COLUMN internal.retention_lag.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN internal.retention_lag.drop_after IS 'Age at which its policy wants rows dropped.';
COMMENT ON COLUMN internal.retention_lag.oldest_from IS 'Its oldest row; timescale profile: the beginning of its oldest chunk. Null: there is none.';
COMMENT ON COLUMN internal.retention_lag.overdue_by IS 'By how much that is older than drop_after; negative where it is younger.';
COMMENT ON COLUMN internal.retention_lag.normal_lag IS 'Upper bound of overdue_by while retention runs: a day, and the length of a chunk, which is dropped whole.';
