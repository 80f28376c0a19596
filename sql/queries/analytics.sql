-- name: vehicle_performance
SELECT
    is_known,
    energy_ac_kwh,
    energy_dc_kwh,
    efficiency_ratio,
    battery_temp_mean_c,
    meter_ids,
    meter_readings,
    vehicle_readings,
    meter_coverage,
    vehicle_coverage,
    meter_resets,
    vehicle_resets,
    meter_rollovers,
    vehicle_rollovers,
    is_estimated,
    energy_ac_reason,
    energy_dc_reason,
    efficiency_reason,
    battery_temp_reason
FROM api.vehicle_performance(%(vehicle_id)s, %(window_from)s, %(window_to)s);
