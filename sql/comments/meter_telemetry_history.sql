COMMENT ON TABLE telemetry.meter_telemetry_history IS
'Every meter reading accepted, append-only; one a meter and instant.';
COMMENT ON COLUMN telemetry.meter_telemetry_history.meter_id IS 'The meter, as it names itself.';
COMMENT ON COLUMN telemetry.meter_telemetry_history.recorded_at IS 'When the meter took the reading, by its own clock.';
COMMENT ON COLUMN telemetry.meter_telemetry_history.energy_ac_kwh IS
'AC energy from the grid, kWh: since the previous reading, or an ever-growing register (telemetry.meter.energy_reading).';
COMMENT ON COLUMN telemetry.meter_telemetry_history.voltage_v IS 'Voltage at the meter, V.';
COMMENT ON COLUMN telemetry.meter_telemetry_history.received_at IS 'When this service began the transaction that keeps the reading.';
