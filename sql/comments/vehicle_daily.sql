-- The relation's own comment is in timescale/ and postgres/: a continuous aggregate is a view, the rollup there a table.
COMMENT ON COLUMN telemetry.vehicle_daily.vehicle_id IS 'The vehicle, as it names itself.';
COMMENT ON COLUMN telemetry.vehicle_daily.bucket_start IS 'The midnight (UTC) the bucket begins with.';
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
