-- name: meters
SELECT
    page.meter_id,
    page.is_listed,
    coalesce(page.energy_reading, fleet.energy_reading),
    CASE WHEN page.energy_reading IS NULL THEN fleet.register_modulus_kwh ELSE page.register_modulus_kwh END,
    page.energy_reading IS NULL,
    nullif(
        greatest(
            (SELECT max(past.until) FROM api.meter_kind_past AS past WHERE past.meter_id = page.meter_id),
            CASE WHEN page.energy_reading IS NULL THEN fleet.kind_from END
        ),
        '-infinity'
    ),
    page.rated_power_kw
FROM (
    (
        SELECT listed.meter_id, true AS is_listed, listed.energy_reading, listed.register_modulus_kwh, listed.rated_power_kw
        FROM api.meter AS listed
        WHERE listed.meter_id > %(after)s
        ORDER BY listed.meter_id
        LIMIT %(row_limit)s
    )
    UNION ALL
    (
        SELECT live.meter_id, false, NULL, NULL, NULL
        FROM api.live_meter_state AS live
        WHERE
            live.meter_id > %(after)s
            AND NOT EXISTS (SELECT FROM api.meter AS listed WHERE listed.meter_id = live.meter_id)
        ORDER BY live.meter_id
        LIMIT %(row_limit)s
    )
    ORDER BY meter_id
    LIMIT %(row_limit)s
) AS page
JOIN api.fleet_default_kind AS fleet
    ON fleet.device_type = 'meter' AND fleet.kind_from <= now() AND fleet.kind_to > now()
ORDER BY page.meter_id;

-- name: vehicles
SELECT
    page.vehicle_id,
    page.is_listed,
    coalesce(page.energy_reading, fleet.energy_reading),
    CASE WHEN page.energy_reading IS NULL THEN fleet.register_modulus_kwh ELSE page.register_modulus_kwh END,
    page.energy_reading IS NULL,
    nullif(
        greatest(
            (SELECT max(past.until) FROM api.vehicle_kind_past AS past WHERE past.vehicle_id = page.vehicle_id),
            CASE WHEN page.energy_reading IS NULL THEN fleet.kind_from END
        ),
        '-infinity'
    ),
    page.rated_power_kw,
    page.battery_capacity_kwh
FROM (
    (
        SELECT
            listed.vehicle_id,
            true AS is_listed,
            listed.energy_reading,
            listed.register_modulus_kwh,
            listed.rated_power_kw,
            listed.battery_capacity_kwh
        FROM api.vehicle AS listed
        WHERE listed.vehicle_id > %(after)s
        ORDER BY listed.vehicle_id
        LIMIT %(row_limit)s
    )
    UNION ALL
    (
        SELECT live.vehicle_id, false, NULL, NULL, NULL, NULL
        FROM api.live_vehicle_state AS live
        WHERE
            live.vehicle_id > %(after)s
            AND NOT EXISTS (SELECT FROM api.vehicle AS listed WHERE listed.vehicle_id = live.vehicle_id)
        ORDER BY live.vehicle_id
        LIMIT %(row_limit)s
    )
    ORDER BY vehicle_id
    LIMIT %(row_limit)s
) AS page
JOIN api.fleet_default_kind AS fleet
    ON fleet.device_type = 'vehicle' AND fleet.kind_from <= now() AND fleet.kind_to > now()
ORDER BY page.vehicle_id;

-- name: kinds_of_device
SELECT
    energy_reading, register_modulus_kwh, is_fleet_default, nullif(kind_from, '-infinity'), nullif(kind_to, 'infinity')
FROM api.device_kind
WHERE device_type = %(device_type)s AND device_id = %(device_id)s
ORDER BY kind_from;

-- name: listed_meter
SELECT rated_power_kw FROM api.meter WHERE meter_id = %(device_id)s;

-- name: listed_vehicle
SELECT rated_power_kw, battery_capacity_kwh FROM api.vehicle WHERE vehicle_id = %(device_id)s;

-- name: list_meter
INSERT INTO telemetry.meter (meter_id) VALUES (%(device_id)s) ON CONFLICT DO NOTHING;

-- name: list_vehicle
INSERT INTO telemetry.vehicle (vehicle_id) VALUES (%(device_id)s) ON CONFLICT DO NOTHING;

-- name: lock_meter
SELECT
    energy_reading,
    register_modulus_kwh,
    (SELECT max(past.until) FROM telemetry.meter_kind_past AS past WHERE past.meter_id = listed.meter_id),
    rated_power_kw
FROM telemetry.meter AS listed
WHERE meter_id = %(device_id)s
FOR UPDATE;

-- name: lock_vehicle
SELECT
    energy_reading,
    register_modulus_kwh,
    (SELECT max(past.until) FROM telemetry.vehicle_kind_past AS past WHERE past.vehicle_id = listed.vehicle_id),
    rated_power_kw,
    battery_capacity_kwh
FROM telemetry.vehicle AS listed
WHERE vehicle_id = %(device_id)s
FOR UPDATE;

-- name: set_meter_kind
SELECT api.set_meter_kind(%(device_id)s, %(kind)s, %(modulus_kwh)s, %(since)s);

-- name: set_vehicle_kind
SELECT api.set_vehicle_kind(%(device_id)s, %(kind)s, %(modulus_kwh)s, %(since)s);

-- name: change_meter
UPDATE telemetry.meter
SET rated_power_kw = %(rated_power_kw)s
WHERE meter_id = %(device_id)s;

-- name: change_vehicle
UPDATE telemetry.vehicle
SET
    rated_power_kw = %(rated_power_kw)s,
    battery_capacity_kwh = %(battery_capacity_kwh)s
WHERE vehicle_id = %(device_id)s;

-- name: fleet_defaults
SELECT
    device_type,
    energy_reading, register_modulus_kwh, true, nullif(kind_from, '-infinity'), nullif(kind_to, 'infinity')
FROM api.fleet_default_kind
ORDER BY device_type, kind_from;

-- name: lock_fleet_default
LOCK TABLE telemetry.fleet_default IN SHARE ROW EXCLUSIVE MODE;

-- name: said_fleet_default
SELECT energy_reading, register_modulus_kwh
FROM telemetry.fleet_default
WHERE device_type = %(device_type)s
ORDER BY effective_from DESC
LIMIT 1;

-- name: set_fleet_default
SELECT api.set_fleet_default(%(device_type)s, %(kind)s, %(modulus_kwh)s, %(since)s);
