COMMENT ON TABLE telemetry.meter IS
'What is known of a meter and is not a reading; a meter need not be listed for its readings to be accepted.';
COMMENT ON COLUMN telemetry.meter.meter_id IS 'The meter, as it names itself.';
COMMENT ON COLUMN telemetry.meter.energy_reading IS
'What a kWh value means from the newest row of meter_kind_past on: interval (since the previous reading), register (an ever-growing counter), or null: what the fleet''s default says.';
COMMENT ON COLUMN telemetry.meter.register_modulus_kwh IS 'Value at which a register rolls over to zero, kWh; null: never.';
COMMENT ON COLUMN telemetry.meter.rated_power_kw IS 'Rated AC power of the charger behind the meter, kW.';
