-- Guardrails of both profiles. On the postgres one nothing is refreshed over dropped data; what would be wrong on the other
-- is refused there too, so that a file of policies means the same on both, and a copy finds policies it can apply.

CREATE FUNCTION api.policy_contradictions(wanted jsonb)
RETURNS TABLE (fault text, relation text, message text, hint text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog
AS $$
#variable_conflict use_column
DECLARE
    longest CONSTANT interval := interval '36500 days';
BEGIN
    -- Each setting by itself. What is left as it is may be as it is.
    RETURN QUERY
    SELECT
        CASE WHEN change.wanted > longest THEN 'interval_is_too_long' ELSE 'interval_is_too_short' END,
        plan.relation,
        format(
            '%s.%s would be %s, but %s is the %s it can be',
            plan.relation,
            change.setting,
            change.wanted,
            CASE WHEN change.wanted > longest THEN longest ELSE change.shortest END,
            CASE WHEN change.wanted > longest THEN 'longest' ELSE 'shortest' END
        ),
        CASE
            WHEN change.wanted > longest THEN 'What is kept for ever is "never" dropped.'
            ELSE format('A setting that is not named stays as it is: %s.', coalesce(change.kept::text, 'never'))
        END
    FROM api.policy_wanted(wanted) AS plan
    JOIN api.policy_in_force AS kept ON kept.relation = plan.relation
    CROSS JOIN LATERAL (
        VALUES
            ('chunk_interval', plan.chunk_interval, kept.chunk_interval, interval '1 hour'),
            ('columnstore_after', plan.columnstore_after, kept.columnstore_after, interval '1 hour'),
            ('drop_after', plan.drop_after, kept.drop_after, interval '1 hour'),
            ('refresh_start_offset', plan.refresh_start_offset, kept.refresh_start_offset, interval '3 hours'),
            ('refresh_end_offset', plan.refresh_end_offset, kept.refresh_end_offset, interval '1 hour'),
            ('refresh_every', plan.refresh_every, kept.refresh_every, interval '10 seconds')
    ) AS change (setting, wanted, kept, shortest)
    WHERE
        change.wanted IS DISTINCT FROM change.kept
        AND (change.wanted < change.shortest OR change.wanted > longest);
    IF FOUND THEN
        -- What follows would reckon with them.
        RETURN;
    END IF;

    -- The settings of a relation together, as the constraints of the table have it.
    RETURN QUERY
    SELECT broken.fault, plan.relation, broken.message, broken.hint
    FROM api.policy_wanted(wanted) AS plan
    CROSS JOIN LATERAL (
        VALUES
            (
                plan.chunk_interval IS NULL,
                'chunk_interval_is_given',
                format('%s would have no chunk_interval: chunks are always of some length', plan.relation),
                'A chunk_interval that is not named stays as it is.'
            ),
            (
                plan.relation LIKE '%\_history'
                AND num_nonnulls(plan.refresh_start_offset, plan.refresh_end_offset, plan.refresh_every) > 0,
                'only_rollups_are_refreshed',
                format('%s would be refreshed, but it is a history', plan.relation),
                'Its hourly rollup is refreshed.'
            ),
            (
                plan.relation NOT LIKE '%\_history'
                AND num_nulls(plan.refresh_start_offset, plan.refresh_end_offset, plan.refresh_every) IN (1, 2),
                'refresh_is_given_whole_or_not_at_all',
                format('%s would have a part of a refresh', plan.relation),
                'Give refresh_start_offset, refresh_end_offset and refresh_every, or "never" for all three.'
            ),
            (
                plan.refresh_start_offset < plan.refresh_end_offset + interval '2 hours',
                'refresh_starts_before_it_ends',
                format(
                    'the refresh of %s would look back %s and end %s ago, without two whole hours in between',
                    plan.relation, plan.refresh_start_offset, plan.refresh_end_offset
                ),
                'Make refresh_start_offset longer than refresh_end_offset by 2 hours at least.'
            ),
            (
                plan.relation LIKE '%\_daily'
                AND plan.refresh_start_offset < plan.refresh_end_offset + interval '2 days',
                'daily_refresh_spans_two_days',
                format(
                    'the refresh of %s would look back %s and end %s ago, without two whole days in between',
                    plan.relation, plan.refresh_start_offset, plan.refresh_end_offset
                ),
                'Make refresh_start_offset longer than refresh_end_offset by 2 days at least.'
            )
    ) AS broken (is_broken, fault, message, hint)
    WHERE broken.is_broken;
    IF FOUND THEN
        RETURN;
    END IF;

    RETURN QUERY
    SELECT
        'drop_inside_the_refresh_window',
        source.relation,
        format(
            '%s would be dropped after %s, but the refresh of %s looks back %s: what came late would be dropped before it shows',
            source.relation, source.drop_after, rollup.relation, rollup.refresh_start_offset
        ),
        format('Make drop_after of %s longer than refresh_start_offset of %s.', source.relation, rollup.relation)
    FROM api.policy_wanted(wanted) AS rollup
    JOIN api.policy_in_force AS rollup_kept ON rollup_kept.relation = rollup.relation
    JOIN api.policy_wanted(wanted) AS source ON source.relation = api.source_relation(rollup.relation)
    JOIN api.policy_in_force AS kept ON kept.relation = source.relation
    WHERE
        source.drop_after <= rollup.refresh_start_offset
        AND (source.drop_after, rollup.refresh_start_offset)
            IS DISTINCT FROM (kept.drop_after, rollup_kept.refresh_start_offset);

    RETURN QUERY
    SELECT
        'drop_inside_the_refresh_window',
        plan.relation,
        format(
            '%s would be dropped after %s, but its refresh looks back %s: it would write again what was dropped',
            plan.relation, plan.drop_after, plan.refresh_start_offset
        ),
        'Make drop_after longer than refresh_start_offset.'::text
    FROM api.policy_wanted(wanted) AS plan
    JOIN api.policy_in_force AS kept ON kept.relation = plan.relation
    WHERE
        plan.drop_after <= plan.refresh_start_offset
        AND (plan.drop_after, plan.refresh_start_offset)
            IS DISTINCT FROM (kept.drop_after, kept.refresh_start_offset);

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
    JOIN api.policy_in_force AS kept ON kept.relation = plan.relation
    WHERE
        plan.columnstore_after <= plan.refresh_start_offset
        AND (plan.columnstore_after, plan.refresh_start_offset)
            IS DISTINCT FROM (kept.columnstore_after, kept.refresh_start_offset);
END
$$;

COMMENT ON FUNCTION api.policy_contradictions(jsonb) IS
'Of api.policy_faults, what is refused on both storage profiles: settings that contradict each other, or what was dropped.';
