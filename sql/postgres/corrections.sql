-- Differs by necessity because here the rollups are tables, right at every commit: the hours and days of the device are computed
-- again in the transaction that corrects.

CREATE FUNCTION internal.renew_rollups(correction bigint)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    changed record;
BEGIN
    SELECT made.device_type, made.device_id, min(reading.recorded_at) AS first_at, max(reading.recorded_at) AS last_at
    INTO changed
    FROM telemetry.correction AS made
    JOIN telemetry.corrected_reading AS reading ON reading.correction_id = made.id
    WHERE made.id = correction
    GROUP BY made.id;
    EXECUTE format('CALL telemetry.recompute_%I($1, $2, $3)', changed.device_type || '_hourly')
    USING
        internal.hour_floor(changed.first_at - interval '1 microsecond'),
        internal.hour_ceiling(changed.last_at),
        changed.device_id;
    -- A day some of whose hours are gone stays as it is.
    EXECUTE format('CALL telemetry.recompute_%I($1, $2, $3)', changed.device_type || '_daily')
    USING
        greatest(
            internal.day_floor(changed.first_at - interval '1 microsecond'),
            internal.day_kept_from(internal.history_horizon(changed.device_type || '_hourly'))
        ),
        internal.day_ceiling(changed.last_at),
        changed.device_id;
END
$$;
