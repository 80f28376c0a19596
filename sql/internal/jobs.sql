-- Failed upkeep runs again within the hour, so its last success is stored, and stays until the next one.

CREATE PROCEDURE internal.note_upkeep(is_over boolean)
LANGUAGE sql
AS $$
    INSERT INTO telemetry.upkeep_run AS run (started_at, finished_at)
    VALUES (clock_timestamp(), NULL)
    ON CONFLICT (is_the_only_row) DO UPDATE SET
        started_at = CASE WHEN is_over THEN run.started_at ELSE excluded.started_at END,
        finished_at = CASE WHEN is_over THEN clock_timestamp() ELSE run.finished_at END
$$;

COMMENT ON PROCEDURE internal.note_upkeep(boolean) IS
'Records the begin or the end of api.upkeep(); only upkeep calls it.';

-- Implemented by each profile, with one meaning: sql/timescale/jobs.sql and sql/postgres/jobs.sql.

COMMENT ON VIEW internal.job_workers IS
'Jobs of the database against the background workers there are for them. Normal: no more jobs than workers. More: jobs wait for each other, or fail to start; raise timescaledb.max_background_workers and max_worker_processes. Postgres profile: no jobs, and no workers for them.';
COMMENT ON COLUMN internal.job_workers.jobs IS 'Jobs that are scheduled.';
COMMENT ON COLUMN internal.job_workers.workers IS 'Jobs that can run at once; null: postgres profile.';
