COMMENT ON TABLE telemetry.upkeep_run IS
'One row, or none: the newest run of api.upkeep(). Of one that failed or still runs, the start is later than the end, which is an earlier run''s.';
COMMENT ON COLUMN telemetry.upkeep_run.is_the_only_row IS 'Always true; as the key, it keeps the table at one row.';
COMMENT ON COLUMN telemetry.upkeep_run.started_at IS 'When the newest run began.';
COMMENT ON COLUMN telemetry.upkeep_run.finished_at IS 'When a run was last over, and well; null: none ever was.';
