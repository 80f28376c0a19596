-- What a change of policies would change in the database: what differs from what it carries out now.

CREATE FUNCTION api.policy_plan(wanted jsonb DEFAULT '{}')
RETURNS TABLE (relation text, setting text, value_now text, value_wanted text)
LANGUAGE sql STABLE
AS $$
    SELECT plan.relation, change.setting, coalesce(change.value_now::text, 'never'), coalesce(change.value_wanted::text, 'never')
    FROM api.policy_wanted(wanted) AS plan
    JOIN api.policy_in_force AS kept USING (relation)
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
'Settings that a change of policies would alter, from what the database carries out to what it would; without a change, what api.apply_policies() would alter: where somebody changed jobs or chunk intervals by TimescaleDB''s own calls, or telemetry.policy by hand. No row where everything is so already. Changes nothing.';
