-- Differs by necessity because here jobs do most of it: retention, columnstore, and the refresh of the policy's window.
-- They miss readings later than that window reaches back, whose rollups are completed here. One caller
-- at a time: another returns at once. No search_path is set on the procedure: a refresh runs outside a transaction.

CREATE PROCEDURE api.upkeep()
LANGUAGE plpgsql
AS $$
DECLARE
    refresh_to CONSTANT timestamptz := now() - (
        SELECT min(refresh_start_offset) FROM telemetry.policy
    );
BEGIN
    -- Only the owner may refresh. For other roles the jobs do it: the refresh job within a minute, the upkeep job within an
    -- hour for readings later than the refresh job looks back.
    IF NOT pg_has_role((SELECT relowner FROM pg_class WHERE oid = 'telemetry.meter_hourly'::regclass), 'USAGE') THEN
        RETURN;
    END IF;
    IF NOT pg_try_advisory_lock(hashtext('api.upkeep')) THEN
        RETURN;
    END IF;
    CALL internal.note_upkeep(is_over => false);
    COMMIT;
    CALL api.refresh_rollups(now() - interval '100 years', refresh_to);
    PERFORM internal.forget_old_conflicts();
    CALL internal.note_upkeep(is_over => true);
    COMMIT;
    PERFORM pg_advisory_unlock(hashtext('api.upkeep'));
END
$$;

-- Differs by necessity because only the owner of a continuous aggregate may refresh it, outside a transaction, where no
-- function can lend its owner's rights: where the service connects as a role that only writes, its call of api.upkeep()
-- returns at once, and this job, which runs as the owner, does the work. On the postgres profile functions lend them.
--
-- The procedure is in schema telemetry, because a job ends with its procedure, and schema api is recreated by every migrate.

CREATE OR REPLACE PROCEDURE telemetry.upkeep_job(job_id integer, config jsonb)
LANGUAGE plpgsql
AS $$
BEGIN
    CALL api.upkeep();
END
$$;

COMMENT ON PROCEDURE telemetry.upkeep_job(integer, jsonb) IS
'api.upkeep() as an hourly job, which runs with the owner''s rights whoever the service connects as (timescale profile).';

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM timescaledb_information.jobs WHERE proc_schema = 'telemetry' AND proc_name = 'upkeep_job'
    ) THEN
        PERFORM public.add_job('telemetry.upkeep_job', interval '1 hour');
    END IF;
END
$$;

-- Differs by necessity because refreshing is a background job here. It is a job of our own and not TimescaleDB's refresh
-- policy: that one refreshes all changes within its window, and dropped data counts as changed.
--
-- The procedure is in schema telemetry, because a job ends with its procedure, and schema api is recreated by every migrate.

CREATE OR REPLACE PROCEDURE telemetry.refresh_job(job_id integer, config jsonb)
LANGUAGE plpgsql
AS $$
BEGIN
    CALL internal.refresh_rollup(
        config ->> 'relation',
        now() - (config ->> 'start_offset')::interval,
        now() - (config ->> 'end_offset')::interval
    );
END
$$;

COMMENT ON PROCEDURE telemetry.refresh_job(integer, jsonb) IS
'Refreshes the rollup that config names, {"relation", "start_offset", "end_offset"}, as a job (timescale profile). Buckets whose history is gone are left as they are.';

-- Differs by necessity because jobs are TimescaleDB's own. Upkeep, which the service calls, is listed with them.

CREATE VIEW api.job_health AS
SELECT
    coalesce(job.hypertable_name::text, job.config ->> 'relation') COLLATE "default" AS relation,
    CASE
        WHEN job.proc_name = 'policy_retention' THEN 'retention'
        WHEN job.proc_name = 'policy_compression' THEN 'columnstore'
        WHEN job.proc_schema = 'telemetry' AND job.proc_name = 'refresh_job' THEN 'refresh'
        ELSE job.proc_name::text
    END COLLATE "default" AS job,
    job.job_id,
    job.schedule_interval AS every,
    CASE WHEN isfinite(stats.last_run_started_at) THEN stats.last_run_started_at END AS last_started_at,
    CASE WHEN isfinite(stats.last_successful_finish) THEN stats.last_successful_finish END AS last_succeeded_at,
    CASE WHEN job.scheduled AND isfinite(stats.next_start) THEN stats.next_start END AS next_run_at,
    coalesce(stats.last_run_status, 'never ran') AS last_status,
    coalesce(stats.total_runs, 0) AS runs,
    coalesce(stats.total_failures, 0) AS failures,
    CASE
        WHEN failure.err_message IS NOT NULL THEN failure.err_message
        -- By TimescaleDB's rule of who sees it.
        WHEN
            stats.total_failures > 0
            AND NOT pg_has_role(current_user, job.owner::oid, 'MEMBER')
            AND NOT pg_has_role(current_user, database.datdba, 'MEMBER')
            THEN 'message visible to the owner only'
    END AS last_error,
    job.scheduled AS is_scheduled,
    -- Retention and columnstore by the creation time of chunks have no equivalent in telemetry.policy.
    job.proc_schema = 'telemetry'
    OR (
        job.hypertable_schema = 'telemetry'
        AND job.proc_name IN ('policy_retention', 'policy_compression')
        AND job.config ?| ARRAY['drop_after', 'compress_after']
    ) AS is_known
FROM timescaledb_information.jobs AS job
JOIN pg_catalog.pg_database AS database ON database.datname = current_database()
LEFT JOIN timescaledb_information.job_stats AS stats ON stats.job_id = job.job_id
LEFT JOIN LATERAL (
    SELECT err_message
    FROM timescaledb_information.job_errors
    WHERE job_errors.job_id = job.job_id
    ORDER BY finish_time DESC
    LIMIT 1
) AS failure ON true
-- Those below are the extension's.
WHERE job.job_id >= 1000
UNION ALL
SELECT
    NULL,
    'upkeep',
    NULL,
    interval '1 hour',
    run.started_at,
    run.finished_at,
    NULL,
    CASE
        WHEN run.started_at IS NULL THEN 'never ran'
        WHEN run.finished_at >= run.started_at THEN 'Success'
        ELSE 'Running or failed'
    END,
    NULL,
    NULL,
    NULL,
    true,
    true
FROM (VALUES (true)) AS listed (is_the_only_row)
LEFT JOIN telemetry.upkeep_run AS run USING (is_the_only_row);

-- Differs by necessity because background jobs are TimescaleDB's own. Of its workers, one is the launcher and one the
-- scheduler of this database; both are the server's worker processes too.

CREATE VIEW internal.job_workers AS
SELECT
    (SELECT count(*) FROM timescaledb_information.jobs AS job WHERE job.scheduled) AS jobs,
    least(
        current_setting('timescaledb.max_background_workers')::bigint,
        current_setting('max_worker_processes')::bigint
    ) - 2 AS workers;
