-- Comments on tables and columns that migrations create.
-- The relation's own comment is in timescale/ and postgres/: a continuous aggregate is a view, the rollup there a table.

COMMENT ON COLUMN telemetry.meter_hourly.meter_id IS 'The meter, as it names itself.';
COMMENT ON COLUMN telemetry.meter_hourly.bucket_start IS 'A microsecond after the whole hour (UTC) the bucket begins with: it holds readings of (h, h + 1 h].';
COMMENT ON COLUMN telemetry.meter_hourly.readings IS 'Readings in the hour.';
COMMENT ON COLUMN telemetry.meter_hourly.energy_ac_sum_kwh IS 'Sum of the AC energies, kWh: the total of interval readings.';
COMMENT ON COLUMN telemetry.meter_hourly.energy_ac_min_kwh IS 'Smallest AC energy value of the hour, kWh.';
COMMENT ON COLUMN telemetry.meter_hourly.energy_ac_max_kwh IS 'Largest AC energy value of the hour, kWh.';
COMMENT ON COLUMN telemetry.meter_hourly.energy_ac_first_kwh IS 'AC energy value of the first reading, kWh.';
COMMENT ON COLUMN telemetry.meter_hourly.energy_ac_last_kwh IS 'AC energy value of the last reading, kWh.';
COMMENT ON COLUMN telemetry.meter_hourly.first_recorded_at IS 'When the first reading of the hour was taken.';
COMMENT ON COLUMN telemetry.meter_hourly.last_recorded_at IS 'When the last reading of the hour was taken.';
COMMENT ON COLUMN telemetry.meter_hourly.voltage_sum_v IS 'Sum of the voltages, V: divide by readings for the mean.';
COMMENT ON COLUMN telemetry.meter_hourly.voltage_min_v IS 'Lowest voltage, V.';
COMMENT ON COLUMN telemetry.meter_hourly.voltage_max_v IS 'Highest voltage, V.';

COMMENT ON COLUMN telemetry.meter_daily.meter_id IS 'The meter, as it names itself.';
COMMENT ON COLUMN telemetry.meter_daily.bucket_start IS 'A microsecond after the midnight (UTC) the bucket begins with: it holds the hours of that day.';
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

COMMENT ON COLUMN telemetry.vehicle_hourly.vehicle_id IS 'The vehicle, as it names itself.';
COMMENT ON COLUMN telemetry.vehicle_hourly.bucket_start IS 'A microsecond after the whole hour (UTC) the bucket begins with: it holds readings of (h, h + 1 h].';
COMMENT ON COLUMN telemetry.vehicle_hourly.readings IS 'Readings in the hour.';
COMMENT ON COLUMN telemetry.vehicle_hourly.energy_dc_sum_kwh IS
'Sum of the DC energies, kWh: the total of interval readings.';
COMMENT ON COLUMN telemetry.vehicle_hourly.energy_dc_min_kwh IS 'Smallest DC energy value of the hour, kWh.';
COMMENT ON COLUMN telemetry.vehicle_hourly.energy_dc_max_kwh IS 'Largest DC energy value of the hour, kWh.';
COMMENT ON COLUMN telemetry.vehicle_hourly.energy_dc_first_kwh IS 'DC energy value of the first reading, kWh.';
COMMENT ON COLUMN telemetry.vehicle_hourly.energy_dc_last_kwh IS 'DC energy value of the last reading, kWh.';
COMMENT ON COLUMN telemetry.vehicle_hourly.first_recorded_at IS 'When the first reading of the hour was taken.';
COMMENT ON COLUMN telemetry.vehicle_hourly.last_recorded_at IS 'When the last reading of the hour was taken.';
COMMENT ON COLUMN telemetry.vehicle_hourly.soc_first_pct IS 'State of charge of the first reading, percent.';
COMMENT ON COLUMN telemetry.vehicle_hourly.soc_last_pct IS 'State of charge of the last reading, percent.';
COMMENT ON COLUMN telemetry.vehicle_hourly.soc_min_pct IS 'Lowest state of charge, percent.';
COMMENT ON COLUMN telemetry.vehicle_hourly.soc_max_pct IS 'Highest state of charge, percent.';
COMMENT ON COLUMN telemetry.vehicle_hourly.battery_temp_sum_c IS
'Sum of the battery temperatures, degrees C: divide by readings for the mean.';
COMMENT ON COLUMN telemetry.vehicle_hourly.battery_temp_min_c IS 'Lowest battery temperature, degrees C.';
COMMENT ON COLUMN telemetry.vehicle_hourly.battery_temp_max_c IS 'Highest battery temperature, degrees C.';

COMMENT ON COLUMN telemetry.vehicle_daily.vehicle_id IS 'The vehicle, as it names itself.';
COMMENT ON COLUMN telemetry.vehicle_daily.bucket_start IS 'A microsecond after the midnight (UTC) the bucket begins with: it holds the hours of that day.';
COMMENT ON COLUMN telemetry.vehicle_daily.readings IS 'Readings in the day.';
COMMENT ON COLUMN telemetry.vehicle_daily.energy_dc_sum_kwh IS
'Sum of the DC energies, kWh: the total of interval readings.';
COMMENT ON COLUMN telemetry.vehicle_daily.energy_dc_min_kwh IS 'Smallest DC energy value of the day, kWh.';
COMMENT ON COLUMN telemetry.vehicle_daily.energy_dc_max_kwh IS 'Largest DC energy value of the day, kWh.';
COMMENT ON COLUMN telemetry.vehicle_daily.energy_dc_first_kwh IS 'DC energy value of the first reading, kWh.';
COMMENT ON COLUMN telemetry.vehicle_daily.energy_dc_last_kwh IS 'DC energy value of the last reading, kWh.';
COMMENT ON COLUMN telemetry.vehicle_daily.first_recorded_at IS 'When the first reading of the day was taken.';
COMMENT ON COLUMN telemetry.vehicle_daily.last_recorded_at IS 'When the last reading of the day was taken.';
COMMENT ON COLUMN telemetry.vehicle_daily.soc_first_pct IS 'State of charge of the first reading, percent.';
COMMENT ON COLUMN telemetry.vehicle_daily.soc_last_pct IS 'State of charge of the last reading, percent.';
COMMENT ON COLUMN telemetry.vehicle_daily.soc_min_pct IS 'Lowest state of charge, percent.';
COMMENT ON COLUMN telemetry.vehicle_daily.soc_max_pct IS 'Highest state of charge, percent.';
COMMENT ON COLUMN telemetry.vehicle_daily.battery_temp_sum_c IS
'Sum of the battery temperatures, degrees C: divide by readings for the mean.';
COMMENT ON COLUMN telemetry.vehicle_daily.battery_temp_min_c IS 'Lowest battery temperature, degrees C.';
COMMENT ON COLUMN telemetry.vehicle_daily.battery_temp_max_c IS 'Highest battery temperature, degrees C.';
