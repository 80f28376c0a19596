-- name: meters
-- The first ids of each: devices listed, with readings, and with assignments. The recursion finds each assigned id once.
WITH RECURSIVE assigned (meter_id, found) AS (
    (
        SELECT earliest.meter_id, 1
        FROM api.assignment AS earliest
        WHERE earliest.meter_id > %(after)s
        ORDER BY earliest.meter_id
        LIMIT 1
    )
    UNION ALL
    SELECT following.meter_id, assigned.found + 1
    FROM assigned
    CROSS JOIN LATERAL (
        SELECT other.meter_id
        FROM api.assignment AS other
        WHERE other.meter_id > assigned.meter_id
        ORDER BY other.meter_id
        LIMIT 1
    ) AS following
    WHERE assigned.found < %(row_limit)s OR %(search)s::text IS NOT NULL
)
SELECT
    page.meter_id,
    listed.name,
    listed.site_name,
    listed.meter_id IS NOT NULL AS is_listed,
    coalesce(listed.energy_reading, fleet.energy_reading) AS energy_reading,
    CASE
        WHEN listed.energy_reading IS NULL THEN fleet.register_modulus_kwh
        ELSE listed.register_modulus_kwh
    END AS register_modulus_kwh,
    listed.energy_reading IS NULL AS is_fleet_default,
    nullif(
        greatest(
            (SELECT max(past.until) FROM internal.meter_kind_past AS past WHERE past.meter_id = page.meter_id),
            CASE WHEN listed.energy_reading IS NULL THEN fleet.kind_from END
        ),
        '-infinity'
    ) AS kind_from,
    NULL::timestamptz AS kind_to,
    listed.rated_power_kw
FROM (
    (
        SELECT one.meter_id
        FROM api.meter AS one
        WHERE
            one.meter_id > %(after)s
            AND (%(place)s::text IS NULL OR one.site_name = %(place)s)
            AND (
                %(search)s::text IS NULL
                OR position(lower(%(search)s) IN lower(concat_ws(chr(10), one.meter_id, one.name))) > 0
            )
        ORDER BY one.meter_id
        LIMIT %(row_limit)s
    )
    UNION
    (
        SELECT live.meter_id
        FROM api.live_meter_state AS live
        WHERE
            live.meter_id > %(after)s
            AND %(place)s::text IS NULL
            AND (%(search)s::text IS NULL OR position(lower(%(search)s) IN lower(live.meter_id)) > 0)
        ORDER BY live.meter_id
        LIMIT %(row_limit)s
    )
    UNION
    SELECT assigned.meter_id
    FROM assigned
    WHERE
        %(place)s::text IS NULL
        AND (%(search)s::text IS NULL OR position(lower(%(search)s) IN lower(assigned.meter_id)) > 0)
    ORDER BY meter_id
    LIMIT %(row_limit)s
) AS page
LEFT JOIN api.meter AS listed
    ON listed.meter_id = page.meter_id
JOIN internal.fleet_default_kind AS fleet
    ON fleet.device_type = 'meter' AND fleet.kind_from <= now() AND fleet.kind_to > now()
ORDER BY page.meter_id;

