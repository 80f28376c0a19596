-- name: vehicle_performance
SELECT
    is_known,
    energy_ac_kwh,
    energy_dc_kwh,
    efficiency_ratio,
    battery_temp_mean_c,
    meter_ids,
    meter_readings,
    vehicle_readings
FROM api.vehicle_performance(%(vehicle_id)s, %(window_from)s, %(window_to)s);
