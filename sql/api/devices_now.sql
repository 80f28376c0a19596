-- What devices do now: power, whom a meter feeds and since when, energy since then, and how long until a battery is full.
--
-- A device that fell silent does not charge, whatever its newest reading says. The power is that of the newest reading: its energy over
-- the time since the one before. Everything but the newest reading is looked up for the rows of a page only.

CREATE FUNCTION api.devices_now(
    kind_of_device text,
    device text DEFAULT NULL,
    charging boolean DEFAULT NULL,
    silent_for interval DEFAULT NULL,
    seen_within interval DEFAULT NULL,
    at_place text DEFAULT NULL,
    search text DEFAULT NULL,
    after_device text DEFAULT '',
    row_limit integer DEFAULT NULL,
    as_of timestamptz DEFAULT now()
)
RETURNS TABLE (
    device_id text,
    name text,
    place_name text,
    recorded_at timestamptz,
    received_at timestamptz,
    energy_kwh float8,
    voltage_v float4,
    soc_pct float4,
    battery_temp_c float4,
    is_charging boolean,
    power_kw float8,
    counterpart_id text,
    plugged_in_at timestamptz,
    energy_since_kwh float8,
    minutes_to_full float8,
    listed_devices bigint
)
LANGUAGE sql STABLE ROWS 100
AS $$
    WITH fitting AS MATERIALIZED (
        SELECT
            live.*,
            live.is_charging AND as_of - live.recorded_at <= internal.silent_after() AS charges,
            listed.name,
            listed.place_name,
            listed.battery_capacity_kwh
        FROM (
            SELECT
                meter.meter_id AS device_id,
                meter.recorded_at,
                meter.received_at,
                meter.energy_ac_kwh AS energy_kwh,
                meter.voltage_v,
                NULL::float4 AS soc_pct,
                NULL::float4 AS battery_temp_c,
                meter.is_charging
            FROM internal.live_meter_state AS meter
            WHERE
                internal.one_of('kind_of_device', kind_of_device, ARRAY['meter', 'vehicle']) = 'meter'
                AND (device IS NULL OR meter.meter_id = device)
            UNION ALL
            SELECT
                vehicle.vehicle_id,
                vehicle.recorded_at,
                vehicle.received_at,
                vehicle.energy_dc_kwh,
                NULL,
                vehicle.soc_pct,
                vehicle.battery_temp_c,
                vehicle.is_charging
            FROM internal.live_vehicle_state AS vehicle
            WHERE kind_of_device = 'vehicle' AND (device IS NULL OR vehicle.vehicle_id = device)
        ) AS live
        LEFT JOIN internal.listed_device AS listed
            ON listed.device_type = kind_of_device
            AND listed.device_id = live.device_id
        WHERE
            (
                charging IS NULL
                OR (live.is_charging AND as_of - live.recorded_at <= internal.silent_after()) = charging
            )
            AND (silent_for IS NULL OR live.recorded_at < as_of - silent_for)
            AND (seen_within IS NULL OR live.recorded_at >= as_of - seen_within)
            AND (at_place IS NULL OR listed.place_name = at_place)
            AND (
                search IS NULL OR position(lower(search) IN lower(concat_ws(chr(10), live.device_id, listed.name))) > 0
            )
    ),
    page AS MATERIALIZED (
        SELECT fitting.*
        FROM fitting
        WHERE fitting.device_id > after_device COLLATE "C"
        ORDER BY fitting.device_id COLLATE "C"
        LIMIT row_limit
    )
    SELECT
        page.device_id,
        page.name,
        page.place_name,
        page.recorded_at,
        page.received_at,
        page.energy_kwh,
        page.voltage_v,
        page.soc_pct,
        page.battery_temp_c,
        page.charges,
        flow.power_kw,
        plugged.counterpart_id,
        plugged.since,
        since.energy_kwh,
        CASE
            WHEN page.charges AND flow.power_kw >= internal.least_flow_kw()
                THEN (100 - page.soc_pct) / 100 * page.battery_capacity_kwh / flow.power_kw * 60
        END,
        (SELECT count(*) FROM fitting)
    FROM page
    LEFT JOIN LATERAL internal.power_now(kind_of_device, page.device_id, page.recorded_at, as_of) AS flow ON true
    LEFT JOIN LATERAL (
        SELECT
            CASE kind_of_device WHEN 'meter' THEN plug.vehicle_id ELSE plug.meter_id END AS counterpart_id,
            plug.meter_id,
            lower(plug.during) AS since
        FROM internal.assignments_of(
            CASE kind_of_device WHEN 'meter' THEN page.device_id END,
            CASE kind_of_device WHEN 'vehicle' THEN page.device_id END,
            tstzrange(as_of, as_of, '[]')
        ) AS plug
        UNION ALL
        -- Paired by its id: one that was never assigned, with a meter that feeds nobody else now.
        SELECT page.device_id, page.device_id, NULL
        WHERE
            EXISTS (SELECT FROM internal.live_meter_state AS live WHERE live.meter_id = page.device_id)
            AND (
                EXISTS (SELECT FROM internal.live_vehicle_state AS live WHERE live.vehicle_id = page.device_id)
                OR EXISTS (SELECT FROM internal.vehicle AS listed WHERE listed.vehicle_id = page.device_id)
            )
            AND NOT EXISTS (SELECT FROM internal.assignment WHERE assignment.vehicle_id = page.device_id)
            AND NOT EXISTS (
                SELECT FROM internal.assignment
                WHERE assignment.meter_id = page.device_id AND assignment.during @> as_of
            )
    ) AS plugged ON true
    LEFT JOIN LATERAL (
        SELECT CASE kind_of_device WHEN 'meter' THEN grid.kwh ELSE battery.kwh END AS energy_kwh
        -- A stay of more than a week is no charge.
        FROM (SELECT WHERE plugged.since > as_of - interval '7 days' OFFSET 0) AS recent
        LEFT JOIN LATERAL (
            SELECT drawn.energy_ac_kwh AS kwh
            FROM (SELECT WHERE kind_of_device = 'meter' OFFSET 0) AS wanted
            CROSS JOIN LATERAL internal.meter_window(
                page.device_id, plugged.since, as_of, internal.earlier(as_of, 168), as_of
            ) AS drawn
        ) AS grid ON true
        LEFT JOIN LATERAL (
            SELECT delivered.energy_dc_kwh AS kwh
            FROM (SELECT WHERE kind_of_device = 'vehicle' OFFSET 0) AS wanted
            CROSS JOIN LATERAL internal.vehicle_window(
                page.device_id, plugged.since, as_of, internal.earlier(as_of, 168), as_of
            ) AS delivered
        ) AS battery ON true
    ) AS since ON true
    ORDER BY page.device_id COLLATE "C"
