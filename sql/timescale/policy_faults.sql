-- Differs by necessity because most guardrails guard what is TimescaleDB's own: refreshes, the columnstore, jobs and
-- chunks. A guardrail refuses what a change makes worse, and is silent about the rest: who repairs one setting is not held
-- up by another.

CREATE FUNCTION api.policy_faults(wanted jsonb)
RETURNS TABLE (fault text, relation text, message text, hint text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog
AS $$
#variable_conflict use_column
DECLARE
    jobs_wanted bigint;
    jobs_now bigint;
    workers CONSTANT bigint := (SELECT load.workers FROM api.job_workers AS load);
    memory_bytes CONSTANT bigint := pg_size_bytes(current_setting('effective_cache_size'));
    hot_bytes bigint;
BEGIN
    PERFORM api.policy_wanted(wanted);
    RETURN QUERY SELECT found.* FROM api.policy_contradictions(wanted) AS found;
    IF FOUND THEN
        RETURN;
    END IF;

    RETURN QUERY
    SELECT
        'drop_before_the_rollup_is_refreshed',
        source.relation,
        CASE
            WHEN rollup.refresh_every IS NULL THEN format(
                '%s would be dropped after %s, but %s, which is made of it, would never be refreshed',
                source.relation, source.drop_after, rollup.relation
            )
            ELSE format(
                '%s would lose what is older than %s, but %s does not show all of it yet: %s',
                source.relation,
                source.drop_after,
                rollup.relation,
                CASE
                    WHEN lag.backlog_from < now() - source.drop_after
                        THEN format('%s hours from %s on wait for a refresh', ceil(lag.backlog_h), lag.backlog_from)
                    WHEN lag.materialised_before IS NULL THEN 'it was never refreshed'
                    ELSE format('it is refreshed up to %s', lag.materialised_before)
                END
            )
        END,
        CASE
            WHEN rollup.refresh_every IS NULL THEN format('Give %s a refresh first.', rollup.relation)
            ELSE format(
                'First: CALL api.refresh_rollups(%L, %L);',
                coalesce(
                    lag.backlog_from,
                    lag.materialised_before,
                    (SELECT min(chunk.range_from) FROM api.chunk WHERE chunk.relation = source.relation)
                ),
                now()
            )
        END
    FROM api.policy_wanted(wanted) AS source
    JOIN api.policy_in_force AS kept ON kept.relation = source.relation
    JOIN api.policy_wanted(wanted) AS rollup ON api.source_relation(rollup.relation) = source.relation
    JOIN api.policy_in_force AS rollup_kept ON rollup_kept.relation = rollup.relation
    JOIN api.refresh_lag AS lag ON lag.relation = rollup.relation
    WHERE
        (
            rollup.refresh_every IS NULL
            AND source.drop_after IS NOT NULL
            AND (rollup_kept.refresh_every IS NOT NULL OR kept.drop_after IS DISTINCT FROM source.drop_after)
        )
        OR (
            source.drop_after < coalesce(kept.drop_after, interval '1000 years')
            AND (
                lag.backlog_from < now() - source.drop_after
                OR (
                    coalesce(lag.materialised_before, '-infinity') < now() - source.drop_after
                    AND EXISTS (
                        SELECT
                        FROM api.chunk
                        WHERE chunk.relation = source.relation AND chunk.range_from < now() - source.drop_after
                    )
                )
            )
        );

    RETURN QUERY
    SELECT
        'columnstore_where_late_readings_come',
        plan.relation,
        format(
            '%s would go to the columnstore after %s, but of its late readings 9 in 10 come within %s: many would be inserted there',
            plan.relation, plan.columnstore_after, date_trunc('minute', sample.late_p90)
        ),
        format('Make columnstore_after no less than %s; SELECT * FROM api.lateness() shows the sample.', sample.late_p90)
    FROM api.policy_wanted(wanted) AS plan
    JOIN api.policy_in_force AS kept ON kept.relation = plan.relation
    JOIN (
        -- Asked only where it matters, because it reads history.
        SELECT late.*
        FROM api.lateness() AS late
        WHERE EXISTS (SELECT FROM api.policy_plan(wanted) AS change WHERE change.setting = 'columnstore_after')
    ) AS sample ON sample.relation = plan.relation
    WHERE
        plan.columnstore_after < coalesce(kept.columnstore_after, interval '1000 years')
        AND plan.columnstore_after < sample.late_p90
        -- Fewer are chance.
        AND sample.late_readings >= 100;

    SELECT
        load.jobs + sum(
            num_nonnulls(plan.columnstore_after, plan.drop_after, plan.refresh_every)
            - num_nonnulls(kept.columnstore_after, kept.drop_after, kept.refresh_every)
        ),
        load.jobs
    INTO jobs_wanted, jobs_now
    FROM api.policy_wanted(wanted) AS plan
    JOIN api.policy_in_force AS kept USING (relation)
    CROSS JOIN api.job_workers AS load
    GROUP BY load.jobs;
    IF jobs_wanted > workers AND jobs_wanted > jobs_now THEN
        RETURN QUERY
        SELECT
            'more_jobs_than_workers',
            NULL::text,
            format(
                'there would be %s jobs, but the server has background workers for %s at once (timescaledb.max_background_workers = %s, max_worker_processes = %s)',
                jobs_wanted,
                workers,
                current_setting('timescaledb.max_background_workers'),
                current_setting('max_worker_processes')
            ),
            'Raise both settings and restart the server, or switch a policy off.'::text;
    END IF;

    -- What the indexes of the newest chunks take in a day, times how long a chunk would be.
    SELECT sum(hot.index_bytes_per_day * extract(epoch FROM plan.chunk_interval) / 86400)
    INTO hot_bytes
    FROM api.policy_wanted(wanted) AS plan
    JOIN (
        SELECT
            chunk.relation,
            max(
                chunk.index_bytes * 86400
                / greatest(extract(epoch FROM least(chunk.range_to, now()) - chunk.range_from), 3600)
            ) AS index_bytes_per_day
        FROM api.chunk_size AS chunk
        WHERE NOT chunk.is_compressed AND chunk.range_from < now()
        GROUP BY chunk.relation
    ) AS hot ON hot.relation = plan.relation;
    IF
        hot_bytes > memory_bytes / 4
        AND EXISTS (
            SELECT
            FROM api.policy_wanted(wanted) AS plan
            JOIN api.policy_in_force AS kept USING (relation)
            WHERE plan.chunk_interval > kept.chunk_interval
        )
    THEN
        RETURN QUERY
        SELECT
            'hot_indexes_outgrow_memory',
            NULL::text,
            format(
                'the indexes of the newest chunks would grow to %s, more than a quarter of the memory of the database (effective_cache_size = %s)',
                pg_size_pretty(hot_bytes),
                current_setting('effective_cache_size')
            ),
            'Keep chunk_interval shorter, or give the server more memory and say so in effective_cache_size.'::text;
    END IF;
END
$$;
