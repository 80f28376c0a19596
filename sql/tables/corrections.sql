-- Comments on tables and columns that migrations create.

COMMENT ON TABLE telemetry.correction IS
'Corrections of readings: what was done to those of a device in a window, when, by whom and why. One that was undone stays; undoing it is another.';
COMMENT ON COLUMN telemetry.correction.id IS 'Number, counted up.';
COMMENT ON COLUMN telemetry.correction.action IS
'void (the readings are gone), scale (their energies were multiplied), replace (others stand in their place), undo (what a correction did was taken back).';
COMMENT ON COLUMN telemetry.correction.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN telemetry.correction.device_id IS 'The device, as it names itself.';
COMMENT ON COLUMN telemetry.correction.corrected_from IS 'Start of the window, excluded.';
COMMENT ON COLUMN telemetry.correction.corrected_to IS 'End of the window, included.';
COMMENT ON COLUMN telemetry.correction.factor IS 'Of scale, what the energies were multiplied by.';
COMMENT ON COLUMN telemetry.correction.undoes IS 'Of undo, the correction that was taken back.';
COMMENT ON COLUMN telemetry.correction.corrected_at IS 'When it was made.';
COMMENT ON COLUMN telemetry.correction.database_role IS 'The database role that made it.';
COMMENT ON COLUMN telemetry.correction.operator IS 'Who made it, as the request says; null: the request does not.';
COMMENT ON COLUMN telemetry.correction.reason IS 'Why.';
COMMENT ON COLUMN telemetry.correction.readings_before IS 'Readings of the device in the window before.';
COMMENT ON COLUMN telemetry.correction.readings_after IS 'Readings of the device in the window after.';
COMMENT ON COLUMN telemetry.correction.energy_before_kwh IS
'Energy of the device before, from the start of the window to the first reading after it, whose step changes with it, kWh; null: it was being judged.';
COMMENT ON COLUMN telemetry.correction.energy_after_kwh IS
'Energy of the device after, over the same time, kWh; null: it is being judged.';

COMMENT ON TABLE telemetry.corrected_reading IS
'Each reading that a correction took away, changed or added: the row of the history before and after.';
COMMENT ON COLUMN telemetry.corrected_reading.correction_id IS 'The correction.';
COMMENT ON COLUMN telemetry.corrected_reading.recorded_at IS 'When the reading was taken.';
COMMENT ON COLUMN telemetry.corrected_reading.was IS 'The row before, by column; null: there was none.';
COMMENT ON COLUMN telemetry.corrected_reading.became IS 'The row after, by column; null: there is none.';

COMMENT ON TABLE telemetry.changed_history IS
'Histories of which rows were changed or deleted by hand since the last refresh, which settles live state and register events too.';
COMMENT ON COLUMN telemetry.changed_history.device_type IS 'meter or vehicle: whose history.';
COMMENT ON COLUMN telemetry.changed_history.changed_at IS 'When it was last changed.';
