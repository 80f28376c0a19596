-- Implemented by each profile, with one meaning: sql/timescale/jobs.sql and sql/postgres/jobs.sql.

COMMENT ON VIEW api.job_health IS
'How the jobs of the database and upkeep fare. Normal: last_status Success, last_succeeded_at no older than two periods. Failed: last_error says why; CALL public.run_job(job_id) runs it at once and shows the error. Never ran: no free background worker (timescaledb.max_background_workers, max_worker_processes).';
COMMENT ON COLUMN api.job_health.relation IS 'Relation the job works for; null: all of them.';
COMMENT ON COLUMN api.job_health.job IS 'retention, columnstore, refresh, or upkeep, which the service calls.';
COMMENT ON COLUMN api.job_health.job_id IS 'Number of the job; null: upkeep.';
COMMENT ON COLUMN api.job_health.every IS 'How often it runs.';
COMMENT ON COLUMN api.job_health.last_started_at IS 'When its newest run began; null: it never ran.';
COMMENT ON COLUMN api.job_health.last_succeeded_at IS 'When it last ended well; null: never.';
COMMENT ON COLUMN api.job_health.next_run_at IS 'When the database runs it next; null: it is switched off, or upkeep, which the service calls.';
COMMENT ON COLUMN api.job_health.last_status IS 'How its newest run ended: Success, Failed, Running or failed (upkeep), never ran.';
COMMENT ON COLUMN api.job_health.runs IS 'Runs there were; null: not counted.';
COMMENT ON COLUMN api.job_health.failures IS 'Runs that failed; null: not counted.';
COMMENT ON COLUMN api.job_health.last_error IS 'Message of its newest failure that is remembered; TimescaleDB shows it to members of the owner alone.';
COMMENT ON COLUMN api.job_health.is_scheduled IS 'Whether it runs by itself; false: somebody switched it off with alter_job.';
COMMENT ON COLUMN api.job_health.is_known IS 'Whether the service creates this job; it leaves the jobs of a DBA alone.';

COMMENT ON PROCEDURE api.upkeep() IS
'The maintenance that no job of the database does: drops expired data (postgres profile), completes rollups of readings that came later than the refresh job looks back (timescale profile). The service calls it every hour; CALL it outside a transaction.';
