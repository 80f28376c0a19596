-- Differs by necessity because most guardrails guard what only TimescaleDB has. Here rollups are right at every commit and
-- nothing is refreshed over dropped data; what would be wrong there is refused here too, so that a file of policies means
-- the same on both profiles.

CREATE FUNCTION api.policy_faults(wanted jsonb)
RETURNS TABLE (fault text, relation text, message text, hint text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT
        'drop_inside_the_refresh_window',
        source.relation,
        format(
            '%s would be dropped after %s, but the refresh of %s looks back %s: it would erase what was made of the dropped data',
            source.relation, source.drop_after, rollup.relation, rollup.refresh_start_offset
        ),
        format('Make drop_after of %s longer than refresh_start_offset of %s.', source.relation, rollup.relation)
    FROM api.policy_wanted(wanted) AS rollup
    JOIN api.policy_wanted(wanted) AS source ON source.relation = api.source_relation(rollup.relation)
    WHERE source.drop_after <= rollup.refresh_start_offset;

    RETURN QUERY
    SELECT
        'columnstore_inside_the_refresh_window',
        plan.relation,
        format(
            '%s would go to the columnstore after %s, but its refresh looks back %s and would write there',
            plan.relation, plan.columnstore_after, plan.refresh_start_offset
        ),
        'Make columnstore_after longer than refresh_start_offset.'::text
    FROM api.policy_wanted(wanted) AS plan
    WHERE plan.columnstore_after <= plan.refresh_start_offset;
END
$$;
