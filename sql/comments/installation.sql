COMMENT ON TABLE telemetry.installation IS 'One row: what this database is and which release migrated it last.';
COMMENT ON COLUMN telemetry.installation.is_the_only_row IS 'Always true; as the key, it keeps the table at one row.';
COMMENT ON COLUMN telemetry.installation.profile IS 'Storage profile: timescale or postgres; never changes.';
COMMENT ON COLUMN telemetry.installation.release IS 'Release of the service that migrated last.';
COMMENT ON COLUMN telemetry.installation.sql_fingerprint IS
'SHA-256 over the re-applied SQL, so that a service finds out whether schema api is its own.';
COMMENT ON COLUMN telemetry.installation.migrated_at IS 'When it was migrated last.';
