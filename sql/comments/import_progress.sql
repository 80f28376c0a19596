COMMENT ON TABLE telemetry.import_progress IS
'Days of a file that import --by-day has loaded and completed, with no reading refused for its age, so that an import '
'that was stopped goes on where it was.';
COMMENT ON COLUMN telemetry.import_progress.fingerprint IS 'SHA-256 over the file and what it was imported for.';
COMMENT ON COLUMN telemetry.import_progress.day_start IS 'The midnight (UTC) the day begins with.';
COMMENT ON COLUMN telemetry.import_progress.readings IS 'Readings of the file in that day, new or there already.';
COMMENT ON COLUMN telemetry.import_progress.started_at IS 'When loading the day began.';
COMMENT ON COLUMN telemetry.import_progress.finished_at IS 'When it was loaded and its rollups were complete.';