-- name: vehicles
-- The first ids of each: devices listed, with readings, and with assignments. The recursion finds each assigned id once.
WITH RECURSIVE assigned (vehicle_id, found) AS (
    (
        SELECT earliest.vehicle_id, 1
        FROM api.assignment AS earliest
        WHERE earliest.vehicle_id > %(after)s
        ORDER BY earliest.vehicle_id
        LIMIT 1
    )
    UNION ALL
    SELECT following.vehicle_id, assigned.found + 1
    FROM assigned
    CROSS JOIN LATERAL (
        SELECT other.vehicle_id
        FROM api.assignment AS other
        WHERE other.vehicle_id > assigned.vehicle_id
        ORDER BY other.vehicle_id
        LIMIT 1
    ) AS following
    WHERE assigned.found < %(row_limit)s OR %(search)s::text IS NOT NULL
)
SELECT
    page.vehicle_id,
    listed.name,
    listed.group_name,
    listed.vehicle_id IS NOT NULL AS is_listed,
    coalesce(listed.energy_reading, fleet.energy_reading) AS energy_reading,
    CASE
        WHEN listed.energy_reading IS NULL THEN fleet.register_modulus_kwh
        ELSE listed.register_modulus_kwh
    END AS register_modulus_kwh,
    listed.energy_reading IS NULL AS is_fleet_default,
    nullif(
        greatest(
            (SELECT max(past.until) FROM internal.vehicle_kind_past AS past WHERE past.vehicle_id = page.vehicle_id),
            CASE WHEN listed.energy_reading IS NULL THEN fleet.kind_from END
        ),
        '-infinity'
    ) AS kind_from,
    NULL::timestamptz AS kind_to,
    listed.rated_power_kw,
    listed.battery_capacity_kwh
FROM (
    (
        SELECT one.vehicle_id
        FROM api.vehicle AS one
        WHERE
            one.vehicle_id > %(after)s
            AND (%(place)s::text IS NULL OR one.group_name = %(place)s)
            AND (
                %(search)s::text IS NULL
                OR position(lower(%(search)s) IN lower(concat_ws(chr(10), one.vehicle_id, one.name))) > 0
            )
        ORDER BY one.vehicle_id
        LIMIT %(row_limit)s
    )
    UNION
    (
        SELECT live.vehicle_id
        FROM api.live_vehicle_state AS live
        WHERE
            live.vehicle_id > %(after)s
            AND %(place)s::text IS NULL
            AND (%(search)s::text IS NULL OR position(lower(%(search)s) IN lower(live.vehicle_id)) > 0)
        ORDER BY live.vehicle_id
        LIMIT %(row_limit)s
    )
    UNION
    SELECT assigned.vehicle_id
    FROM assigned
    WHERE
        %(place)s::text IS NULL
        AND (%(search)s::text IS NULL OR position(lower(%(search)s) IN lower(assigned.vehicle_id)) > 0)
    ORDER BY vehicle_id
    LIMIT %(row_limit)s
) AS page
LEFT JOIN api.vehicle AS listed
    ON listed.vehicle_id = page.vehicle_id
JOIN internal.fleet_default_kind AS fleet
    ON fleet.device_type = 'vehicle' AND fleet.kind_from <= now() AND fleet.kind_to > now()
ORDER BY page.vehicle_id;

-- name: kinds_of_device
WITH own AS (
    SELECT energy_reading, register_modulus_kwh, is_fleet_default, kind_from, kind_to
    FROM api.device_kind
    WHERE device_type = %(device_type)s AND device_id = %(device_id)s
),
by_default AS (
    -- A device with assignments only has no kind of its own.
    SELECT fleet.energy_reading, fleet.register_modulus_kwh, true AS is_fleet_default, fleet.kind_from, fleet.kind_to
    FROM internal.fleet_default_kind AS fleet
    WHERE
        fleet.device_type = %(device_type)s
        AND NOT EXISTS (SELECT FROM own)
        AND CASE %(device_type)s
            WHEN 'meter' THEN EXISTS (SELECT FROM api.assignment WHERE assignment.meter_id = %(device_id)s)
            ELSE EXISTS (SELECT FROM api.assignment WHERE assignment.vehicle_id = %(device_id)s)
        END
)
SELECT
    energy_reading,
    register_modulus_kwh,
    is_fleet_default,
    nullif(kind_from, '-infinity') AS kind_from,
    nullif(kind_to, 'infinity') AS kind_to
FROM (
    SELECT energy_reading, register_modulus_kwh, is_fleet_default, kind_from, kind_to FROM own
    UNION ALL
    SELECT energy_reading, register_modulus_kwh, is_fleet_default, kind_from, kind_to FROM by_default
) AS kind
ORDER BY kind.kind_from;

