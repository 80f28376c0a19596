-- Everything in the views that is not normal, with what to do about it. Thresholds are next to the values they judge.

CREATE FUNCTION api.findings(silent_longer_than interval DEFAULT interval '1 hour', free_bytes bigint DEFAULT NULL)
RETURNS TABLE (severity text, subject text, message text, action text)
LANGUAGE sql STABLE
-- With so many parts, compiling takes longer than running.
SET jit = off
AS $$
    WITH size AS MATERIALIZED (
        SELECT
            relation_size.relation,
            relation_size.columnstore_bytes,
            relation_size.compression_ratio,
            relation_size.settled_bytes_per_day,
            relation_size.is_growing
        FROM api.relation_size
    ),
    outlook AS MATERIALIZED (
        SELECT disk.disk_free_bytes, disk.days_left
        FROM api.disk_outlook(
            free_bytes,
            (SELECT coalesce(sum(size.settled_bytes_per_day) FILTER (WHERE size.is_growing), 0) FROM size)::bigint
        ) AS disk
    ),
    found AS MATERIALIZED (
        -- Jobs, those that fail of the same cause together
        SELECT
            CASE WHEN bool_or(failed.is_critical) THEN 'critical' ELSE 'warning' END AS severity,
            string_agg(concat_ws(' of ', failed.job, failed.relation), ', ' ORDER BY failed.relation, failed.job) AS subject,
            format('the newest run failed (%s of %s): %s', sum(failed.failures), sum(failed.runs), failed.cause) AS message,
            CASE
                WHEN failed.cause LIKE 'cannot drop portal%'
                    THEN 'The work was committed before this error, but the job runs less often after it: this minor release of PostgreSQL needs a newer TimescaleDB.'
                WHEN failed.cause = 'failed to start job'
                    THEN 'No background worker was free: raise timescaledb.max_background_workers and max_worker_processes, and restart the server.'
                WHEN failed.cause = 'message visible to the owner only'
                    THEN 'As the owner: SELECT * FROM api.job_health;'
                ELSE format('CALL public.run_job(%s) runs it at once and shows the error.', min(failed.job_id))
            END AS action
        FROM (
            SELECT
                job.job,
                job.relation,
                job.job_id,
                job.runs,
                job.failures,
                CASE
                    WHEN job.last_error LIKE 'failed to start%' THEN 'failed to start job'
                    ELSE coalesce(job.last_error, 'no message is kept')
                END AS cause,
                -- A hidden message may be a mere warning.
                coalesce(
                    job.last_error NOT LIKE 'cannot drop portal%'
                    AND job.last_error <> 'message visible to the owner only',
                    true
                )
                AND coalesce(job.last_succeeded_at, '-infinity') < now() - greatest(3 * job.every, interval '1 hour')
                    AS is_critical
            FROM api.job_health AS job
            WHERE job.last_status = 'Failed'
        ) AS failed
        GROUP BY failed.cause
        UNION ALL
        SELECT
            'warning',
            'jobs',
            format(
                'they are %s, but the server has background workers for %s at once (timescaledb.max_background_workers = %s, max_worker_processes = %s)',
                load.jobs,
                load.workers,
                current_setting('timescaledb.max_background_workers', true),
                current_setting('max_worker_processes')
            ),
            'Raise both settings and restart the server, or switch a policy off.'
        FROM internal.job_workers AS load
        WHERE load.jobs > load.workers
        UNION ALL
        SELECT
            'warning',
            concat_ws(' of ', job.job, job.relation),
            'it is switched off',
            format('SELECT public.alter_job(%s, scheduled => true);', job.job_id)
        FROM api.job_health AS job
        WHERE NOT job.is_scheduled
        UNION ALL
        SELECT
            CASE WHEN job.erases_rollups THEN 'warning' ELSE 'note' END,
            concat_ws(' of ', format('job %s, %s', job.job_id, job.job), job.relation),
            'it is not this service''s'
            || CASE WHEN job.erases_rollups THEN ': where history is gone, its refreshes erase the rollup' ELSE '' END,
            format('Is it meant to be? SELECT public.delete_job(%s); removes it.', job.job_id)
        FROM (
            SELECT health.*, health.job LIKE 'policy\_refresh%' AND health.relation ~ '_(hourly|daily)$' AS erases_rollups
            FROM api.job_health AS health
            WHERE NOT health.is_known
        ) AS job
        UNION ALL
        SELECT
            'warning',
            change.relation,
            format(
                '%s is %s in the database, and %s in its policy',
                change.setting, change.value_now, change.value_wanted
            ),
            'ev-fleet-energy policies adopt writes down what the database has; policies apply changes the database.'
        FROM api.policy_plan() AS change
        UNION ALL
        SELECT
            CASE
                WHEN run.drops AND run.last_started_at IS NOT NULL AND run.idle_since < now() - interval '1 day'
                    THEN 'critical'
                ELSE 'warning'
            END,
            'upkeep',
            CASE
                WHEN run.last_started_at IS NULL THEN 'it never ran'
                ELSE format(
                    'it %s, and began last at %s: it fails, hangs or is not called',
                    coalesce('last succeeded at ' || date_trunc('second', run.last_succeeded_at), 'never succeeded'),
                    date_trunc('second', run.last_started_at)
                )
            END,
            'Is the service running, and what does its log say? CALL api.upkeep() does the work and shows the error.'
        FROM (
            SELECT
                job.last_started_at,
                job.last_succeeded_at,
                -- Where it never succeeded, since the first data.
                coalesce(
                    job.last_succeeded_at,
                    (SELECT min(chunk.range_from) FROM internal.chunk WHERE chunk.relation LIKE '%\_history')
                ) AS idle_since,
                EXISTS (SELECT FROM internal.policy WHERE policy.drop_after IS NOT NULL) AS drops
            FROM api.job_health AS job
            WHERE job.job = 'upkeep'
        ) AS run
        WHERE run.idle_since < now() - interval '3 hours' AND (run.drops OR run.last_started_at IS NOT NULL)
        UNION ALL
        SELECT
            'warning',
            lag.relation,
            format(
                'its oldest rows are older than drop_after (%s) by %s',
                internal.interval_text(lag.drop_after),
                internal.interval_text(date_trunc('hour', lag.overdue_by))
            ),
            'See retention, or upkeep, in api.job_health.'
        FROM internal.retention_lag AS lag
        WHERE lag.overdue_by > lag.normal_lag
        -- Rollups
        UNION ALL
        SELECT
            CASE WHEN lag.lag > lag.normal_lag + interval '1 day' THEN 'critical' ELSE 'warning' END,
            lag.relation,
            format(
                'its refresh is %s behind; %s is normal',
                internal.interval_text(date_trunc('minute', lag.lag)),
                internal.interval_text(lag.normal_lag)
            ),
            'See api.job_health; CALL api.refresh_rollups(from, to) does it by hand.'
        FROM api.refresh_lag AS lag
        WHERE lag.lag > lag.normal_lag
        UNION ALL
        SELECT
            CASE
                WHEN lag.backlog_from < now() - source.drop_after + interval '7 days' THEN 'critical'
                WHEN lag.backlog_from < now() - policy.refresh_start_offset OR lag.backlog_h > 48 * bucket.hours THEN 'warning'
                ELSE 'note'
            END,
            lag.relation,
            format(
                '%s between %s and %s may have readings that it does not show yet%s',
                internal.counted(lag.backlog_h::numeric, 'hour'),
                lag.backlog_from,
                lag.backlog_to,
                CASE
                    WHEN lag.backlog_from < now() - source.drop_after + interval '7 days'
                        THEN '; some are dropped within a week'
                    WHEN lag.backlog_from < now() - policy.refresh_start_offset
                        THEN '; some are older than its job looks back'
                    ELSE ''
                END
            ),
            format('CALL api.refresh_rollups(%L, %L);', lag.backlog_from, lag.backlog_to)
        FROM api.refresh_lag AS lag
        CROSS JOIN LATERAL (SELECT CASE WHEN lag.relation LIKE '%\_daily' THEN 24 ELSE 1 END AS hours) AS bucket
        JOIN internal.policy USING (relation)
        JOIN internal.policy AS source ON source.relation = internal.source_relation(lag.relation)
        WHERE lag.backlog_h > 0
        -- Columnstore
        UNION ALL
        SELECT
            'warning',
            lag.relation,
            format(
                'chunks that are not in the columnstore: %s, the oldest for %s longer than columnstore_after',
                lag.chunks_overdue, internal.interval_text(date_trunc('hour', lag.overdue_by))
            ),
            'See the columnstore job in api.job_health.'
        FROM internal.columnstore_lag AS lag
        -- The job runs twice a day.
        WHERE lag.overdue_by > interval '1 day'
        UNION ALL
        SELECT
            'warning',
            size.relation,
            format('the columnstore makes it only %s times smaller', round(size.compression_ratio::numeric, 1)),
            'Many late readings in few chunks? See api.chunk_size.'
        FROM size
        WHERE size.relation LIKE '%\_history' AND size.compression_ratio < 3 AND size.columnstore_bytes > 100000000
        UNION ALL
        SELECT
            'warning',
            late.relation,
            format(
                '%s of %s sampled readings came late, 9 in 10 of these within %s: into the columnstore',
                late.late_readings, late.readings, internal.interval_text(date_trunc('minute', late.late_p90))
            ),
            format('CALL api.set_policy(%L, columnstore_after => %L);', late.relation, internal.interval_text(late.late_p90))
        FROM internal.lateness() AS late
        JOIN internal.policy USING (relation)
        WHERE
            late.late_readings >= 100
            AND late.late_p90 > policy.columnstore_after
            -- The postgres profile has the policy and no columnstore.
            AND EXISTS (
                SELECT FROM api.job_health AS job WHERE job.relation = late.relation AND job.job = 'columnstore'
            )
        UNION ALL
        SELECT
            'warning',
            kept.relation,
            format(
                'it goes to the columnstore after %s, but its refresh looks back %s and writes there again and again',
                internal.interval_text(kept.columnstore_after), internal.interval_text(kept.refresh_start_offset)
            ),
            format(
                'CALL api.set_policy(%L, columnstore_after => %L);',
                kept.relation,
                internal.interval_text(kept.refresh_start_offset + interval '1 day')
            )
        FROM internal.policy_in_force AS kept
        CROSS JOIN internal.job_workers AS load
        WHERE kept.columnstore_after <= kept.refresh_start_offset AND load.workers IS NOT NULL
        -- Disk
        UNION ALL
        SELECT
            CASE WHEN outlook.days_left < 7 THEN 'critical' ELSE 'warning' END,
            'disk',
            format('it is full in %s', internal.counted(floor(outlook.days_left)::numeric, 'day')),
            'Drop sooner (api.set_policy), or get a larger disk.'
        FROM outlook
        WHERE outlook.days_left < 30
        UNION ALL
        SELECT 'note', 'disk', 'its size is not known', 'CALL api.set_disk_size(''500 GB'');'
        FROM outlook
        WHERE outlook.disk_free_bytes IS NULL
        -- Indexes and memory
        UNION ALL
        SELECT
            'warning',
            bloat.relation,
            format('index %s is %s times the size it needs', bloat.index_name, round(bloat.bloat_ratio::numeric, 1)),
            format('REINDEX INDEX CONCURRENTLY %s;', bloat.index_name)
        FROM internal.index_bloat AS bloat
        WHERE bloat.bloat_ratio > 3 AND bloat.index_bytes > 100000000
        UNION ALL
        SELECT
            'warning',
            hits.relation,
            format(
                'of its newest chunk, %s %% of the table and %s %% of the indexes are found in memory',
                floor(100 * hits.heap_hit_ratio), floor(100 * hits.index_hit_ratio)
            ),
            'More shared_buffers, or a shorter chunk_interval.'
        FROM internal.cache_hits AS hits
        WHERE least(hits.heap_hit_ratio, hits.index_hit_ratio) < 0.9 AND hits.blocks_read > 100000
        UNION ALL
        SELECT
            'warning',
            'indexes',
            format(
                'those of the newest chunks grow to %s, more than a quarter of the memory of the database (effective_cache_size = %s)',
                pg_size_pretty(hot.bytes), current_setting('effective_cache_size')
            ),
            'A shorter chunk_interval (api.set_policy), or more memory, and say so in effective_cache_size.'
        FROM (
            SELECT
                sum(newest.index_bytes_per_second * extract(epoch FROM kept.chunk_interval))::bigint AS bytes
            FROM (
                SELECT
                    chunk.relation,
                    max(
                        pg_indexes_size(chunk.chunk)
                        / greatest(extract(epoch FROM least(chunk.range_to, now()) - chunk.range_from), 3600)
                    ) AS index_bytes_per_second
                FROM internal.chunk
                WHERE NOT chunk.is_compressed AND chunk.range_from < now()
                GROUP BY chunk.relation
            ) AS newest
            JOIN internal.policy_in_force AS kept USING (relation)
        ) AS hot
        CROSS JOIN internal.job_workers AS load
        WHERE hot.bytes > pg_size_bytes(current_setting('effective_cache_size')) / 4 AND load.workers IS NOT NULL
        -- Devices
        UNION ALL
        SELECT
            CASE WHEN silent.devices > 0.5 * fleet.devices THEN 'critical'
                WHEN silent.devices > 0.1 * fleet.devices THEN 'warning'
                ELSE 'note' END,
            silent.device_type || 's',
            format(
                'no reading from %s of %s for more than %s',
                silent.devices,
                fleet.devices,
                internal.interval_text(silent_longer_than)
            ),
            format('SELECT * FROM api.silent_devices(%L);', internal.interval_text(silent_longer_than))
        FROM (
            SELECT device.device_type, count(*) AS devices
            FROM api.silent_devices(silent_longer_than) AS device
            WHERE device.last_recorded_at IS NOT NULL
            GROUP BY device.device_type
        ) AS silent
        JOIN (
            SELECT 'meter' AS device_type, count(*) AS devices FROM internal.live_meter_state
            UNION ALL
            SELECT 'vehicle', count(*) FROM internal.live_vehicle_state
        ) AS fleet USING (device_type)
        -- What answers call faults of data, of the last 24 hours
        UNION ALL
        SELECT
            'warning',
            fault.device_type || 's',
            format(
                CASE fault.code
                    WHEN 'implausible_power' THEN '%s sent energy that a device of its power cannot deliver, %s'
                    ELSE '%s: more than 10 events of a register within 24 hours, %s'
                END,
                internal.first_of(array_agg(fault.device_id ORDER BY fault.device_id)),
                CASE fault.cause
                    WHEN 'wh_as_kwh' THEN 'as if it sent Wh as kWh'
                    WHEN 'undeclared_register' THEN 'as if it were a register that is not declared'
                    WHEN 'two_sources' THEN 'as if two sources had one id'
                    ELSE 'and no cause is known'
                END
            ),
            CASE fault.cause
                WHEN 'wh_as_kwh' THEN 'Let it send kWh; its readings so far count a thousandfold.'
                WHEN 'undeclared_register' THEN format(
                    'SELECT api.set_%s_kind(%L, ''register'', NULL, NULL); or PUT /v1/%ss/%s {"energyReading": "register", "since": null}',
                    fault.device_type, min(fault.device_id), fault.device_type, min(fault.device_id)
                )
                WHEN 'two_sources' THEN 'Give each source an id of its own.'
                ELSE 'See faults in GET /v1/analytics/meters/{id} or /v1/analytics/performance/{id}; a rated power decides what a device can deliver.'
            END
        FROM internal.fleet_faults(now() - interval '24 hours', now(), 'window', 'UTC') AS fault
        GROUP BY fault.device_type, fault.code, fault.cause
        UNION ALL
        SELECT
            'note',
            device.device_type || 's',
            format(
                '%s: a register that began at zero five times or more within 30 days, as a counter of sessions does',
                internal.first_of(array_agg(device.device_id ORDER BY device.device_id))
            ),
            format(
                'SELECT api.set_%s_kind(%L, ''session'', NULL, NULL); or PUT /v1/%ss/%s {"energyReading": "session", "since": null}',
                device.device_type, min(device.device_id), device.device_type, min(device.device_id)
            )
        FROM (
            SELECT event.device_type, event.device_id
            FROM internal.register_event AS event
            WHERE event.kind = 'reset' AND event.kwh < 1 AND event.recorded_at > now() - interval '30 days'
            GROUP BY event.device_type, event.device_id
            HAVING count(*) >= 5
        ) AS device
        JOIN internal.device_kind AS kind USING (device_type, device_id)
        WHERE kind.energy_reading = 'register' AND kind.kind_to = 'infinity'
        GROUP BY device.device_type
        UNION ALL
        SELECT
            'warning',
            'registers',
            format(
                '%s wait for their readings to be judged, and none was since %s: answers about them are pending',
                count(*),
                date_trunc('second', max(greatest(waiting.since, waiting.judged_at)))
            ),
            'A running service judges them; SELECT api.judge_backlog(10); does it by hand.'
        FROM api.register_backlog AS waiting
        HAVING max(greatest(waiting.since, waiting.judged_at)) < now() - interval '10 minutes'
        UNION ALL
        SELECT
            'note',
            device.device_type || 's',
            format('%s registered without a reading so far', count(*)),
            'SELECT * FROM api.silent_devices() WHERE last_recorded_at IS NULL;'
        FROM api.silent_devices(silent_longer_than) AS device
        WHERE device.last_recorded_at IS NULL
        GROUP BY device.device_type
        UNION ALL
        SELECT
            'warning',
            day.relation,
            format(
                '%s yesterday, %s a day in the week before',
                internal.counted(day.yesterday, 'reading'),
                round(day.usual)
            ),
            'SELECT * FROM api.readings_per_day; and see api.silent_devices().'
        FROM (
            SELECT
                daily.relation,
                coalesce(
                    sum(daily.readings) FILTER (WHERE daily.day_start = internal.day_floor(now()) - interval '24 hours'), 0
                ) AS yesterday,
                avg(daily.readings) FILTER (
                    WHERE
                        daily.day_start < internal.day_floor(now()) - interval '24 hours'
                        AND daily.day_start >= internal.day_floor(now()) - interval '192 hours'
                ) AS usual
            FROM api.readings_per_day AS daily
            GROUP BY daily.relation
        ) AS day
        WHERE day.yesterday < 0.5 * day.usual
    )
    SELECT found.severity, found.subject, found.message, found.action
    FROM found
    ORDER BY array_position(ARRAY['critical', 'warning', 'note'], found.severity), found.subject, found.message
$$;

COMMENT ON FUNCTION api.findings(interval, bigint) IS
'What is not normal: severity (critical: data or service is at risk; warning: it will cost; note: good to know), what it concerns, what was found and what to do; worst first, no row where all is well. silent_longer_than: from when on a device is silent; free_bytes: free bytes of the disk, where telemetry.disk has no size. ev-fleet-energy doctor prints it.';
