-- Differs by necessity because chunks, the columnstore and background jobs are TimescaleDB's own. What is in force already
-- is left alone, and a job that differs is altered and not replaced, so that it keeps its statistics and all else that a
-- DBA set on it.

CREATE PROCEDURE api.apply_policies(relations text[] DEFAULT NULL)
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
DECLARE
    wanted record;
    in_force record;
    relation regclass;
    job_of jsonb;
BEGIN
    -- What was dropped stays dropped, also where it is to be kept longer from now on.
    CALL api.remember_dropped();
    FOR wanted IN
        SELECT policy.*, coalesce(api.rollup_table(policy.relation), 'telemetry.' || policy.relation)::regclass AS hypertable
        FROM telemetry.policy
        WHERE relations IS NULL OR policy.relation = ANY (relations)
        ORDER BY policy.relation
    LOOP
        relation := format('telemetry.%I', wanted.relation)::regclass;
        SELECT * INTO STRICT in_force FROM api.policy_in_force AS found WHERE found.relation = wanted.relation;
        SELECT coalesce(jsonb_object_agg(job.job, job.job_id), '{}')
        INTO job_of
        FROM api.job_health AS job
        WHERE job.relation = wanted.relation AND job.is_known;

        IF in_force.chunk_interval IS DISTINCT FROM wanted.chunk_interval THEN
            PERFORM public.set_chunk_time_interval(wanted.hypertable, wanted.chunk_interval);
        END IF;

        IF in_force.columnstore_after IS DISTINCT FROM wanted.columnstore_after THEN
            IF wanted.columnstore_after IS NULL THEN
                CALL public.remove_columnstore_policy(relation);
            ELSIF job_of ? 'columnstore' THEN
                CALL api.alter_policy_job(
                    (job_of ->> 'columnstore')::integer, jsonb_build_object('compress_after', wanted.columnstore_after)
                );
            ELSE
                CALL public.add_columnstore_policy(relation, after => wanted.columnstore_after);
            END IF;
        END IF;

        IF in_force.drop_after IS DISTINCT FROM wanted.drop_after THEN
            IF wanted.drop_after IS NULL THEN
                PERFORM public.remove_retention_policy(relation);
            ELSIF job_of ? 'retention' THEN
                CALL api.alter_policy_job(
                    (job_of ->> 'retention')::integer, jsonb_build_object('drop_after', wanted.drop_after)
                );
            ELSE
                PERFORM public.add_retention_policy(relation, drop_after => wanted.drop_after);
            END IF;
        END IF;

        IF (in_force.refresh_start_offset, in_force.refresh_end_offset, in_force.refresh_every)
            IS DISTINCT FROM (wanted.refresh_start_offset, wanted.refresh_end_offset, wanted.refresh_every)
        THEN
            IF wanted.refresh_every IS NULL THEN
                PERFORM public.delete_job((job_of ->> 'refresh')::integer);
            ELSE
                IF NOT job_of ? 'refresh' THEN
                    job_of := jsonb_build_object(
                        'refresh',
                        public.add_job(
                            'telemetry.refresh_job',
                            wanted.refresh_every,
                            config => jsonb_build_object('relation', wanted.relation),
                            fixed_schedule => false
                        )
                    );
                END IF;
                CALL api.alter_policy_job(
                    (job_of ->> 'refresh')::integer,
                    jsonb_build_object('start_offset', wanted.refresh_start_offset, 'end_offset', wanted.refresh_end_offset),
                    wanted.refresh_every
                );
            END IF;
        END IF;
    END LOOP;
END
$$;

CREATE PROCEDURE api.alter_policy_job(id integer, settings jsonb, every interval DEFAULT NULL)
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

COMMENT ON PROCEDURE api.alter_policy_job(integer, jsonb, interval) IS
'Changes settings of a job, and how often it runs where that is given, and switches it on (timescale profile).';
