CREATE VIEW api.readings_per_day AS
SELECT
    'meter_telemetry_history' AS relation,
    internal.day_floor(daily.bucket_start) AS day_start,
    sum(daily.readings)::bigint AS readings
FROM internal.meter_daily AS daily
WHERE daily.bucket_start > internal.day_floor(now() - interval '14 days')
GROUP BY daily.bucket_start
UNION ALL
SELECT 'vehicle_telemetry_history', internal.day_floor(daily.bucket_start), sum(daily.readings)::bigint
FROM internal.vehicle_daily AS daily
WHERE daily.bucket_start > internal.day_floor(now() - interval '14 days')
GROUP BY daily.bucket_start;

COMMENT ON VIEW api.readings_per_day IS
'Readings of the last 14 days by day (UTC), from the daily rollups. Normal: 1440 a device that reports each minute. Half of that: devices or the network are down.';
COMMENT ON COLUMN api.readings_per_day.relation IS 'Name of the history in schema telemetry.';
COMMENT ON COLUMN api.readings_per_day.day_start IS 'The midnight (UTC) the day begins with; the newest day is not over.';
COMMENT ON COLUMN api.readings_per_day.readings IS 'Readings taken in that day.';

CREATE FUNCTION api.silent_devices(longer_than interval DEFAULT interval '1 hour')
RETURNS TABLE (device_type text, device_id text, last_recorded_at timestamptz, silent_for interval)
LANGUAGE sql STABLE
AS $$
    SELECT silent.device_type, silent.device_id, silent.recorded_at, now() - silent.recorded_at
    FROM (
        SELECT 'meter' AS device_type, live.meter_id AS device_id, live.recorded_at
        FROM internal.live_meter_state AS live
        WHERE live.recorded_at < now() - longer_than
        UNION ALL
        SELECT 'vehicle', live.vehicle_id, live.recorded_at
        FROM internal.live_vehicle_state AS live
        WHERE live.recorded_at < now() - longer_than
        UNION ALL
        SELECT 'meter', listed.meter_id, NULL
        FROM internal.meter AS listed
        WHERE NOT EXISTS (SELECT FROM internal.live_meter_state AS live WHERE live.meter_id = listed.meter_id)
        UNION ALL
        SELECT 'vehicle', listed.vehicle_id, NULL
        FROM internal.vehicle AS listed
        WHERE NOT EXISTS (SELECT FROM internal.live_vehicle_state AS live WHERE live.vehicle_id = listed.vehicle_id)
    ) AS silent
    ORDER BY silent.recorded_at, silent.device_type, silent.device_id
$$;

COMMENT ON FUNCTION api.silent_devices(interval) IS
'Devices whose newest reading is older than the given time (default: an hour), silent longest first; last, with nulls, those listed that never sent one. Normal: the few that are out of order or out of reach. Many at once: the network between, or the service.';
