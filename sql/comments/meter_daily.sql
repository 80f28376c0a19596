-- The relation's own comment is in timescale/ and postgres/: a continuous aggregate is a view, the rollup there a table.
COMMENT ON COLUMN telemetry.meter_daily.meter_id IS 'The meter, as it names itself.';
COMMENT ON COLUMN telemetry.meter_daily.bucket_start IS 'The midnight (UTC) the bucket begins with.';
COMMENT ON COLUMN telemetry.meter_daily.readings IS 'Readings in the day.';
COMMENT ON COLUMN telemetry.meter_daily.energy_ac_sum_kwh IS 'Sum of the AC energies, kWh: the total of interval readings.';
COMMENT ON COLUMN telemetry.meter_daily.energy_ac_min_kwh IS 'Smallest AC energy value of the day, kWh.';
COMMENT ON COLUMN telemetry.meter_daily.energy_ac_max_kwh IS 'Largest AC energy value of the day, kWh.';
COMMENT ON COLUMN telemetry.meter_daily.energy_ac_first_kwh IS 'AC energy value of the first reading, kWh.';
COMMENT ON COLUMN telemetry.meter_daily.energy_ac_last_kwh IS 'AC energy value of the last reading, kWh.';
COMMENT ON COLUMN telemetry.meter_daily.first_recorded_at IS 'When the first reading of the day was taken.';
COMMENT ON COLUMN telemetry.meter_daily.last_recorded_at IS 'When the last reading of the day was taken.';
COMMENT ON COLUMN telemetry.meter_daily.voltage_sum_v IS 'Sum of the voltages, V: divide by readings for the mean.';
COMMENT ON COLUMN telemetry.meter_daily.voltage_min_v IS 'Lowest voltage, V.';
COMMENT ON COLUMN telemetry.meter_daily.voltage_max_v IS 'Highest voltage, V.';
