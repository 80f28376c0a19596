-- Comments on tables and columns that migrations create.

COMMENT ON TABLE telemetry.meter IS
'Properties of meters; readings of a meter are accepted even if it is not listed.';
COMMENT ON COLUMN telemetry.meter.meter_id IS 'The meter, as it names itself.';
COMMENT ON COLUMN telemetry.meter.name IS 'What people call it.';
COMMENT ON COLUMN telemetry.meter.site_name IS 'The site where it stands: meters of one site have the same text.';
COMMENT ON COLUMN telemetry.meter.energy_reading IS
'What a kWh value means from the newest row of meter_kind_past on: interval (since the previous reading), register (an ever-growing counter), session (a counter that begins anew with each session), or null: the fleet''s default.';
COMMENT ON COLUMN telemetry.meter.register_modulus_kwh IS 'Value at which a register rolls over to zero, kWh; null: never.';
COMMENT ON COLUMN telemetry.meter.rated_power_kw IS 'Rated AC power of the charger behind the meter, kW; null: the fleet''s default. Decides which steps of a register are plain.';

COMMENT ON TABLE telemetry.meter_kind_past IS
'Earlier meanings of the kWh values of a meter, before that of telemetry.meter: each row from the one before it (or from the beginning) until its instant. Written by api.set_meter_kind.';
COMMENT ON COLUMN telemetry.meter_kind_past.meter_id IS 'The meter, as it names itself.';
COMMENT ON COLUMN telemetry.meter_kind_past.until IS 'Until when (included) it held.';
COMMENT ON COLUMN telemetry.meter_kind_past.energy_reading IS
'interval, register, session, or null: the fleet''s default of that time.';
COMMENT ON COLUMN telemetry.meter_kind_past.register_modulus_kwh IS
'Value at which the register rolled over to zero, kWh; null: never.';

COMMENT ON TABLE telemetry.vehicle IS
'Properties of vehicles; readings of a vehicle are accepted even if it is not listed.';
COMMENT ON COLUMN telemetry.vehicle.vehicle_id IS 'The vehicle, as it names itself.';
COMMENT ON COLUMN telemetry.vehicle.name IS 'What people call it.';
COMMENT ON COLUMN telemetry.vehicle.group_name IS 'The group it belongs to: vehicles of one group have the same text.';
COMMENT ON COLUMN telemetry.vehicle.energy_reading IS
'What a kWh value means from the newest row of vehicle_kind_past on: interval (since the previous reading), register (an ever-growing counter), session (a counter that begins anew with each session), or null: the fleet''s default.';
COMMENT ON COLUMN telemetry.vehicle.register_modulus_kwh IS
'Value at which a register rolls over to zero, kWh; null: never.';
COMMENT ON COLUMN telemetry.vehicle.rated_power_kw IS 'The most that its battery takes at any charger, DC fast charging too, kW; null: the fleet''s default. Decides which steps of a register are plain.';
COMMENT ON COLUMN telemetry.vehicle.battery_capacity_kwh IS 'Usable capacity of the battery as sold, kWh.';

COMMENT ON TABLE telemetry.vehicle_kind_past IS
'Earlier meanings of the kWh values of a vehicle, before that of telemetry.vehicle: each row from the one before it (or from the beginning) until its instant. Written by api.set_vehicle_kind.';
COMMENT ON COLUMN telemetry.vehicle_kind_past.vehicle_id IS 'The vehicle, as it names itself.';
COMMENT ON COLUMN telemetry.vehicle_kind_past.until IS 'Until when (included) it held.';
COMMENT ON COLUMN telemetry.vehicle_kind_past.energy_reading IS
'interval, register, session, or null: the fleet''s default of that time.';
COMMENT ON COLUMN telemetry.vehicle_kind_past.register_modulus_kwh IS
'Value at which the register rolled over to zero, kWh; null: never.';

COMMENT ON TABLE telemetry.fleet_default IS
'What kWh values of devices without a kind of their own mean, from when on; interval where there is no row. Written by api.set_fleet_default.';
COMMENT ON COLUMN telemetry.fleet_default.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN telemetry.fleet_default.effective_from IS 'It holds for readings stamped after it, until the next row; -infinity: always.';
COMMENT ON COLUMN telemetry.fleet_default.energy_reading IS 'interval (since the previous reading), register (an ever-growing counter) or session (a counter that begins anew with each session).';
COMMENT ON COLUMN telemetry.fleet_default.register_modulus_kwh IS 'Value at which a register rolls over to zero, kWh; null: never.';

COMMENT ON TABLE telemetry.fleet_rated_power IS
'The most that devices without a rated power of their own can deliver. Without a row it is not known, and 1,000 kW is taken for it. Written by api.set_fleet_rated_power.';
COMMENT ON COLUMN telemetry.fleet_rated_power.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN telemetry.fleet_rated_power.rated_power_kw IS 'Rated power by default, kW.';
