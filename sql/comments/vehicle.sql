COMMENT ON TABLE telemetry.vehicle IS
'What is known of a vehicle and is not a reading; a vehicle need not be listed for its readings to be accepted.';
COMMENT ON COLUMN telemetry.vehicle.vehicle_id IS 'The vehicle, as it names itself.';
COMMENT ON COLUMN telemetry.vehicle.energy_reading IS
'What a kWh value means from the newest row of vehicle_kind_past on: interval (since the previous reading), register (an ever-growing counter), or null: what the fleet''s default says.';
COMMENT ON COLUMN telemetry.vehicle.register_modulus_kwh IS
'Value at which a register rolls over to zero, kWh; null: never.';
COMMENT ON COLUMN telemetry.vehicle.rated_power_kw IS 'Largest AC power the vehicle charges with, kW.';
COMMENT ON COLUMN telemetry.vehicle.battery_capacity_kwh IS 'Usable capacity of the battery as sold, kWh.';
