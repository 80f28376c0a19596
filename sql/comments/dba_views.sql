COMMENT ON VIEW api.chunk_size IS
'What each chunk takes on disk (postgres profile: each relation, as its only chunk). Normal: chunks older than columnstore_after are compressed, 5 to 12 times smaller. One that is not: see api.columnstore_lag.';
COMMENT ON COLUMN api.chunk_size.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN api.chunk_size.chunk IS 'The chunk''s table.';
COMMENT ON COLUMN api.chunk_size.range_from IS 'Beginning of its range of time; postgres profile: midnight (UTC) before the first day kept.';
COMMENT ON COLUMN api.chunk_size.range_to IS 'End of its range of time, not included; postgres profile: now.';
COMMENT ON COLUMN api.chunk_size.is_compressed IS 'Whether it is in the columnstore.';
COMMENT ON COLUMN api.chunk_size.total_bytes IS 'What it takes now, indexes included, bytes.';
COMMENT ON COLUMN api.chunk_size.index_bytes IS 'What its indexes take now, bytes.';
COMMENT ON COLUMN api.chunk_size.uncompressed_bytes IS 'What it took before it went to the columnstore, or takes now, bytes.';
COMMENT ON COLUMN api.chunk_size.compression_ratio IS 'How many times smaller the columnstore made it; null: it is not there.';
COMMENT ON VIEW api.refresh_lag IS
'How far each rollup is behind, and what late readings it does not show yet. Normal: lag below normal_lag, and a backlog that a few runs of the refresh job take away. A lag that grows: the job fails or finds no worker (api.job_health). A backlog older than the job looks back waits for the next upkeep; CALL api.refresh_rollups(backlog_from, backlog_to) completes it at once.';
COMMENT ON COLUMN api.refresh_lag.relation IS 'Name of the rollup in schema telemetry.';
COMMENT ON COLUMN api.refresh_lag.materialised_before IS
'Up to where it was refreshed; what is younger is read from its source. Null: never refreshed, all is read from the source.';
COMMENT ON COLUMN api.refresh_lag.lag IS 'How long ago that was.';
COMMENT ON COLUMN api.refresh_lag.normal_lag IS 'What the lag stays below while the refresh job runs as often as its policy says.';
COMMENT ON COLUMN api.refresh_lag.backlog_ranges IS 'Ranges of time that changed since they were refreshed.';
COMMENT ON COLUMN api.refresh_lag.backlog_from IS 'Beginning of the first of these ranges; null: none.';
COMMENT ON COLUMN api.refresh_lag.backlog_to IS 'End of the last of these ranges; null: none.';
COMMENT ON COLUMN api.refresh_lag.backlog_h IS 'Length of these ranges together, hours; overlapping ones count twice.';
COMMENT ON VIEW api.job_health IS
'How the jobs of the database and upkeep fare. Normal: last_status Success, last_succeeded_at no older than two periods. Failed: last_error says why; CALL public.run_job(job_id) runs it at once and shows the error. Never ran: no free background worker (timescaledb.max_background_workers, max_worker_processes).';
COMMENT ON COLUMN api.job_health.relation IS 'Relation the job works for; null: all of them.';
COMMENT ON COLUMN api.job_health.job IS 'retention, columnstore, refresh, or upkeep, which the service calls.';
COMMENT ON COLUMN api.job_health.job_id IS 'Number of the job; null: upkeep.';
COMMENT ON COLUMN api.job_health.every IS 'How often it runs.';
COMMENT ON COLUMN api.job_health.last_started_at IS 'When its newest run began; null: it never ran.';
COMMENT ON COLUMN api.job_health.last_succeeded_at IS 'When it last ended well; null: never.';
COMMENT ON COLUMN api.job_health.last_status IS 'How its newest run ended: Success, Failed, Running or failed (upkeep), never ran.';
COMMENT ON COLUMN api.job_health.runs IS 'Runs there were; null: not counted.';
COMMENT ON COLUMN api.job_health.failures IS 'Runs that failed; null: not counted.';
COMMENT ON COLUMN api.job_health.last_error IS 'Message of its newest failure that is remembered.';
COMMENT ON COLUMN api.job_health.is_scheduled IS 'Whether it runs by itself; false: somebody switched it off with alter_job.';