-- name: listed_meter
SELECT listed.meter_id IS NOT NULL AS is_listed, listed.name, listed.site_name, listed.rated_power_kw
FROM (VALUES (%(device_id)s)) AS asked (meter_id)
LEFT JOIN api.meter AS listed USING (meter_id);

-- name: listed_vehicle
SELECT
    listed.vehicle_id IS NOT NULL AS is_listed,
    listed.name,
    listed.group_name,
    listed.rated_power_kw,
    listed.battery_capacity_kwh
FROM (VALUES (%(device_id)s)) AS asked (vehicle_id)
LEFT JOIN api.vehicle AS listed USING (vehicle_id);

-- name: list_meter
INSERT INTO telemetry.meter (meter_id) VALUES (%(device_id)s) ON CONFLICT DO NOTHING;

-- name: list_vehicle
INSERT INTO telemetry.vehicle (vehicle_id) VALUES (%(device_id)s) ON CONFLICT DO NOTHING;

-- name: lock_meter
SELECT
    energy_reading,
    register_modulus_kwh,
    (SELECT max(past.until) FROM telemetry.meter_kind_past AS past WHERE past.meter_id = listed.meter_id) AS kind_from,
    name,
    site_name,
    rated_power_kw
FROM telemetry.meter AS listed
WHERE meter_id = %(device_id)s
FOR UPDATE;

-- name: lock_vehicle
SELECT
    energy_reading,
    register_modulus_kwh,
    (SELECT max(past.until) FROM telemetry.vehicle_kind_past AS past WHERE past.vehicle_id = listed.vehicle_id) AS kind_from,
    name,
    group_name,
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
SET
    name = %(name)s,
    site_name = %(site_name)s,
    rated_power_kw = %(rated_power_kw)s
WHERE meter_id = %(device_id)s;

-- name: change_vehicle
UPDATE telemetry.vehicle
SET
    name = %(name)s,
    group_name = %(group_name)s,
    rated_power_kw = %(rated_power_kw)s,
    battery_capacity_kwh = %(battery_capacity_kwh)s
WHERE vehicle_id = %(device_id)s;

-- name: fleet_defaults
SELECT
    fleet.device_type,
    fleet.energy_reading,
    fleet.register_modulus_kwh,
    true AS is_fleet_default,
    nullif(fleet.kind_from, '-infinity') AS kind_from,
    nullif(fleet.kind_to, 'infinity') AS kind_to
FROM internal.fleet_default_kind AS fleet
ORDER BY fleet.device_type, fleet.kind_from;

-- name: lock_fleet_default
LOCK TABLE telemetry.fleet_default IN SHARE ROW EXCLUSIVE MODE;

-- name: latest_fleet_default
SELECT energy_reading, register_modulus_kwh, nullif(effective_from, '-infinity') AS kind_from
FROM telemetry.fleet_default
WHERE device_type = %(device_type)s
ORDER BY effective_from DESC
LIMIT 1;

-- name: set_fleet_default
SELECT api.set_fleet_default(%(device_type)s, %(kind)s, %(modulus_kwh)s, %(since)s) AS registers;

-- name: fleet_rated_powers
SELECT device_type, rated_power_kw FROM internal.fleet_rated_power;

-- name: kept_fleet_rated_power
SELECT rated_power_kw FROM telemetry.fleet_rated_power WHERE device_type = %(device_type)s;

-- name: set_fleet_rated_power
SELECT api.set_fleet_rated_power(%(device_type)s, %(power_kw)s) AS registers;

-- name: judge_now
-- What the transaction would judge before it commits.
SET CONSTRAINTS telemetry.judge_at_commit IMMEDIATE;

-- name: judged_since
SELECT readings, events, is_pending FROM internal.judged_since(%(device_type)s, %(device_id)s, %(since)s);

-- name: plug_event_default
SELECT internal.closes_by_next_plug_in() AS closes_by_next_plug_in;

-- name: set_plug_event_default
SELECT api.set_plug_event_default(%(close_by_next_plug_in)s);
