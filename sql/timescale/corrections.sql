-- Differs by necessity because a continuous aggregate shows a correction after a refresh: the hours are stale until then, as those of
-- late readings are.

CREATE FUNCTION internal.renew_rollups(correction bigint)
RETURNS void
LANGUAGE sql
AS $$
    INSERT INTO telemetry.stale_hour (device_type, device_id, bucket_start)
    SELECT DISTINCT made.device_type, made.device_id, internal.hour_bucket(reading.recorded_at)
    FROM telemetry.correction AS made
    JOIN telemetry.corrected_reading AS reading ON reading.correction_id = made.id
    WHERE
        made.id = correction
        AND reading.recorded_at <= internal.materialised_before(made.device_type || '_hourly')
$$;
