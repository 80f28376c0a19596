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
