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
    coalesce(stats.last_run_status, 'never ran') AS last_status,
    coalesce(stats.total_runs, 0) AS runs,
    coalesce(stats.total_failures, 0) AS failures,
    CASE
        WHEN failure.err_message IS NOT NULL THEN failure.err_message
        -- As TimescaleDB decides who sees it.
        WHEN
            stats.total_failures > 0
            AND NOT pg_has_role(current_user, job.owner::oid, 'MEMBER')
            AND NOT pg_has_role(current_user, database.datdba, 'MEMBER')
            THEN 'message visible to the owner only'
    END AS last_error,
    job.scheduled AS is_scheduled,
    -- By the time at which chunks were made, retention and columnstore are nothing that telemetry.policy can say.
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
