-- Comments on tables and columns that migrations create.

COMMENT ON TABLE telemetry.stale_hour IS
'Hours whose rollup does not show all committed readings yet, since some came late; a refresh removes them. Answers that touch one are pending. Always empty in the postgres profile.';
COMMENT ON COLUMN telemetry.stale_hour.id IS 'Number, counted up.';
COMMENT ON COLUMN telemetry.stale_hour.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN telemetry.stale_hour.device_id IS 'The device, as it names itself; null: any, since too many sent late readings at once.';
COMMENT ON COLUMN telemetry.stale_hour.bucket_start IS 'bucket_start of the hour in the hourly rollup.';
