-- name: ping
SELECT 1;

-- name: oldest_timestamps_kept
SELECT
    api.history_horizon('meter_telemetry_history'),
    api.history_horizon('vehicle_telemetry_history');

-- name: complete_rollups
CALL api.complete_rollups(%(from)s, %(to)s);

-- name: remember_import
WITH remembered AS (
    INSERT INTO telemetry.import_source (fingerprint, file_name, shifted_by)
    VALUES (%(fingerprint)s, %(file_name)s, %(shifted_by)s)
    ON CONFLICT (fingerprint) DO NOTHING
    RETURNING shifted_by
)
SELECT shifted_by, true FROM remembered
UNION ALL
SELECT shifted_by, false FROM telemetry.import_source WHERE fingerprint = %(fingerprint)s;

-- name: upkeep
CALL api.upkeep();

-- name: complete_load
CALL api.complete_load(%(from)s, %(to)s);

-- name: days_imported
SELECT day_start FROM api.import_progress WHERE fingerprint = %(fingerprint)s;

-- name: remember_day_imported
INSERT INTO telemetry.import_progress (fingerprint, day_start, readings, started_at, finished_at)
VALUES (%(fingerprint)s, %(day_start)s, %(readings)s, %(started_at)s, clock_timestamp())
ON CONFLICT (fingerprint, day_start) DO UPDATE SET finished_at = excluded.finished_at;
