-- Comments on tables and columns that migrations create.

COMMENT ON TABLE telemetry.meter_telemetry_history IS
'Every meter reading accepted, append-only; one a meter and instant.';
COMMENT ON COLUMN telemetry.meter_telemetry_history.meter_id IS 'The meter, as it names itself.';
COMMENT ON COLUMN telemetry.meter_telemetry_history.recorded_at IS 'When the meter took the reading, by its own clock.';
COMMENT ON COLUMN telemetry.meter_telemetry_history.energy_ac_kwh IS
'AC energy from the grid, kWh: since the previous reading, or an ever-growing register (telemetry.meter.energy_reading).';
COMMENT ON COLUMN telemetry.meter_telemetry_history.voltage_v IS 'Voltage at the meter, V.';
COMMENT ON COLUMN telemetry.meter_telemetry_history.received_at IS 'When this service began the transaction that keeps the reading.';

COMMENT ON TABLE telemetry.vehicle_telemetry_history IS
'Every vehicle reading accepted, append-only; one a vehicle and instant.';
COMMENT ON COLUMN telemetry.vehicle_telemetry_history.vehicle_id IS 'The vehicle, as it names itself.';
COMMENT ON COLUMN telemetry.vehicle_telemetry_history.recorded_at IS
'When the vehicle took the reading, by its own clock.';
COMMENT ON COLUMN telemetry.vehicle_telemetry_history.soc_pct IS 'State of charge of the battery, percent.';
COMMENT ON COLUMN telemetry.vehicle_telemetry_history.energy_dc_kwh IS
'DC energy into the battery, kWh: since the previous reading, or an ever-growing register (telemetry.vehicle.energy_reading).';
COMMENT ON COLUMN telemetry.vehicle_telemetry_history.battery_temp_c IS 'Temperature of the battery, degrees C.';
COMMENT ON COLUMN telemetry.vehicle_telemetry_history.received_at IS 'When this service began the transaction that keeps the reading.';
