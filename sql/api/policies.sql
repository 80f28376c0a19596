-- What a change of policies would change in the database: its differences from the policies in force.

CREATE FUNCTION api.policy_plan(wanted jsonb DEFAULT '{}')
RETURNS TABLE (relation text, setting text, value_now text, value_wanted text)
LANGUAGE sql STABLE
AS $$
    SELECT
        plan.relation,
        change.setting,
        coalesce(internal.interval_text(change.value_now), 'never'),
        coalesce(internal.interval_text(change.value_wanted), 'never')
    FROM internal.policy_wanted(wanted) AS plan
    JOIN internal.policy_in_force AS kept USING (relation)
    CROSS JOIN LATERAL (
        VALUES
            (1, 'chunk_interval', kept.chunk_interval, plan.chunk_interval),
            (2, 'columnstore_after', kept.columnstore_after, plan.columnstore_after),
            (3, 'drop_after', kept.drop_after, plan.drop_after),
            (4, 'refresh_start_offset', kept.refresh_start_offset, plan.refresh_start_offset),
            (5, 'refresh_end_offset', kept.refresh_end_offset, plan.refresh_end_offset),
            (6, 'refresh_every', kept.refresh_every, plan.refresh_every)
    ) AS change (place, setting, value_now, value_wanted)
    WHERE change.value_now IS DISTINCT FROM change.value_wanted
    ORDER BY plan.relation, change.place
$$;

COMMENT ON FUNCTION api.policy_plan(jsonb) IS
'Settings that a change of policies would alter, with their values in force and after it; without a change, those that api.apply_policies() would alter: where somebody changed jobs or chunk intervals by TimescaleDB''s own calls, or telemetry.policy by hand. No row where nothing differs. Changes nothing.';

-- The only entry for changes: rejected as a whole by a guardrail, else stored in one transaction together with its jobs.

CREATE PROCEDURE api.set_policies(wanted jsonb)
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
DECLARE
    violation record;
BEGIN
    LOCK TABLE telemetry.policy IN SHARE ROW EXCLUSIVE MODE;
    -- Its errors first: psql quotes the statement that raises one, and this one is short.
    PERFORM internal.policy_wanted(wanted);
    FOR violation IN SELECT found.guardrail, found.message, found.hint FROM internal.policy_violations(wanted) AS found LOOP
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = violation.message,
            HINT = violation.hint,
            CONSTRAINT = violation.guardrail;
    END LOOP;
    UPDATE telemetry.policy
    SET
        chunk_interval = CASE WHEN wanted -> plan.relation ? 'chunk_interval' THEN plan.chunk_interval ELSE policy.chunk_interval END,
        columnstore_after = CASE WHEN wanted -> plan.relation ? 'columnstore_after' THEN plan.columnstore_after ELSE policy.columnstore_after END,
        drop_after = CASE WHEN wanted -> plan.relation ? 'drop_after' THEN plan.drop_after ELSE policy.drop_after END,
        refresh_start_offset = CASE WHEN wanted -> plan.relation ? 'refresh_start_offset' THEN plan.refresh_start_offset ELSE policy.refresh_start_offset END,
        refresh_end_offset = CASE WHEN wanted -> plan.relation ? 'refresh_end_offset' THEN plan.refresh_end_offset ELSE policy.refresh_end_offset END,
        refresh_every = CASE WHEN wanted -> plan.relation ? 'refresh_every' THEN plan.refresh_every ELSE policy.refresh_every END
    FROM internal.policy_wanted(wanted) AS plan
    WHERE policy.relation = plan.relation AND wanted ? plan.relation;
    CALL api.apply_policies(wanted);
END
$$;

COMMENT ON PROCEDURE api.set_policies(jsonb) IS
'Changes policies of several relations at once, {"relation": {"setting": "interval" or "never"}}, and the jobs with them; without any ({}) it applies telemetry.policy. Rejected as a whole (23514, with the guardrail''s name as the constraint) where a guardrail of internal.policy_violations forbids it.';

-- NULL leaves a setting as it is. Text and not interval, so that "never" is a value.
CREATE PROCEDURE api.set_policy(
    relation text,
    chunk_interval text DEFAULT NULL,
    columnstore_after text DEFAULT NULL,
    drop_after text DEFAULT NULL,
    refresh_start_offset text DEFAULT NULL,
    refresh_end_offset text DEFAULT NULL,
    refresh_every text DEFAULT NULL
)
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
DECLARE
    settings CONSTANT jsonb := jsonb_build_object(
        'chunk_interval', chunk_interval,
        'columnstore_after', columnstore_after,
        'drop_after', drop_after,
        'refresh_start_offset', refresh_start_offset,
        'refresh_end_offset', refresh_end_offset,
        'refresh_every', refresh_every
    );
BEGIN
    CALL api.set_policies(jsonb_build_object(relation, jsonb_strip_nulls(settings)));
END
$$;

COMMENT ON PROCEDURE api.set_policy(text, text, text, text, text, text, text) IS
'Changes the policy of one relation: CALL api.set_policy(''meter_hourly'', drop_after => ''800 days''); "never" switches off, omitted settings stay. Rejected where a guardrail of internal.policy_violations forbids it.';

CREATE PROCEDURE api.adopt_policies()
LANGUAGE sql
AS $$
    UPDATE telemetry.policy
    SET
        chunk_interval = found.chunk_interval,
        columnstore_after = found.columnstore_after,
        drop_after = found.drop_after,
        refresh_start_offset = found.refresh_start_offset,
        refresh_end_offset = found.refresh_end_offset,
        refresh_every = found.refresh_every
    FROM internal.policy_in_force AS found
    WHERE
        policy.relation = found.relation
        AND EXISTS (SELECT FROM api.policy_plan() AS change WHERE change.relation = found.relation);
    CALL internal.remember_dropped();
$$;

COMMENT ON PROCEDURE api.adopt_policies() IS
'Writes the policies in force into telemetry.policy: to keep chunk intervals or jobs that were changed by TimescaleDB''s own calls. Changes no job.';

-- Implemented by each profile, with one meaning: sql/timescale/policies.sql and sql/postgres/policies.sql.

COMMENT ON PROCEDURE api.apply_policies(jsonb) IS
'Sets the chunk intervals and jobs of this database to telemetry.policy; given a change of policies, only the settings it names. SELECT * FROM api.policy_plan(); shows beforehand what it changes. On the postgres profile it only reports what is not available.';
