-- What a change of policies would change.

CREATE FUNCTION api.policy_plan(wanted jsonb)
RETURNS TABLE (relation text, setting text, value_now text, value_wanted text)
LANGUAGE sql STABLE
AS $$
    SELECT plan.relation, change.setting, coalesce(change.value_now::text, 'never'), coalesce(change.value_wanted::text, 'never')
    FROM api.policy_wanted(wanted) AS plan
    JOIN api.policy USING (relation)
    CROSS JOIN LATERAL (
        VALUES
            (1, 'chunk_interval', policy.chunk_interval, plan.chunk_interval),
            (2, 'columnstore_after', policy.columnstore_after, plan.columnstore_after),
            (3, 'drop_after', policy.drop_after, plan.drop_after),
            (4, 'refresh_start_offset', policy.refresh_start_offset, plan.refresh_start_offset),
            (5, 'refresh_end_offset', policy.refresh_end_offset, plan.refresh_end_offset),
            (6, 'refresh_every', policy.refresh_every, plan.refresh_every)
    ) AS change (place, setting, value_now, value_wanted)
    WHERE change.value_now IS DISTINCT FROM change.value_wanted
    ORDER BY plan.relation, change.place
$$;

COMMENT ON FUNCTION api.policy_plan(jsonb) IS
'Settings that a change would alter, from what to what; no row where everything is so already. Changes nothing.';
