COMMENT ON TABLE telemetry.upkeep_run IS
'One row, or none: the newest run of api.upkeep(). A run that failed has a start and no end.';
COMMENT ON COLUMN telemetry.upkeep_run.is_the_only_row IS 'Always true; as the key, it keeps the table at one row.';
COMMENT ON COLUMN telemetry.upkeep_run.started_at IS 'When it began.';
COMMENT ON COLUMN telemetry.upkeep_run.finished_at IS 'When it was over; null: it still runs, or it failed.';