$$;

COMMENT ON FUNCTION api.devices_now(text, text, boolean, interval, interval, text, text, text, integer, timestamptz) IS
'Meters or vehicles (kind_of_device) now (as_of: a constant lets the planner leave out chunks), by id: their newest reading (energy in kWh, voltage in V, state of charge in percent, battery temperature in degrees C), whether they charge (never one that was silent for 30 minutes), their power (kW, null where that is not known or the device is silent), the vehicle that the meter feeds or the meter that feeds the vehicle, since when (null: paired by its id), the energy since then (kWh, of at most a week), and minutes until the battery is full at this power where its capacity is known. Narrowed to a device, to those that charge or not, that are silent for or were seen within a time, to a site or group, to ids and names that contain a text; row_limit rows (null: all) after an id. listed_devices counts the whole list.';

CREATE FUNCTION api.fleet_now(
    at_site text DEFAULT NULL, in_group text DEFAULT NULL, as_of timestamptz DEFAULT now()
)
RETURNS TABLE (
    device_type text,
    devices bigint,
    devices_silent bigint,
    devices_charging bigint,
    power_kw float8
)
LANGUAGE sql STABLE ROWS 2
AS $$
    SELECT
        'meter',
        count(*),
        count(*) FILTER (WHERE NOT meter.is_heard),
        count(*) FILTER (WHERE meter.is_charging AND meter.is_heard),
        coalesce(sum(flow.power_kw), 0)
    FROM (
        SELECT
            live.meter_id, live.recorded_at, live.is_charging,
            as_of - live.recorded_at <= internal.silent_after() AS is_heard
        FROM internal.live_meter_state AS live
        WHERE
            at_site IS NULL
            OR EXISTS (
                SELECT FROM internal.meter AS listed
                WHERE listed.meter_id = live.meter_id AND listed.site_name = at_site
            )
    ) AS meter
    LEFT JOIN LATERAL internal.power_now(
        'meter', meter.meter_id, CASE WHEN meter.is_charging THEN meter.recorded_at END, as_of
    ) AS flow ON true
    UNION ALL
    SELECT
        'vehicle',
        count(*),
        count(*) FILTER (WHERE NOT vehicle.is_heard),
        count(*) FILTER (WHERE vehicle.is_charging AND vehicle.is_heard),
        coalesce(sum(flow.power_kw), 0)
    FROM (
        SELECT
            live.vehicle_id, live.recorded_at, live.is_charging,
            as_of - live.recorded_at <= internal.silent_after() AS is_heard
        FROM internal.live_vehicle_state AS live
        WHERE
            in_group IS NULL
            OR EXISTS (
                SELECT FROM internal.vehicle AS listed
                WHERE listed.vehicle_id = live.vehicle_id AND listed.group_name = in_group
            )
    ) AS vehicle
    LEFT JOIN LATERAL internal.power_now(
        'vehicle', vehicle.vehicle_id, CASE WHEN vehicle.is_charging THEN vehicle.recorded_at END, as_of
    ) AS flow ON true
$$;

COMMENT ON FUNCTION api.fleet_now(text, text, timestamptz) IS
'How many meters (of a site, or all) and vehicles (of a group, or all) ever sent a reading, how many of them are silent (none for 30 minutes), how many charge, and at which power (kW: AC of meters, DC of vehicles).';
