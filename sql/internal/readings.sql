-- Readings of meters and vehicles as one relation, so that energy has one implementation. A query names one
-- device_type; the planner leaves the other out.

CREATE VIEW internal.device_reading AS
SELECT
    'meter' AS device_type,
    history.meter_id AS device_id,
    history.recorded_at,
    history.energy_ac_kwh AS energy_kwh,
    history.voltage_v::float8 AS measured
FROM internal.meter_telemetry_history AS history
UNION ALL
SELECT 'vehicle', history.vehicle_id, history.recorded_at, history.energy_dc_kwh, history.battery_temp_c::float8
FROM internal.vehicle_telemetry_history AS history;

COMMENT ON VIEW internal.device_reading IS 'Every reading of meters and vehicles: its kWh value, and what else it measured.';
COMMENT ON COLUMN internal.device_reading.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN internal.device_reading.device_id IS 'The device, as it names itself.';
COMMENT ON COLUMN internal.device_reading.recorded_at IS 'When the reading was taken.';
COMMENT ON COLUMN internal.device_reading.energy_kwh IS 'AC energy of a meter, DC energy of a vehicle, kWh.';
COMMENT ON COLUMN internal.device_reading.measured IS 'Voltage of a meter, V; battery temperature of a vehicle, degrees C.';

CREATE VIEW internal.device_hourly AS
SELECT
    'meter' AS device_type,
    hourly.meter_id AS device_id,
    hourly.bucket_start,
    hourly.readings,
    hourly.energy_ac_sum_kwh AS energy_sum_kwh,
    hourly.energy_ac_min_kwh AS energy_min_kwh,
    hourly.energy_ac_max_kwh AS energy_max_kwh,
    hourly.energy_ac_first_kwh AS energy_first_kwh,
    hourly.energy_ac_last_kwh AS energy_last_kwh,
    hourly.voltage_sum_v AS measured_sum,
    hourly.first_recorded_at,
    hourly.last_recorded_at
FROM internal.meter_hourly AS hourly
UNION ALL
SELECT
    'vehicle',
    hourly.vehicle_id,
    hourly.bucket_start,
    hourly.readings,
    hourly.energy_dc_sum_kwh,
    hourly.energy_dc_min_kwh,
    hourly.energy_dc_max_kwh,
    hourly.energy_dc_first_kwh,
    hourly.energy_dc_last_kwh,
    hourly.battery_temp_sum_c,
    hourly.first_recorded_at,
    hourly.last_recorded_at
FROM internal.vehicle_hourly AS hourly;

COMMENT ON VIEW internal.device_hourly IS 'The hourly rollups as far as meters and vehicles share them.';
COMMENT ON COLUMN internal.device_hourly.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN internal.device_hourly.device_id IS 'The device, as it names itself.';
COMMENT ON COLUMN internal.device_hourly.bucket_start IS 'A microsecond after the whole hour (UTC) the bucket begins with.';
COMMENT ON COLUMN internal.device_hourly.readings IS 'Readings in the hour.';
COMMENT ON COLUMN internal.device_hourly.energy_sum_kwh IS 'Sum of the kWh values: the total of interval readings.';
COMMENT ON COLUMN internal.device_hourly.energy_min_kwh IS 'Smallest kWh value of the hour.';
COMMENT ON COLUMN internal.device_hourly.energy_max_kwh IS 'Largest kWh value of the hour.';
COMMENT ON COLUMN internal.device_hourly.energy_first_kwh IS 'kWh value of the first reading.';
COMMENT ON COLUMN internal.device_hourly.energy_last_kwh IS 'kWh value of the last reading.';
COMMENT ON COLUMN internal.device_hourly.measured_sum IS 'Sum of the voltages of a meter, V; of the battery temperatures of a vehicle, degrees C.';
COMMENT ON COLUMN internal.device_hourly.first_recorded_at IS 'When the first reading of the hour was taken.';
COMMENT ON COLUMN internal.device_hourly.last_recorded_at IS 'When the last reading of the hour was taken.';

CREATE VIEW internal.device_daily AS
SELECT
    'meter' AS device_type,
    daily.meter_id AS device_id,
    daily.bucket_start,
    daily.readings,
    daily.energy_ac_sum_kwh AS energy_sum_kwh,
    daily.energy_ac_min_kwh AS energy_min_kwh,
    daily.energy_ac_max_kwh AS energy_max_kwh,
    daily.energy_ac_first_kwh AS energy_first_kwh,
    daily.energy_ac_last_kwh AS energy_last_kwh,
    daily.first_recorded_at,
    daily.last_recorded_at
FROM internal.meter_daily AS daily
UNION ALL
SELECT
    'vehicle',
    daily.vehicle_id,
    daily.bucket_start,
    daily.readings,
    daily.energy_dc_sum_kwh,
    daily.energy_dc_min_kwh,
    daily.energy_dc_max_kwh,
    daily.energy_dc_first_kwh,
    daily.energy_dc_last_kwh,
    daily.first_recorded_at,
    daily.last_recorded_at
FROM internal.vehicle_daily AS daily;

COMMENT ON VIEW internal.device_daily IS 'The energy columns of the daily rollups, of meters and of vehicles.';
COMMENT ON COLUMN internal.device_daily.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN internal.device_daily.device_id IS 'The device, as it names itself.';
COMMENT ON COLUMN internal.device_daily.bucket_start IS 'A microsecond after the midnight (UTC) the bucket begins with.';
COMMENT ON COLUMN internal.device_daily.readings IS 'Readings on the day.';
COMMENT ON COLUMN internal.device_daily.energy_sum_kwh IS 'Sum of the kWh values: the total of interval readings.';
COMMENT ON COLUMN internal.device_daily.energy_min_kwh IS 'Smallest kWh value of the day.';
COMMENT ON COLUMN internal.device_daily.energy_max_kwh IS 'Largest kWh value of the day.';
COMMENT ON COLUMN internal.device_daily.energy_first_kwh IS 'kWh value of the first reading.';
COMMENT ON COLUMN internal.device_daily.energy_last_kwh IS 'kWh value of the last reading.';
COMMENT ON COLUMN internal.device_daily.first_recorded_at IS 'When the first reading of the day was taken.';
COMMENT ON COLUMN internal.device_daily.last_recorded_at IS 'When the last reading of the day was taken.';
