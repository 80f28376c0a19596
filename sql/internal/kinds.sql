CREATE VIEW internal.fleet_default_kind AS
SELECT
    defaults.device_type,
    defaults.energy_reading,
    defaults.register_modulus_kwh,
    defaults.effective_from AS kind_from,
    coalesce(
        lead(defaults.effective_from) OVER (PARTITION BY defaults.device_type ORDER BY defaults.effective_from),
        timestamptz 'infinity'
    ) AS kind_to
FROM (
    SELECT fleet.device_type, fleet.energy_reading, fleet.register_modulus_kwh, fleet.effective_from
    FROM internal.fleet_default AS fleet
    UNION ALL
    SELECT builtin.device_type, 'interval', NULL, '-infinity'
    FROM (VALUES ('meter'), ('vehicle')) AS builtin (device_type)
    WHERE NOT EXISTS (
        SELECT FROM internal.fleet_default AS fleet
        WHERE fleet.device_type = builtin.device_type AND fleet.effective_from = '-infinity'
    )
) AS defaults;

COMMENT ON VIEW internal.fleet_default_kind IS
'What kWh values mean for devices without a kind of their own, for all time: interval where telemetry.fleet_default has no row.';
COMMENT ON COLUMN internal.fleet_default_kind.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN internal.fleet_default_kind.energy_reading IS 'interval, register or session.';
COMMENT ON COLUMN internal.fleet_default_kind.register_modulus_kwh IS
'Value at which registers roll over to zero, kWh; null: never.';
COMMENT ON COLUMN internal.fleet_default_kind.kind_from IS 'From when it holds: of readings stamped after it; -infinity for the first.';
COMMENT ON COLUMN internal.fleet_default_kind.kind_to IS 'Up to when it holds, included; infinity for the last.';

-- What the kWh values of each device mean, and from when to when. A device's own kinds come first, the current one and those
-- before. Where it has none, and for devices that are not listed, the fleet's default of that time applies.

CREATE VIEW internal.device_kind AS
SELECT
    own.device_type,
    own.device_id,
    coalesce(own.energy_reading, fleet.energy_reading) AS energy_reading,
    CASE
        WHEN own.energy_reading IS NULL THEN fleet.register_modulus_kwh
        ELSE own.register_modulus_kwh
    END AS register_modulus_kwh,
    own.energy_reading IS NULL AS is_fleet_default,
    greatest(own.kind_from, fleet.kind_from) AS kind_from,
    least(own.kind_to, fleet.kind_to) AS kind_to
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
) AS own
LEFT JOIN internal.fleet_default_kind AS fleet
    ON own.energy_reading IS NULL
    AND fleet.device_type = own.device_type
    AND fleet.kind_from < own.kind_to
    AND fleet.kind_to > own.kind_from;

COMMENT ON VIEW internal.device_kind IS
'What the kWh values of each device mean, for all time: one row a device and period. Devices are those listed and those with readings.';
COMMENT ON COLUMN internal.device_kind.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN internal.device_kind.device_id IS 'The device, as it names itself.';
COMMENT ON COLUMN internal.device_kind.energy_reading IS 'interval, register or session.';
COMMENT ON COLUMN internal.device_kind.register_modulus_kwh IS 'Value at which the register rolls over to zero, kWh; null: never.';
COMMENT ON COLUMN internal.device_kind.is_fleet_default IS 'Whether it is the fleet''s default, because the device has no kind of its own.';
COMMENT ON COLUMN internal.device_kind.kind_from IS 'From when it holds: of readings stamped after it; -infinity for the first.';
COMMENT ON COLUMN internal.device_kind.kind_to IS 'Up to when it holds, included; infinity for the last.';
