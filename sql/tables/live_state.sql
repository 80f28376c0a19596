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

COMMENT ON COLUMN telemetry.live_meter_state.register_kind IS
'register or session where the meter is one now, null for intervals: like the columns that follow, what judging its next reading needs.';
COMMENT ON COLUMN telemetry.live_meter_state.register_since IS 'Since when it is one; of one that is none any more, until when it was.';
COMMENT ON COLUMN telemetry.live_meter_state.register_power_kw IS 'The most it can deliver, kW.';
COMMENT ON COLUMN telemetry.live_meter_state.register_still_for IS 'How long its value may stand still while energy flows.';
COMMENT ON COLUMN telemetry.live_meter_state.register_flows_from IS
'The reading before the one that first showed the value; null: it waits in the backlog.';
COMMENT ON COLUMN telemetry.live_meter_state.register_stands IS 'Whether it has not moved since its last event.';

COMMENT ON COLUMN telemetry.live_vehicle_state.register_kind IS
'register or session where the vehicle is one now, null for intervals: like the columns that follow, what judging its next reading needs.';
COMMENT ON COLUMN telemetry.live_vehicle_state.register_since IS 'Since when it is one; of one that is none any more, until when it was.';
COMMENT ON COLUMN telemetry.live_vehicle_state.register_power_kw IS 'The most it can deliver, kW.';
COMMENT ON COLUMN telemetry.live_vehicle_state.register_still_for IS 'How long its value may stand still while energy flows.';
COMMENT ON COLUMN telemetry.live_vehicle_state.register_flows_from IS
'The reading before the one that first showed the value; null: it waits in the backlog.';
COMMENT ON COLUMN telemetry.live_vehicle_state.register_stands IS 'Whether it has not moved since its last event.';
