-- Where energy is lost: vehicles and meters whose ratio is below a threshold, those whose data is at fault (a ratio above 1,
-- power that no device has), and meters that fed nobody. A vehicle's ratio is that of api.vehicle_performance, of what arrived while meters
-- fed it; a meter's is of the vehicles it fed, while it fed them. A device with a silent side has no ratio and is not listed.
--
-- Without a threshold it is 0.85, or the lowest ratio that is normal for the device's power where that is higher: so a
-- bad fast charger is listed even if it loses no more than a slow socket does. since is the first of the days (UTC) in a
-- row that are below the threshold up to the last day with a ratio; null where that last day is not below. It is never
-- before the window.

CREATE FUNCTION api.losses(window_from timestamptz, window_to timestamptz, below float8, row_limit integer)
RETURNS TABLE (
    list text,
    device_type text,
    device_id text,
    verdict text,
    cause text,
    energy_ac_kwh float8,
    energy_dc_kwh float8,
    efficiency_ratio float8,
    mean_power_kw float8,
    expected_ratio float8,
    lost_kwh float8,
    lost_beyond_expected_kwh float8,
    since timestamptz,
    meter_readings bigint,
    vehicle_readings bigint,
    meter_coverage float8,
    vehicle_coverage float8,
    listed_devices bigint,
    listed_kwh float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
AS $$
    SELECT
        found.list,
        found.device_type,
        found.device_id,
        found.verdict,
        found.cause,
        found.energy_ac_kwh,
        found.energy_dc_kwh,
        found.efficiency_ratio,
        found.mean_power_kw,
        found.expected_ratio,
        found.lost_kwh,
        found.lost_beyond_expected_kwh,
        found.since,
        found.meter_readings,
        found.vehicle_readings,
        found.meter_coverage,
        found.vehicle_coverage,
        found.listed_devices,
        found.listed_kwh
    FROM internal.losses(window_from, window_to, below, row_limit) AS found
    WHERE NOT found.is_total
    ORDER BY found.list, found.place
$$;

COMMENT ON FUNCTION api.losses(timestamptz, timestamptz, float8, integer) IS
'Lists of devices in (window_from, window_to], at most row_limit rows each (null: all), most kWh first: vehicles and meters whose ratio is below a threshold (null: 0.85, or the lowest normal ratio for their power), data_faults with a ratio above 1, implausible power or an unsteady register, and their likely cause, meters that drew energy for nobody (unattributed). Mean charging power (kW) is weighted by energy; listed_devices and listed_kwh count the whole list.';

CREATE FUNCTION api.loss_totals(window_from timestamptz, window_to timestamptz, below float8 DEFAULT NULL)
RETURNS TABLE (
    list text,
    device_type text,
    verdict text,
    devices bigint,
    energy_ac_kwh float8,
    energy_dc_kwh float8,
    efficiency_ratio float8,
    lost_kwh float8,
    lost_beyond_expected_kwh float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
AS $$
    SELECT
        total.list,
        total.device_type,
        total.verdict,
        total.listed_devices,
        total.energy_ac_kwh,
        total.energy_dc_kwh,
        total.efficiency_ratio,
        total.lost_kwh,
        total.lost_beyond_expected_kwh
    FROM internal.losses(window_from, window_to, below, 0) AS total
    WHERE total.is_total
    ORDER BY total.list, total.device_type, total.verdict
$$;

COMMENT ON FUNCTION api.loss_totals(timestamptz, timestamptz, float8) IS
'What the lists of api.losses add up to in (window_from, window_to], by list, device_type and verdict: devices, AC and DC energy, what was lost and what beyond the expected (kWh); the ratio is of those that have one. Vehicles and meters are two views of one energy: add up one of the two.';
