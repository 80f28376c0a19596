COMMENT ON TABLE telemetry.import_source IS
'Files that were imported shifted in time, so that importing one again shifts it by the same amount and changes nothing.';
COMMENT ON COLUMN telemetry.import_source.fingerprint IS 'SHA-256 over the file and the identities it was imported for.';
COMMENT ON COLUMN telemetry.import_source.file_name IS 'Name of the file when it was first imported.';
COMMENT ON COLUMN telemetry.import_source.shifted_by IS 'What was added to each timestamp.';
COMMENT ON COLUMN telemetry.import_source.first_imported_at IS 'When it was first imported.';
