-- name: report
SELECT computed_at, content::text AS content FROM internal.report WHERE name = %(name)s;

-- name: try_to_report
SELECT
    pg_try_advisory_lock(hashtext('telemetry.report')) AS is_alone,
    coalesce(
        (
            SELECT min(kept.computed_at) + make_interval(
                secs => greatest(
                    %(period_s)s, sum((kept.content ->> 'computedInSeconds')::float8) / %(most_share)s
                )
            )
            FROM telemetry.report AS kept
        ) < clock_timestamp(),
        true
    ) AS is_due;

-- name: store_report
INSERT INTO telemetry.report AS kept (name, computed_at, content)
VALUES (%(name)s, %(computed_at)s, %(content)s::jsonb)
ON CONFLICT (name) DO UPDATE SET computed_at = excluded.computed_at, content = excluded.content;

-- name: data_directory
SELECT CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') END AS directory;

-- name: report_relations
WITH size AS MATERIALIZED (
    SELECT relation_size.*
    FROM api.relation_size
),
first AS MATERIALIZED (
    SELECT
        (
            SELECT min(daily.bucket_start)
            FROM internal.meter_daily AS daily
            WHERE daily.bucket_start < internal.day_ceiling(
                (SELECT size.range_from + policy.chunk_interval FROM size JOIN api.policy USING (relation) WHERE relation = 'meter_daily')
            )
        ) AS meter_day,
        (
            SELECT min(daily.bucket_start)
            FROM internal.vehicle_daily AS daily
            WHERE daily.bucket_start < internal.day_ceiling(
                (SELECT size.range_from + policy.chunk_interval FROM size JOIN api.policy USING (relation) WHERE relation = 'vehicle_daily')
            )
        ) AS vehicle_day
)
SELECT
    size.relation,
    size.rows_estimated,
    size.total_bytes,
    size.index_bytes,
    size.compression_ratio,
    size.chunks,
    size.chunks_compressed,
    size.range_from,
    size.range_to,
    -- A chunk begins before its first row; the daily rollup knows the first day.
    date_part(
        'epoch',
        now() - greatest(
            size.range_from,
            internal.day_floor(CASE WHEN size.relation LIKE 'meter%%' THEN first.meter_day ELSE first.vehicle_day END)
        )
    ) / 86400 AS history_days,
    size.settled_bytes_per_day,
    size.is_growing,
    date_part('epoch', policy.chunk_interval) / 86400 AS chunk_interval_days,
    date_part('epoch', policy.columnstore_after) / 86400 AS columnstore_after_days,
    date_part('epoch', policy.drop_after) / 86400 AS drop_after_days,
    date_part('epoch', policy.refresh_start_offset) / 86400 AS refresh_start_days,
    date_part('epoch', policy.refresh_every) AS refresh_every_s
FROM size
CROSS JOIN first
JOIN api.policy AS policy USING (relation)
ORDER BY size.relation;

-- name: report_disk
SELECT database_bytes, growing_bytes_per_day, disk_free_bytes, days_left
FROM api.disk_outlook(%(free_bytes)s::bigint, %(growth_bytes_per_day)s::bigint);

-- name: report_jobs
SELECT
    relation, job, date_part('epoch', every) AS every_s, last_started_at, last_succeeded_at, next_run_at, last_status,
    runs, failures, last_error, is_scheduled
FROM api.job_health
ORDER BY relation NULLS FIRST, job, job_id;

-- name: report_findings
SELECT severity, subject, message, action FROM api.findings(free_bytes => %(free_bytes)s::bigint);
