COMMENT ON TABLE telemetry.live_meter_state IS
'One row a meter: its newest reading by recorded_at, whatever the order of arrival.';
COMMENT ON COLUMN telemetry.live_meter_state.meter_id IS 'The meter, as it names itself.';
COMMENT ON COLUMN telemetry.live_meter_state.recorded_at IS 'When the newest reading was taken.';
COMMENT ON COLUMN telemetry.live_meter_state.energy_ac_kwh IS 'AC energy of the newest reading, kWh.';
COMMENT ON COLUMN telemetry.live_meter_state.voltage_v IS 'Voltage of the newest reading, V.';
COMMENT ON COLUMN telemetry.live_meter_state.received_at IS 'When the newest reading was received.';
COMMENT ON COLUMN telemetry.live_meter_state.is_charging IS
'Whether the newest reading reports energy above zero; of a register (as is said of it now), a value above that of the reading before.';
