-- Differs by necessity because chunks, the columnstore and background jobs are TimescaleDB's own. Policies in force
-- already stay unchanged, and a job that differs is altered and not replaced, so that it keeps its statistics and all other
-- settings of a DBA.

CREATE PROCEDURE api.apply_policies(wanted jsonb DEFAULT '{}')
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
DECLARE
    plan record;
    in_force record;
    relation regclass;
    job_of jsonb;
BEGIN
    -- What was dropped stays dropped, even with a longer retention from now on.
    CALL internal.remember_dropped();
    FOR plan IN
        SELECT found.*, coalesce(internal.rollup_table(found.relation), 'telemetry.' || found.relation)::regclass AS hypertable
        FROM internal.policy_wanted(wanted) AS found
        ORDER BY found.relation
    LOOP
        relation := format('telemetry.%I', plan.relation)::regclass;
        SELECT * INTO STRICT in_force FROM internal.policy_in_force AS found WHERE found.relation = plan.relation;
        SELECT coalesce(jsonb_object_agg(job.job, job.job_id), '{}')
        INTO job_of
        FROM api.job_health AS job
        WHERE job.relation = plan.relation AND job.is_known;

        IF in_force.chunk_interval IS DISTINCT FROM plan.chunk_interval THEN
            PERFORM public.set_chunk_time_interval(plan.hypertable, plan.chunk_interval);
        END IF;

        IF in_force.columnstore_after IS DISTINCT FROM plan.columnstore_after THEN
            IF plan.columnstore_after IS NULL THEN
                CALL public.remove_columnstore_policy(relation);
            ELSIF job_of ? 'columnstore' THEN
                CALL internal.alter_policy_job(
                    (job_of ->> 'columnstore')::integer, jsonb_build_object('compress_after', plan.columnstore_after)
                );
            ELSE
                CALL public.add_columnstore_policy(relation, after => plan.columnstore_after);
            END IF;
        END IF;

        IF in_force.drop_after IS DISTINCT FROM plan.drop_after THEN
            IF plan.drop_after IS NULL THEN
                PERFORM public.remove_retention_policy(relation);
            ELSIF job_of ? 'retention' THEN
                CALL internal.alter_policy_job(
                    (job_of ->> 'retention')::integer, jsonb_build_object('drop_after', plan.drop_after)
                );
            ELSE
                IF EXISTS (SELECT FROM api.job_health AS job WHERE job.relation = plan.relation AND job.job = 'retention') THEN
                    RAISE EXCEPTION '% has a retention policy by the time at which chunks were made', plan.relation
                        USING HINT = format('Remove it first: SELECT public.remove_retention_policy(%L);', relation);
                END IF;
                PERFORM public.add_retention_policy(relation, drop_after => plan.drop_after);
            END IF;
        END IF;

        IF (in_force.refresh_start_offset, in_force.refresh_end_offset, in_force.refresh_every)
            IS DISTINCT FROM (plan.refresh_start_offset, plan.refresh_end_offset, plan.refresh_every)
        THEN
            IF plan.refresh_every IS NULL THEN
                PERFORM public.delete_job((job_of ->> 'refresh')::integer);
            ELSE
                IF NOT job_of ? 'refresh' THEN
                    job_of := jsonb_build_object(
                        'refresh',
                        public.add_job(
                            'telemetry.refresh_job',
                            plan.refresh_every,
                            config => jsonb_build_object('relation', plan.relation),
                            fixed_schedule => false
                        )
                    );
                END IF;
                CALL internal.alter_policy_job(
                    (job_of ->> 'refresh')::integer,
                    jsonb_build_object('start_offset', plan.refresh_start_offset, 'end_offset', plan.refresh_end_offset),
                    plan.refresh_every
                );
            END IF;
        END IF;
    END LOOP;
END
$$;

CREATE PROCEDURE internal.alter_policy_job(id integer, settings jsonb, every interval DEFAULT NULL)
LANGUAGE sql
AS $$
    SELECT public.alter_job(
        id,
        schedule_interval => every,
        retry_period => every,
        scheduled => true,
        config => (SELECT job.config || settings FROM timescaledb_information.jobs AS job WHERE job.job_id = id)
    )
$$;

COMMENT ON PROCEDURE internal.alter_policy_job(integer, jsonb, interval) IS
'Changes settings of a job, and how often it runs where that is given, and switches it on (timescale profile).';

-- Differs by necessity because here chunk intervals and jobs are the policies in force, and TimescaleDB's own calls
-- change them. A job that is switched off counts as none.

CREATE VIEW internal.policy_in_force AS
SELECT
    policy.relation,
    dimension.time_interval AS chunk_interval,
    job.columnstore_after,
    job.drop_after,
    job.refresh_start_offset,
    job.refresh_end_offset,
    job.refresh_every
FROM telemetry.policy
LEFT JOIN timescaledb_information.continuous_aggregates AS rollup
    ON rollup.view_schema = 'telemetry' AND rollup.view_name = policy.relation
