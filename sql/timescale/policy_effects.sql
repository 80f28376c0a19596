-- Differs by necessity because TimescaleDB drops and compresses whole chunks. Readings are counted from the hourly rollup,
-- rows of a rollup one by one. Where the rollup is behind, there are more readings than it knows of.

CREATE FUNCTION api.policy_effects(wanted jsonb)
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
BEGIN
    FOR relation, effect, chunks, stored_bytes, range_from, range_to IN
        SELECT
            plan.relation,
            change.effect,
            count(*),
            sum(chunk.total_bytes),
            min(chunk.range_from),
            max(chunk.range_to)
        FROM api.policy_wanted(wanted) AS plan
        JOIN api.policy_in_force AS kept USING (relation)
        CROSS JOIN LATERAL (
            VALUES
                ('drop', plan.drop_after, kept.drop_after),
                ('columnstore', plan.columnstore_after, kept.columnstore_after)
        ) AS change (effect, after_wanted, after_now)
        JOIN api.chunk_size AS chunk USING (relation)
        WHERE
            change.after_wanted IS DISTINCT FROM change.after_now
            AND chunk.range_to <= api.expired_before(change.after_wanted)
            AND (change.effect = 'drop' OR NOT chunk.is_compressed)
        GROUP BY plan.relation, change.effect
        ORDER BY plan.relation, change.effect DESC
    LOOP
        EXECUTE CASE
            WHEN relation LIKE '%\_history' THEN
                format(
                    'SELECT coalesce(sum(readings), 0)::bigint FROM api.%I WHERE bucket_start >= $1 AND bucket_start < $2',
                    replace(relation, '_telemetry_history', '_hourly')
                )
            ELSE format('SELECT count(*) FROM api.%I WHERE bucket_start >= $1 AND bucket_start < $2', relation)
        END
        INTO stored_rows
        USING range_from, range_to;
        is_at_least := EXISTS (
            SELECT
            FROM api.refresh_lag AS lag
            WHERE
                lag.relation = replace(policy_effects.relation, '_telemetry_history', '_hourly')
                AND policy_effects.relation LIKE '%\_history'
                AND lag.backlog_from < range_to
                AND lag.backlog_to > range_from
        );
        RETURN NEXT;
    END LOOP;
END
$$;
