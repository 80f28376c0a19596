COMMENT ON TABLE telemetry.vehicle_kind_past IS
'What the kWh values of a vehicle meant before what telemetry.vehicle says now: each row from the one before it (or from ever) until its instant. Written by api.set_vehicle_kind.';
COMMENT ON COLUMN telemetry.vehicle_kind_past.vehicle_id IS 'The vehicle, as it names itself.';
COMMENT ON COLUMN telemetry.vehicle_kind_past.until IS 'Until when (not included) it held.';
COMMENT ON COLUMN telemetry.vehicle_kind_past.energy_reading IS
'interval, register, or null: what the fleet''s default said then.';
COMMENT ON COLUMN telemetry.vehicle_kind_past.register_modulus_kwh IS
'Value at which the register rolled over to zero, kWh; null: never.';
