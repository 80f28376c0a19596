-- Guardrails of both profiles. On the postgres one nothing is refreshed over dropped data; what would be wrong on the other
-- is refused there too, so that a file of policies means the same on both, and a copy finds policies it can apply.

CREATE FUNCTION api.policy_contradictions(wanted jsonb)
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
        'refresh_looks_back_over_dropped_data',
        rollup.relation,
        format(
            'the refresh of %s would look back %s, but %s was dropped up to %s: it would erase what was made of the dropped data',
            rollup.relation, rollup.refresh_start_offset, source.relation, source.dropped_before
        ),
        format(
            'This is safe from %s on; until then keep refresh_start_offset within %s.',
            date_trunc('minute', source.dropped_before + rollup.refresh_start_offset) + interval '1 minute',
            date_trunc('hour', now() - source.dropped_before)
        )
    FROM api.policy_wanted(wanted) AS rollup
    JOIN api.policy AS kept ON kept.relation = rollup.relation
    CROSS JOIN LATERAL (
        SELECT policy.relation, api.already_dropped(policy.relation, policy.drop_after) AS dropped_before
        FROM api.policy
        WHERE policy.relation = api.source_relation(rollup.relation)
    ) AS source
    WHERE
        (rollup.refresh_start_offset > kept.refresh_start_offset OR kept.refresh_start_offset IS NULL)
        AND now() - rollup.refresh_start_offset < source.dropped_before;

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

COMMENT ON FUNCTION api.policy_contradictions(jsonb) IS
'Of api.policy_faults, what is refused on both storage profiles: settings that contradict each other, or what was dropped.';
