-- name: live_meter
SELECT meter_id, recorded_at, energy_ac_kwh, voltage_v, received_at, is_charging
FROM api.live_meter_state
WHERE meter_id = %(device_id)s;

-- name: live_meters
SELECT meter_id, recorded_at, energy_ac_kwh, voltage_v, received_at, is_charging
FROM api.live_meter_state
WHERE
    meter_id > %(after)s
    AND (%(charging)s::boolean IS NULL OR is_charging = %(charging)s)
    AND (%(silent_for_s)s::float8 IS NULL OR recorded_at < now() - make_interval(secs => %(silent_for_s)s))
ORDER BY meter_id
LIMIT %(row_limit)s;

-- name: live_vehicle
SELECT vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c, received_at, is_charging
FROM api.live_vehicle_state
WHERE vehicle_id = %(device_id)s;

-- name: soc_is_plausible
SELECT is_plausible
FROM api.soc_is_plausible(%(device_id)s, %(recorded_at)s);

-- name: live_vehicles
SELECT vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c, received_at, is_charging
FROM api.live_vehicle_state
WHERE
    vehicle_id > %(after)s
    AND (%(charging)s::boolean IS NULL OR is_charging = %(charging)s)
    AND (%(silent_for_s)s::float8 IS NULL OR recorded_at < now() - make_interval(secs => %(silent_for_s)s))
ORDER BY vehicle_id
LIMIT %(row_limit)s;
