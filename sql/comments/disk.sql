COMMENT ON TABLE telemetry.disk IS
'One row, or none: how large the disk is that the database may fill, which SQL cannot find out. Set it with CALL api.set_disk_size().';
COMMENT ON COLUMN telemetry.disk.is_the_only_row IS 'Always true; as the key, it keeps the table at one row.';
COMMENT ON COLUMN telemetry.disk.size_bytes IS 'What the database may take in all, bytes.';
