-- Differs by necessity because there are no chunks to drop here: expired readings are deleted, in batches found by index
-- device by device, each in a transaction of its own, so that no lock is held for long. Rollups are left whole. One caller
-- at a time: another returns at once. No search_path is set on the procedure: one with settings of its own cannot commit.

CREATE PROCEDURE api.upkeep()
LANGUAGE plpgsql
AS $$
DECLARE
    readings_per_batch CONSTANT integer := 10000;
    meter_horizon CONSTANT timestamptz := api.history_horizon('meter_telemetry_history');
    vehicle_horizon CONSTANT timestamptz := api.history_horizon('vehicle_telemetry_history');
    deleted bigint;
BEGIN
    IF NOT pg_try_advisory_lock(hashtext('api.upkeep')) THEN
        RETURN;
    END IF;
    LOOP
        DELETE FROM telemetry.meter_telemetry_history AS history
        USING (
            SELECT expired.meter_id, expired.recorded_at
            FROM telemetry.live_meter_state AS device
            CROSS JOIN LATERAL (
                SELECT candidate.meter_id, candidate.recorded_at
                FROM telemetry.meter_telemetry_history AS candidate
                WHERE candidate.meter_id = device.meter_id AND candidate.recorded_at < meter_horizon
                LIMIT readings_per_batch
            ) AS expired
            LIMIT readings_per_batch
        ) AS batch
        WHERE history.meter_id = batch.meter_id AND history.recorded_at = batch.recorded_at;
        GET DIAGNOSTICS deleted = ROW_COUNT;
        COMMIT;
        EXIT WHEN deleted = 0;
    END LOOP;
    LOOP
        DELETE FROM telemetry.vehicle_telemetry_history AS history
        USING (
            SELECT expired.vehicle_id, expired.recorded_at
            FROM telemetry.live_vehicle_state AS device
            CROSS JOIN LATERAL (
                SELECT candidate.vehicle_id, candidate.recorded_at
                FROM telemetry.vehicle_telemetry_history AS candidate
                WHERE candidate.vehicle_id = device.vehicle_id AND candidate.recorded_at < vehicle_horizon
                LIMIT readings_per_batch
            ) AS expired
            LIMIT readings_per_batch
        ) AS batch
        WHERE history.vehicle_id = batch.vehicle_id AND history.recorded_at = batch.recorded_at;
        GET DIAGNOSTICS deleted = ROW_COUNT;
        COMMIT;
        EXIT WHEN deleted = 0;
    END LOOP;
    PERFORM pg_advisory_unlock(hashtext('api.upkeep'));
END
$$;
