-- Differs by necessity because background jobs are TimescaleDB's own. Refresh policies that an earlier release made, which
-- erase rollups whose history is gone, give way to jobs that do not. Those that a DBA changed or added stay: they are not
-- as telemetry.policy has them.
--
-- What was dropped is remembered when it is, or before a refresh, and no longer when a policy changes. Policies may be what
-- a DBA made of them by TimescaleDB's own calls, which know nothing of refresh windows.

ALTER TABLE telemetry.policy DROP CONSTRAINT columnstore_waits_for_the_refresh;

DROP TRIGGER IF EXISTS remember_dropped_history ON telemetry.policy;

DROP FUNCTION IF EXISTS telemetry.remember_dropped_history();

CREATE TABLE telemetry.policy_chunk (
    relation text NOT NULL,
    hypertable text NOT NULL,
    chunk text NOT NULL,
    range_from timestamptz NOT NULL,
    range_to timestamptz NOT NULL,
    CONSTRAINT policy_chunk_key PRIMARY KEY (relation, chunk)
);

CREATE PROCEDURE telemetry.refresh_job(job_id integer, config jsonb)
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'the schema is not migrated to its end';
END
$$;

DO $$
DECLARE
    made record;
BEGIN
    FOR made IN
        SELECT
            job.job_id,
            policy.relation,
            policy.refresh_start_offset,
            policy.refresh_end_offset,
            policy.refresh_every
        FROM telemetry.policy
        JOIN timescaledb_information.jobs AS job
            ON
                job.hypertable_schema = 'telemetry'
                AND job.hypertable_name = policy.relation
                AND job.proc_name LIKE 'policy\_refresh%'
                AND (job.config ->> 'start_offset')::interval = policy.refresh_start_offset
                AND (job.config ->> 'end_offset')::interval = policy.refresh_end_offset
                AND job.schedule_interval = policy.refresh_every
    LOOP
        PERFORM public.delete_job(made.job_id);
        PERFORM public.alter_job(
            public.add_job(
                'telemetry.refresh_job',
                made.refresh_every,
                config => jsonb_build_object(
                    'relation', made.relation,
                    'start_offset', made.refresh_start_offset,
                    'end_offset', made.refresh_end_offset
                ),
                fixed_schedule => false
            ),
            retry_period => made.refresh_every
        );
    END LOOP;
END
$$;
