COMMENT ON VIEW api.chunk IS
'The chunks there are (postgres profile: each relation, as its only chunk), without their sizes, which take longer to find out: api.chunk_size has these.';
COMMENT ON COLUMN api.chunk.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN api.chunk.chunk IS 'The chunk''s table.';
COMMENT ON COLUMN api.chunk.range_from IS 'Beginning of its range of time; postgres profile: midnight (UTC) before the first day kept.';
COMMENT ON COLUMN api.chunk.range_to IS 'End of its range of time, not included; postgres profile: now.';
COMMENT ON COLUMN api.chunk.is_compressed IS 'Whether it is in the columnstore.';
COMMENT ON VIEW api.policy_in_force IS
'The policies that the database carries out, by its chunk intervals and jobs (postgres profile: telemetry.policy itself). Normal: what telemetry.policy says; api.policy_plan() lists where not.';
COMMENT ON COLUMN api.policy_in_force.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN api.policy_in_force.chunk_interval IS 'Time range of its next chunk.';
COMMENT ON COLUMN api.policy_in_force.columnstore_after IS 'Age at which a chunk goes to the columnstore; null: never.';
COMMENT ON COLUMN api.policy_in_force.drop_after IS 'Age at which data is dropped; null: never.';
COMMENT ON COLUMN api.policy_in_force.refresh_start_offset IS 'How far back its refresh job looks; null: it has none.';
COMMENT ON COLUMN api.policy_in_force.refresh_end_offset IS 'Age at which its refresh job materialises a bucket.';
COMMENT ON COLUMN api.policy_in_force.refresh_every IS 'How often its refresh job runs.';
COMMENT ON VIEW api.retention_lag IS
'How far the oldest rows of each relation that drops any are past their time. Normal: overdue_by below normal_lag. More: retention does not run, or fails: see its job, or upkeep (postgres profile), in api.job_health.';
COMMENT ON COLUMN api.retention_lag.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN api.retention_lag.drop_after IS 'Age at which its policy wants rows dropped.';
COMMENT ON COLUMN api.retention_lag.oldest_from IS 'Its oldest row; timescale profile: the beginning of its oldest chunk. Null: there is none.';
COMMENT ON COLUMN api.retention_lag.overdue_by IS 'By how much that is older than drop_after; negative where it is younger.';
COMMENT ON COLUMN api.retention_lag.normal_lag IS 'What overdue_by stays below while retention runs: a day, and the length of a chunk, which is dropped whole.';
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
COMMENT ON COLUMN api.refresh_lag.backlog_ranges IS 'Ranges of time that changed since they were refreshed, or that no refresh was ever asked for.';
COMMENT ON COLUMN api.refresh_lag.backlog_from IS 'Beginning of the first of these ranges; null: none.';
COMMENT ON COLUMN api.refresh_lag.backlog_to IS 'End of the last of these ranges; null: none.';
COMMENT ON COLUMN api.refresh_lag.backlog_h IS 'Length of these ranges together, each widened to whole hours (of the daily rollup: days), hours; what overlaps counts once.';
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
COMMENT ON COLUMN api.job_health.last_error IS 'Message of its newest failure that is remembered; TimescaleDB shows it to members of the owner alone.';
COMMENT ON COLUMN api.job_health.is_scheduled IS 'Whether it runs by itself; false: somebody switched it off with alter_job.';
COMMENT ON COLUMN api.job_health.is_known IS 'Whether it is a job that the service makes; one that it does not know is a DBA''s, and left alone.';
COMMENT ON VIEW api.relation_size IS
'What each relation takes on disk, in all and a day. Normal: histories 5 to 12 times smaller in the columnstore, all but the newest chunks there.';
COMMENT ON COLUMN api.relation_size.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN api.relation_size.chunks IS 'Chunks there are; postgres profile: 1.';
COMMENT ON COLUMN api.relation_size.chunks_compressed IS 'Chunks in the columnstore.';
COMMENT ON COLUMN api.relation_size.total_bytes IS 'What it takes now, indexes included, bytes.';
COMMENT ON COLUMN api.relation_size.index_bytes IS 'What its indexes take now, bytes.';
COMMENT ON COLUMN api.relation_size.columnstore_bytes IS 'What its chunks in the columnstore take, bytes.';
COMMENT ON COLUMN api.relation_size.compression_ratio IS 'How many times smaller the columnstore made these; null: none is there.';
COMMENT ON COLUMN api.relation_size.range_from IS 'Beginning of its oldest chunk.';
COMMENT ON COLUMN api.relation_size.range_to IS 'End of its newest chunk.';
COMMENT ON COLUMN api.relation_size.settled_bytes_per_day IS
'What a day of it takes, bytes: by the newest seven chunks in the columnstore, or others where none is there yet; postgres profile: by the size of a row and the rows of the last week.';
COMMENT ON COLUMN api.relation_size.is_growing IS 'Whether nothing is dropped yet in return for what comes.';
COMMENT ON VIEW api.readings_per_day IS
'Readings of the last 14 days by day (UTC), from the daily rollups. Normal: 1440 a device that reports each minute. Half of that: devices or the network are down.';
COMMENT ON COLUMN api.readings_per_day.relation IS 'Name of the history in schema telemetry.';
COMMENT ON COLUMN api.readings_per_day.day_start IS 'The midnight (UTC) the day begins with; the newest day is not over.';
COMMENT ON COLUMN api.readings_per_day.readings IS 'Readings taken in that day.';
COMMENT ON VIEW api.columnstore_lag IS
'The oldest chunk of each relation that is not in the columnstore. Normal: overdue by less than a day, since the job runs twice a day. More: see the columnstore job in api.job_health. Postgres profile: nothing is ever overdue, there is no columnstore.';
COMMENT ON COLUMN api.columnstore_lag.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN api.columnstore_lag.columnstore_after IS 'Age at which its policy wants a chunk there; null: never.';
COMMENT ON COLUMN api.columnstore_lag.oldest_uncompressed_from IS 'Beginning of the oldest chunk that is not there.';
COMMENT ON COLUMN api.columnstore_lag.oldest_uncompressed_age IS 'How long ago that was.';
COMMENT ON COLUMN api.columnstore_lag.chunks_overdue IS 'Chunks that should be there and are not.';
COMMENT ON COLUMN api.columnstore_lag.overdue_by IS 'For how long the one that waits longest should have been there; null: none.';
COMMENT ON VIEW api.index_bloat IS
'Size of the indexes of uncompressed chunks against an estimate of what they need, from statistics (after ANALYZE). Normal: a ratio of 1 to 2, since random inserts leave half-full pages. Above 3: REINDEX INDEX CONCURRENTLY. An estimate: nobody looked into the index.';
COMMENT ON COLUMN api.index_bloat.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN api.index_bloat.chunk IS 'Table the index belongs to.';
COMMENT ON COLUMN api.index_bloat.index_name IS 'The index.';
COMMENT ON COLUMN api.index_bloat.index_bytes IS 'What it takes, bytes.';
COMMENT ON COLUMN api.index_bloat.estimated_bytes IS 'What it would need with pages nine tenths full, bytes; null: no statistics.';
COMMENT ON COLUMN api.index_bloat.bloat_ratio IS 'The one over the other; null: no statistics.';
COMMENT ON VIEW api.cache_hits IS
'How much of the newest uncompressed chunk of each relation is found in shared_buffers, since statistics were reset. Normal: above 0.95, indexes above 0.99. Less: more shared_buffers, or a shorter chunk_interval. What the operating system caches counts as read.';
COMMENT ON COLUMN api.cache_hits.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN api.cache_hits.chunk IS 'Its newest chunk.';
COMMENT ON COLUMN api.cache_hits.blocks_read IS 'Blocks of table and indexes that were not in memory.';
COMMENT ON COLUMN api.cache_hits.heap_hit_ratio IS 'Share of the table''s blocks found in memory; null: none was wanted.';
COMMENT ON COLUMN api.cache_hits.index_hit_ratio IS 'Share of the indexes'' blocks found in memory; null: none was wanted.';
COMMENT ON VIEW api.job_workers IS
'Jobs of the database against the background workers there are for them. Normal: no more jobs than workers. More: jobs wait for each other, or fail to start; raise timescaledb.max_background_workers and max_worker_processes. Postgres profile: no jobs, and no workers for them.';
COMMENT ON COLUMN api.job_workers.jobs IS 'Jobs that are scheduled.';
COMMENT ON COLUMN api.job_workers.workers IS 'Jobs that can run at once; null: postgres profile.';