LEFT JOIN timescaledb_information.dimensions AS dimension
    ON
        dimension.hypertable_schema = coalesce(rollup.materialization_hypertable_schema, 'telemetry')
        AND dimension.hypertable_name = coalesce(rollup.materialization_hypertable_name, policy.relation)
LEFT JOIN (
    SELECT
        coalesce(listed.hypertable_name::text, listed.config ->> 'relation') AS relation,
        max((listed.config ->> 'compress_after')::interval) FILTER (WHERE listed.proc_name = 'policy_compression')
            AS columnstore_after,
        max((listed.config ->> 'drop_after')::interval) FILTER (WHERE listed.proc_name = 'policy_retention') AS drop_after,
        max((listed.config ->> 'start_offset')::interval) FILTER (WHERE listed.proc_name = 'refresh_job')
            AS refresh_start_offset,
        max((listed.config ->> 'end_offset')::interval) FILTER (WHERE listed.proc_name = 'refresh_job')
            AS refresh_end_offset,
        max(listed.schedule_interval) FILTER (WHERE listed.proc_name = 'refresh_job') AS refresh_every
    FROM timescaledb_information.jobs AS listed
    WHERE listed.scheduled AND 'telemetry' IN (listed.hypertable_schema, listed.proc_schema)
    GROUP BY 1
) AS job ON job.relation = policy.relation;

-- Differs by necessity because TimescaleDB drops and compresses whole chunks. Readings are counted from the hourly rollup,
-- where those stamped with the first instant of a chunk belong to the hour before; rows of a rollup one by one. Where the rollup is behind, there are more readings than it knows of.

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
BEGIN
    FOR relation, effect, chunks, stored_bytes, range_from, range_to IN
        SELECT
            plan.relation,
            change.effect,
            count(*),
            sum(chunk.total_bytes),
            min(chunk.range_from),
            max(chunk.range_to)
        FROM internal.policy_wanted(wanted) AS plan
        JOIN internal.policy_in_force AS kept USING (relation)
        CROSS JOIN LATERAL (
            VALUES
                ('drop', plan.drop_after, kept.drop_after),
                ('columnstore', plan.columnstore_after, kept.columnstore_after)
        ) AS change (effect, after_wanted, after_now)
        JOIN api.chunk_size AS chunk USING (relation)
        WHERE
            change.after_wanted IS DISTINCT FROM change.after_now
            AND chunk.range_to <= internal.expired_before(change.after_wanted)
            AND (change.effect = 'drop' OR NOT chunk.is_compressed)
        GROUP BY plan.relation, change.effect
        ORDER BY plan.relation, change.effect DESC
    LOOP
        EXECUTE CASE
            WHEN relation LIKE '%\_history' THEN
                format(
                    'SELECT coalesce(sum(readings), 0)::bigint FROM internal.%I WHERE bucket_start >= $1 AND bucket_start < $2',
                    replace(relation, '_telemetry_history', '_hourly')
                )
            ELSE format('SELECT count(*) FROM internal.%I WHERE bucket_start >= $1 AND bucket_start < $2', relation)
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

-- Differs by necessity because only TimescaleDB's refreshes can be behind what is dropped. A guardrail rejects what a change
-- makes worse and ignores the rest, so that one setting can be repaired before another. It prevents loss of data;
-- api.findings() reports what costs memory or time.

CREATE FUNCTION internal.policy_violations(wanted jsonb)
RETURNS TABLE (guardrail text, relation text, message text, hint text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog
AS $$
#variable_conflict use_column
BEGIN
    PERFORM internal.policy_wanted(wanted);
    RETURN QUERY SELECT found.* FROM internal.policy_contradictions(wanted) AS found;
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
                source.relation, internal.interval_text(source.drop_after), rollup.relation
            )
            ELSE format(
                '%s would lose what is older than %s, but %s does not show all of it yet: %s',
                source.relation,
                internal.interval_text(source.drop_after),
                rollup.relation,
                CASE
                    WHEN lag.backlog_from < now() - source.drop_after
                        THEN format('%s from %s on not refreshed yet', internal.counted(ceil(lag.backlog_h)::numeric, 'hour'), lag.backlog_from)
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
                    (SELECT min(chunk.range_from) FROM internal.chunk WHERE chunk.relation = source.relation)
                ),
                now()
            )
        END
    FROM internal.policy_wanted(wanted) AS source
    JOIN internal.policy_in_force AS kept ON kept.relation = source.relation
    JOIN internal.policy_wanted(wanted) AS rollup ON internal.source_relation(rollup.relation) = source.relation
    JOIN internal.policy_in_force AS rollup_kept ON rollup_kept.relation = rollup.relation
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
                        FROM internal.chunk
                        WHERE chunk.relation = source.relation AND chunk.range_from < now() - source.drop_after
                    )
                )
            )
        );
END
$$;
