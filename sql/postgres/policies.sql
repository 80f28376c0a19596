-- Differs by necessity because there are no background jobs here: retention is what api.upkeep() does with the same rows,
-- the rollups are right at every commit, and there is no columnstore. The call reports it.

CREATE PROCEDURE api.apply_policies(wanted jsonb DEFAULT '{}')
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
    PERFORM internal.policy_wanted(wanted);
    RAISE NOTICE 'postgres profile: drop_after is carried out by api.upkeep(); chunks, columnstore and refresh need TimescaleDB';
END
$$;

-- Differs by necessity because here api.upkeep() reads telemetry.policy itself: its values are in force.

CREATE VIEW internal.policy_in_force AS
SELECT
    policy.relation,
    policy.chunk_interval,
    policy.columnstore_after,
    policy.drop_after,
    policy.refresh_start_offset,
    policy.refresh_end_offset,
    policy.refresh_every
FROM telemetry.policy;

-- Differs by necessity because there are no chunks and no columnstore here: upkeep deletes rows one batch after another,
-- and the space they leave goes to new ones. Readings are counted from the hourly rollup, rows of a rollup one by one.

CREATE FUNCTION internal.policy_effects(wanted jsonb)
RETURNS TABLE (
    relation text,
    effect text,
    chunks bigint,
    stored_rows bigint,
    stored_bytes bigint,
    range_from timestamptz,
    range_to timestamptz,
    is_at_least boolean
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog
AS $$
DECLARE
    gone_before timestamptz;
BEGIN
    effect := 'drop';
    is_at_least := false;
    FOR relation, gone_before, range_to IN
        SELECT
            plan.relation,
            internal.already_dropped(plan.relation),
            internal.expired_before(plan.drop_after)
        FROM internal.policy_wanted(wanted) AS plan
        JOIN internal.policy_in_force AS kept USING (relation)
        WHERE plan.drop_after IS DISTINCT FROM kept.drop_after AND internal.expired_before(plan.drop_after) IS NOT NULL
        ORDER BY plan.relation
    LOOP
        EXECUTE format(
            'SELECT %s, min(bucket_start) FROM internal.%I WHERE bucket_start < $1 AND bucket_start >= coalesce($2, ''-infinity'')',
            CASE WHEN relation LIKE '%\_history' THEN 'sum(readings)::bigint' ELSE 'count(*)' END,
            replace(relation, '_telemetry_history', '_hourly')
        )
        INTO stored_rows, range_from
        USING range_to, gone_before;
        IF range_from IS NOT NULL THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;

-- Differs by necessity because here rollups are right at every commit, and so show what is dropped.

CREATE FUNCTION internal.policy_violations(wanted jsonb)
RETURNS TABLE (guardrail text, relation text, message text, hint text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog
AS $$
#variable_conflict use_column
BEGIN
    PERFORM internal.policy_wanted(wanted);
    RETURN QUERY SELECT found.* FROM internal.policy_contradictions(wanted) AS found;
END
$$;
