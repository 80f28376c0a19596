-- Comments on tables and columns that migrations create.

COMMENT ON TABLE telemetry.live_meter_state IS
'One row a meter: its newest reading by recorded_at, whatever the order of arrival.';
COMMENT ON COLUMN telemetry.live_meter_state.meter_id IS 'The meter, as it names itself.';
COMMENT ON COLUMN telemetry.live_meter_state.recorded_at IS 'When the newest reading was taken.';
COMMENT ON COLUMN telemetry.live_meter_state.energy_ac_kwh IS 'AC energy of the newest reading, kWh.';
COMMENT ON COLUMN telemetry.live_meter_state.voltage_v IS 'Voltage of the newest reading, V.';
COMMENT ON COLUMN telemetry.live_meter_state.received_at IS 'When the newest reading was received.';
COMMENT ON COLUMN telemetry.live_meter_state.is_charging IS
'Whether the newest reading reports energy above zero; of a register (by its current kind), a value above that of the reading before.';

COMMENT ON TABLE telemetry.live_vehicle_state IS
'One row a vehicle: its newest reading by recorded_at, whatever the order of arrival.';
COMMENT ON COLUMN telemetry.live_vehicle_state.vehicle_id IS 'The vehicle, as it names itself.';
COMMENT ON COLUMN telemetry.live_vehicle_state.recorded_at IS 'When the newest reading was taken.';
COMMENT ON COLUMN telemetry.live_vehicle_state.soc_pct IS 'State of charge of the newest reading, percent.';
COMMENT ON COLUMN telemetry.live_vehicle_state.energy_dc_kwh IS 'DC energy of the newest reading, kWh.';
COMMENT ON COLUMN telemetry.live_vehicle_state.battery_temp_c IS
'Battery temperature of the newest reading, degrees C.';
COMMENT ON COLUMN telemetry.live_vehicle_state.received_at IS 'When the newest reading was received.';
COMMENT ON COLUMN telemetry.live_vehicle_state.is_charging IS
'Whether the newest reading reports energy above zero; of a register (by its current kind), a value above that of the reading before.';
