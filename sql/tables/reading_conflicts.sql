-- Comments on tables and columns that migrations create.

COMMENT ON TABLE telemetry.reading_conflict IS
'Readings that came for a device and time of which another reading is stored, with other values: the first one stands. A row a device and day; rows go with the history.';
COMMENT ON COLUMN telemetry.reading_conflict.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN telemetry.reading_conflict.device_id IS 'The device, as it names itself.';
COMMENT ON COLUMN telemetry.reading_conflict.day_start IS 'The midnight (UTC) before the readings were taken.';
COMMENT ON COLUMN telemetry.reading_conflict.conflicts IS 'How many came, repeats included.';
COMMENT ON COLUMN telemetry.reading_conflict.first_recorded_at IS 'When the first of these readings was taken.';
COMMENT ON COLUMN telemetry.reading_conflict.last_recorded_at IS 'When the last of them was taken.';
COMMENT ON COLUMN telemetry.reading_conflict.last_received_at IS 'When one came last, by the clock of the database.';
COMMENT ON COLUMN telemetry.reading_conflict.example_recorded_at IS 'When the one was taken whose energies differ most.';
COMMENT ON COLUMN telemetry.reading_conflict.kept_kwh IS 'Its kWh value as it is stored.';
COMMENT ON COLUMN telemetry.reading_conflict.sent_kwh IS 'Its kWh value as it came again.';
