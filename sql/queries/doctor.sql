-- name: doctor_findings
SELECT severity, subject, message, action FROM api.findings(%(silent_for)s::interval, %(free_bytes)s::bigint);

-- name: has_chunks
SELECT job_workers.workers IS NOT NULL AS has_chunks FROM internal.job_workers;

-- name: doctor_disk
SELECT database_bytes, growing_bytes_per_day, disk_free_bytes, days_left
FROM api.disk_outlook(%(free_bytes)s::bigint);

-- name: doctor_relations
SELECT
    relation, chunks, chunks_compressed, total_bytes, index_bytes, compression_ratio, settled_bytes_per_day,
    is_growing, range_from, range_to
FROM api.relation_size
ORDER BY relation;

-- name: doctor_chunks
SELECT relation, chunk::text, range_from, range_to, is_compressed, total_bytes, index_bytes, compression_ratio
FROM api.chunk_size
ORDER BY relation, range_from DESC
LIMIT %(chunks)s;

-- name: doctor_readings
SELECT relation, day_start, readings FROM api.readings_per_day ORDER BY relation, day_start DESC;

-- name: doctor_columnstore
SELECT relation, columnstore_after, oldest_uncompressed_from, oldest_uncompressed_age, chunks_overdue, overdue_by
FROM internal.columnstore_lag
ORDER BY relation;

-- name: doctor_retention
SELECT relation, drop_after, oldest_from, overdue_by, normal_lag FROM internal.retention_lag ORDER BY relation;

-- name: doctor_rollups
SELECT relation, materialised_before, lag, normal_lag, backlog_ranges, backlog_from, backlog_to, backlog_h
FROM api.refresh_lag
ORDER BY relation;

-- name: doctor_lateness
SELECT relation, readings, late_readings, late_p50, late_p90, late_p99 FROM internal.lateness();

-- name: doctor_jobs
SELECT relation, job, last_status, runs, failures, last_started_at, last_succeeded_at, last_error
FROM api.job_health
ORDER BY relation NULLS FIRST, job;

-- name: doctor_indexes
SELECT relation, index_name::text, index_bytes, estimated_bytes, bloat_ratio
FROM internal.index_bloat
ORDER BY index_bytes DESC
LIMIT %(chunks)s;

-- name: doctor_cache
SELECT relation, chunk::text, blocks_read, heap_hit_ratio, index_hit_ratio FROM internal.cache_hits ORDER BY relation;

-- name: doctor_silent
SELECT device_type, device_id, last_recorded_at, silent_for
FROM api.silent_devices(%(silent_for)s::interval)
LIMIT %(devices)s;
