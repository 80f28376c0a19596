COMMENT ON TABLE telemetry.fleet_default IS
'What kWh values of devices of which nothing is said mean, from when on; interval where there is no row. Written by api.set_fleet_default.';
COMMENT ON COLUMN telemetry.fleet_default.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN telemetry.fleet_default.effective_from IS 'From when on it holds, until the next row; -infinity: always.';
COMMENT ON COLUMN telemetry.fleet_default.energy_reading IS 'interval (since the previous reading) or register (an ever-growing counter).';
COMMENT ON COLUMN telemetry.fleet_default.register_modulus_kwh IS 'Value at which a register rolls over to zero, kWh; null: never.';
