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
