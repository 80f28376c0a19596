-- Meters and vehicles that are registered, as one relation, so that lists of both have one implementation. A query names one
-- device_type; the planner leaves the other out.

CREATE VIEW internal.listed_device AS
SELECT
    'meter' AS device_type,
    meter.meter_id AS device_id,
    meter.name,
    meter.site_name AS place_name,
    meter.rated_power_kw,
    NULL::float8 AS battery_capacity_kwh
FROM internal.meter
UNION ALL
SELECT
    'vehicle',
    vehicle.vehicle_id,
    vehicle.name,
    vehicle.group_name,
    vehicle.rated_power_kw,
    vehicle.battery_capacity_kwh
FROM internal.vehicle;

COMMENT ON VIEW internal.listed_device IS 'Every meter and vehicle that is registered.';
COMMENT ON COLUMN internal.listed_device.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN internal.listed_device.device_id IS 'The device, as it names itself.';
COMMENT ON COLUMN internal.listed_device.name IS 'What people call it.';
COMMENT ON COLUMN internal.listed_device.place_name IS 'The site of a meter, the group of a vehicle.';
COMMENT ON COLUMN internal.listed_device.rated_power_kw IS 'Its rated power, kW.';
COMMENT ON COLUMN internal.listed_device.battery_capacity_kwh IS 'Usable capacity of a vehicle''s battery, kWh; null for meters.';
