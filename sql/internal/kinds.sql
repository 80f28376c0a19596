CREATE VIEW internal.fleet_default_kind AS
SELECT
    said.device_type,
    said.energy_reading,
    said.register_modulus_kwh,
    said.effective_from AS kind_from,
    coalesce(
        lead(said.effective_from) OVER (PARTITION BY said.device_type ORDER BY said.effective_from),
        timestamptz 'infinity'
    ) AS kind_to
FROM (
    SELECT fleet.device_type, fleet.energy_reading, fleet.register_modulus_kwh, fleet.effective_from
    FROM internal.fleet_default AS fleet
    UNION ALL
    SELECT unsaid.device_type, 'interval', NULL, '-infinity'
    FROM (VALUES ('meter'), ('vehicle')) AS unsaid (device_type)
    WHERE NOT EXISTS (
        SELECT FROM internal.fleet_default AS fleet
        WHERE fleet.device_type = unsaid.device_type AND fleet.effective_from = '-infinity'
    )
) AS said;

COMMENT ON VIEW internal.fleet_default_kind IS
'What kWh values mean where nothing is said of a device, for all time: interval where telemetry.fleet_default has no row.';
COMMENT ON COLUMN internal.fleet_default_kind.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN internal.fleet_default_kind.energy_reading IS 'interval or register.';
COMMENT ON COLUMN internal.fleet_default_kind.register_modulus_kwh IS
'Value at which registers roll over to zero, kWh; null: never.';
COMMENT ON COLUMN internal.fleet_default_kind.kind_from IS 'From when it holds (included); -infinity for the first.';
COMMENT ON COLUMN internal.fleet_default_kind.kind_to IS 'Up to when it holds (not included); infinity for the last.';

-- What the kWh values of each device mean, and from when to when. A device's own rows come first: what is said of it now
-- and what was said until an instant. Where they say nothing, and for devices that are not listed, the fleet's default of
-- that time holds; where there is none, interval.

CREATE VIEW internal.device_kind AS
SELECT
    said.device_type,
    said.device_id,
    coalesce(said.energy_reading, fleet.energy_reading) AS energy_reading,
    CASE
        WHEN said.energy_reading IS NULL THEN fleet.register_modulus_kwh
        ELSE said.register_modulus_kwh
    END AS register_modulus_kwh,
    said.energy_reading IS NULL AS is_fleet_default,
    greatest(said.kind_from, fleet.kind_from) AS kind_from,
    least(said.kind_to, fleet.kind_to) AS kind_to
FROM (
    SELECT
        'meter' AS device_type,
        past.meter_id AS device_id,
        past.energy_reading,
        past.register_modulus_kwh,
        lag(past.until, 1, timestamptz '-infinity') OVER (PARTITION BY past.meter_id ORDER BY past.until) AS kind_from,
        past.until AS kind_to
    FROM internal.meter_kind_past AS past
    UNION ALL
    SELECT
        'meter',
        listed.meter_id,
        listed.energy_reading,
        listed.register_modulus_kwh,
        coalesce(
            (SELECT max(past.until) FROM internal.meter_kind_past AS past WHERE past.meter_id = listed.meter_id),
            timestamptz '-infinity'
        ),
        timestamptz 'infinity'
    FROM internal.meter AS listed
    UNION ALL
    SELECT 'meter', live.meter_id, NULL, NULL, timestamptz '-infinity', timestamptz 'infinity'
    FROM internal.live_meter_state AS live
    WHERE NOT EXISTS (SELECT FROM internal.meter AS listed WHERE listed.meter_id = live.meter_id)
    UNION ALL
    SELECT
        'vehicle',
        past.vehicle_id,
        past.energy_reading,
        past.register_modulus_kwh,
        lag(past.until, 1, timestamptz '-infinity') OVER (PARTITION BY past.vehicle_id ORDER BY past.until),
        past.until
    FROM internal.vehicle_kind_past AS past
    UNION ALL
    SELECT
        'vehicle',
        listed.vehicle_id,
        listed.energy_reading,
        listed.register_modulus_kwh,
        coalesce(
            (SELECT max(past.until) FROM internal.vehicle_kind_past AS past WHERE past.vehicle_id = listed.vehicle_id),
            timestamptz '-infinity'
        ),
        timestamptz 'infinity'
    FROM internal.vehicle AS listed
    UNION ALL
    SELECT 'vehicle', live.vehicle_id, NULL, NULL, timestamptz '-infinity', timestamptz 'infinity'
    FROM internal.live_vehicle_state AS live
    WHERE NOT EXISTS (SELECT FROM internal.vehicle AS listed WHERE listed.vehicle_id = live.vehicle_id)
) AS said
LEFT JOIN internal.fleet_default_kind AS fleet
    ON said.energy_reading IS NULL
    AND fleet.device_type = said.device_type
    AND fleet.kind_from < said.kind_to
    AND fleet.kind_to > said.kind_from;

COMMENT ON VIEW internal.device_kind IS
'What the kWh values of each device mean, for all time: one row a device and stretch of time. Devices are those listed and those heard of.';
COMMENT ON COLUMN internal.device_kind.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN internal.device_kind.device_id IS 'The device, as it names itself.';
COMMENT ON COLUMN internal.device_kind.energy_reading IS 'interval or register.';
COMMENT ON COLUMN internal.device_kind.register_modulus_kwh IS 'Value at which the register rolls over to zero, kWh; null: never.';
COMMENT ON COLUMN internal.device_kind.is_fleet_default IS 'Whether it is the fleet''s default, because nothing is said of the device.';
COMMENT ON COLUMN internal.device_kind.kind_from IS 'From when it holds (included); -infinity for the first.';
COMMENT ON COLUMN internal.device_kind.kind_to IS 'Up to when it holds (not included); infinity for the last.';
