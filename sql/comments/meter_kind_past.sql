COMMENT ON TABLE telemetry.meter_kind_past IS
'What the kWh values of a meter meant before what telemetry.meter says now: each row from the one before it (or from ever) until its instant. Written by api.set_meter_kind.';
COMMENT ON COLUMN telemetry.meter_kind_past.meter_id IS 'The meter, as it names itself.';
COMMENT ON COLUMN telemetry.meter_kind_past.until IS 'Until when (not included) it held.';
COMMENT ON COLUMN telemetry.meter_kind_past.energy_reading IS
'interval, register, or null: what the fleet''s default said then.';
COMMENT ON COLUMN telemetry.meter_kind_past.register_modulus_kwh IS
'Value at which the register rolled over to zero, kWh; null: never.';
