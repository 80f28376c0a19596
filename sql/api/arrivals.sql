CREATE VIEW api.readings_per_day AS
SELECT 'meter_telemetry_history' AS relation, daily.bucket_start AS day_start, sum(daily.readings)::bigint AS readings
FROM api.meter_daily AS daily
WHERE daily.bucket_start >= api.day_floor(now() - interval '14 days')
GROUP BY daily.bucket_start
UNION ALL
SELECT 'vehicle_telemetry_history', daily.bucket_start, sum(daily.readings)::bigint
FROM api.vehicle_daily AS daily
WHERE daily.bucket_start >= api.day_floor(now() - interval '14 days')
GROUP BY daily.bucket_start;

COMMENT ON VIEW api.readings_per_day IS
'Readings of the last 14 days by day (UTC), from the daily rollups. Normal: 1440 a device that reports each minute. Half of that: devices or the network are down.';
COMMENT ON COLUMN api.readings_per_day.relation IS 'Name of the history in schema telemetry.';
COMMENT ON COLUMN api.readings_per_day.day_start IS 'The midnight (UTC) the day begins with; the newest day is not over.';
COMMENT ON COLUMN api.readings_per_day.readings IS 'Readings taken in that day.';

-- How late readings come, from a sample: a few devices by index, never a scan. Readings of a file that was imported are
-- left out where its days are known; they say nothing of how late devices report.

CREATE FUNCTION api.lateness()
RETURNS TABLE (
    relation text,
    readings bigint,
    late_readings bigint,
    late_p50 interval,
    late_p90 interval,
    late_p99 interval
)
LANGUAGE sql STABLE
-- Of so many parts, compiling takes longer than running.
SET jit = off
AS $$
    WITH bounds AS (
        SELECT 20 AS devices, now() - interval '31 days' AS sample_from, interval '1 hour' AS late_after
    ),
    meter AS (
        SELECT live.meter_id
        FROM api.live_meter_state AS live
        ORDER BY md5(live.meter_id)
        LIMIT (SELECT devices FROM bounds)
    ),
    vehicle AS (
        SELECT live.vehicle_id
        FROM api.live_vehicle_state AS live
        ORDER BY md5(live.vehicle_id)
        LIMIT (SELECT devices FROM bounds)
    ),
    sampled AS (
        SELECT 'meter_telemetry_history' AS relation, history.recorded_at, history.received_at
        FROM meter
        JOIN api.meter_telemetry_history AS history USING (meter_id)
        WHERE history.recorded_at >= (SELECT sample_from FROM bounds)
        UNION ALL
        SELECT 'vehicle_telemetry_history', history.recorded_at, history.received_at
        FROM vehicle
        JOIN api.vehicle_telemetry_history AS history USING (vehicle_id)
        WHERE history.recorded_at >= (SELECT sample_from FROM bounds)
    ),
    aged AS (
        SELECT
            sampled.relation,
            sampled.received_at - sampled.recorded_at AS lateness,
            sampled.received_at - sampled.recorded_at > bounds.late_after AS is_late
        FROM sampled
        CROSS JOIN bounds
        WHERE
            NOT EXISTS (
                SELECT
                FROM api.import_progress AS import
                WHERE sampled.received_at BETWEEN import.started_at AND import.finished_at
            )
    )
    SELECT
        aged.relation,
        count(*),
        count(*) FILTER (WHERE aged.is_late),
        percentile_disc(0.5) WITHIN GROUP (ORDER BY aged.lateness) FILTER (WHERE aged.is_late),
        percentile_disc(0.9) WITHIN GROUP (ORDER BY aged.lateness) FILTER (WHERE aged.is_late),
        percentile_disc(0.99) WITHIN GROUP (ORDER BY aged.lateness) FILTER (WHERE aged.is_late)
    FROM aged
    GROUP BY aged.relation
    ORDER BY aged.relation
$$;

COMMENT ON FUNCTION api.lateness() IS
'How late the late readings of the last 31 days came (more than an hour after they were taken), from the readings of 20 devices of each kind: half, 9 of 10 and 99 of 100 of them came within so much. Normal: few, and within the columnstore_after of their history. Else set columnstore_after to no less than late_p90: an INSERT into the columnstore works, but costs many times more.';

CREATE FUNCTION api.silent_devices(longer_than interval DEFAULT interval '1 hour')
RETURNS TABLE (device_type text, device_id text, last_recorded_at timestamptz, silent_for interval)
LANGUAGE sql STABLE
AS $$
    SELECT silent.device_type, silent.device_id, silent.recorded_at, now() - silent.recorded_at
    FROM (
        SELECT 'meter' AS device_type, live.meter_id AS device_id, live.recorded_at
        FROM api.live_meter_state AS live
        WHERE live.recorded_at < now() - longer_than
        UNION ALL
        SELECT 'vehicle', live.vehicle_id, live.recorded_at
        FROM api.live_vehicle_state AS live
        WHERE live.recorded_at < now() - longer_than
        UNION ALL
        SELECT 'meter', listed.meter_id, NULL
        FROM api.meter AS listed
        WHERE NOT EXISTS (SELECT FROM api.live_meter_state AS live WHERE live.meter_id = listed.meter_id)
        UNION ALL
        SELECT 'vehicle', listed.vehicle_id, NULL
        FROM api.vehicle AS listed
        WHERE NOT EXISTS (SELECT FROM api.live_vehicle_state AS live WHERE live.vehicle_id = listed.vehicle_id)
    ) AS silent
    ORDER BY silent.recorded_at, silent.device_type, silent.device_id
$$;

COMMENT ON FUNCTION api.silent_devices(interval) IS
'Devices whose newest reading is older than so long (an hour unless told), silent longest first; last, with nulls, those that are listed and were never heard of. Normal: the few that are out of order or out of reach. Many at once: the network between, or the service.';
