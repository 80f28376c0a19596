-- name: devices_now
SELECT
    now.device_id,
    now.name,
    now.place_name,
    now.recorded_at,
    now.received_at,
    now.energy_kwh,
    now.voltage_v,
    now.soc_pct,
    now.battery_temp_c,
    now.is_charging,
    now.power_kw,
    now.counterpart_id,
    now.plugged_in_at,
    now.energy_since_kwh,
    now.minutes_to_full,
    now.listed_devices
FROM api.devices_now(
    %(device_type)s,
    %(device_id)s,
    %(charging)s,
    make_interval(secs => %(silent_for_s)s),
    make_interval(secs => %(seen_within_s)s),
    %(place_name)s,
    %(search)s,
    %(after)s,
    %(row_limit)s,
    %(as_of)s
) AS now;

-- name: fleet_now
SELECT device_type, devices, devices_silent, devices_charging, power_kw
FROM api.fleet_now(%(site)s, %(group)s, %(as_of)s);

-- name: soc_is_plausible
SELECT is_plausible
FROM api.soc_is_plausible(%(device_id)s, %(recorded_at)s);
