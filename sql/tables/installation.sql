-- Comments on tables and columns that migrations create.

COMMENT ON SCHEMA telemetry IS 'Stored data: readings, live state, rollups, assignments, devices, policies. Changed by migrations only.';

COMMENT ON TABLE telemetry.installation IS 'One row: the storage profile of this database and the release that migrated it last.';
COMMENT ON COLUMN telemetry.installation.is_the_only_row IS 'Always true; as the key, it keeps the table at one row.';
COMMENT ON COLUMN telemetry.installation.profile IS 'Storage profile: timescale or postgres; never changes.';
COMMENT ON COLUMN telemetry.installation.release IS 'Release of the service that migrated last.';
COMMENT ON COLUMN telemetry.installation.sql_fingerprint IS
'SHA-256 over the re-applied SQL, by which a service checks that schemas api and internal are its own.';
COMMENT ON COLUMN telemetry.installation.migrated_at IS 'When it was migrated last.';

COMMENT ON TABLE telemetry.disk IS
'One row, or none: the size of the disk that the database may fill, which SQL cannot read. Set it with CALL api.set_disk_size().';
COMMENT ON COLUMN telemetry.disk.is_the_only_row IS 'Always true; as the key, it keeps the table at one row.';
COMMENT ON COLUMN telemetry.disk.size_bytes IS 'Space for the database in all, bytes.';

COMMENT ON TABLE telemetry.upkeep_run IS
'One row, or none: the newest run of api.upkeep(). Of one that failed or still runs, the start is later than the end, which is an earlier run''s.';
COMMENT ON COLUMN telemetry.upkeep_run.is_the_only_row IS 'Always true; as the key, it keeps the table at one row.';
COMMENT ON COLUMN telemetry.upkeep_run.started_at IS 'When the newest run began.';
COMMENT ON COLUMN telemetry.upkeep_run.finished_at IS 'When a run was last over, and well; null: none ever was.';

COMMENT ON TABLE telemetry.import_source IS
'Files that were imported shifted in time, so that importing one again shifts it by the same amount and changes nothing.';
COMMENT ON COLUMN telemetry.import_source.fingerprint IS 'SHA-256 over the file and the identities it was imported for.';
COMMENT ON COLUMN telemetry.import_source.file_name IS 'Name of the file when it was first imported.';
COMMENT ON COLUMN telemetry.import_source.shifted_by IS 'Shift of each timestamp.';
COMMENT ON COLUMN telemetry.import_source.first_imported_at IS 'When it was first imported.';

COMMENT ON TABLE telemetry.import_progress IS
'Days of a file that import --by-day has loaded and completed, with no reading rejected for its age, so that an import '
'that was stopped goes on where it was.';
COMMENT ON COLUMN telemetry.import_progress.fingerprint IS 'SHA-256 over the file and what it was imported for.';
COMMENT ON COLUMN telemetry.import_progress.day_start IS 'The midnight (UTC) the day begins with.';
COMMENT ON COLUMN telemetry.import_progress.readings IS 'Readings of the file in that day, new or there already.';
COMMENT ON COLUMN telemetry.import_progress.started_at IS 'When loading the day began.';
COMMENT ON COLUMN telemetry.import_progress.finished_at IS 'When it was loaded and its rollups were complete.';
