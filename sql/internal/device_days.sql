-- What every device did, day by day (UTC), with what losses and the lists of devices compare: like with like. Of a vehicle that is the DC
-- that arrived while meters fed it over the AC of that time; of a meter, both energies of the vehicles that sent readings
-- on the day while it fed them. A vehicle has no ratio where its data is at fault or that of a meter while it fed it;
-- a meter has none where it is at fault itself, and leaves out vehicles that are.

CREATE FUNCTION internal.device_days(window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    device_type text,
    device_id text,
    bucket_from timestamptz,
    readings float8,
    energy_kwh float8,
    measured_sum float8,
    paired_readings float8,
    paired_kwh float8,
    alone_readings float8,
    alone_kwh float8,
    alone_power_sum_kw_kwh float8,
    counterpart_readings float8,
    counterpart_kwh float8,
    compared_ac_kwh float8,
    compared_dc_kwh float8,
    power_sum_kw_kwh float8,
    compared_meter_readings float8,
    compared_vehicle_readings float8,
    fault_code text,
    fault_cause text,
    is_estimated boolean
)
LANGUAGE sql STABLE ROWS 10000
SET work_mem = '32MB'
SET enable_mergejoin = off
AS $$
    WITH fault AS MATERIALIZED (
        SELECT found.device_type, found.device_id, min(found.code) AS code, min(found.cause) AS cause
        FROM internal.fleet_faults(window_from, window_to, 'window', 'UTC') AS found
        GROUP BY found.device_type, found.device_id
    ),
    grid AS MATERIALIZED (
        SELECT drew.*
        FROM internal.device_energies('meter', window_from, window_to, 'day', 'UTC') AS drew
    ),
    battery AS MATERIALIZED (
        SELECT charged.*
        FROM internal.device_energies('vehicle', window_from, window_to, 'day', 'UTC') AS charged
    ),
    -- Vehicles whose ratio nobody knows, since their data is at fault, or that of a meter while it fed them.
    unknown AS MATERIALIZED (
        SELECT fault.device_id
        FROM fault
        WHERE fault.device_type = 'vehicle'
        UNION
        SELECT fed.vehicle_id
        FROM fault
        CROSS JOIN LATERAL internal.vehicles_fed_at_fault(fault.device_id, window_from, window_to) AS fed
        WHERE fault.device_type = 'meter'
    )
    SELECT
        'vehicle',
        coalesce(delivered.device_id, drawn.device_id),
        coalesce(delivered.bucket_from, drawn.bucket_from),
        delivered.readings,
        delivered.energy_kwh,
        delivered.measured_sum,
        delivered.fed_readings,
        delivered.fed_kwh,
        delivered.alone_readings,
        delivered.alone_kwh,
        NULL,
        drawn.readings,
        drawn.energy_kwh,
        CASE WHEN unknown.device_id IS NULL THEN drawn.energy_kwh END,
        CASE WHEN unknown.device_id IS NULL THEN delivered.fed_kwh END,
        drawn.power_sum_kw_kwh,
        drawn.readings,
        delivered.fed_readings,
        fault.code,
        fault.cause,
        coalesce(delivered.is_estimated, false) OR coalesce(drawn.is_estimated, false)
    FROM (
        SELECT
            battery.device_id,
            battery.bucket_from,
            sum(battery.readings) AS readings,
            sum(battery.energy_kwh) AS energy_kwh,
            sum(battery.measured_sum) AS measured_sum,
            sum(battery.readings) FILTER (WHERE battery.counterpart_id IS NULL) AS alone_readings,
            sum(battery.energy_kwh) FILTER (WHERE battery.counterpart_id IS NULL) AS alone_kwh,
            sum(battery.readings) FILTER (WHERE battery.counterpart_id IS NOT NULL) AS fed_readings,
            sum(battery.energy_kwh) FILTER (WHERE battery.counterpart_id IS NOT NULL) AS fed_kwh,
            bool_or(battery.is_estimated) AS is_estimated
        FROM battery
        GROUP BY battery.device_id, battery.bucket_from
    ) AS delivered
    FULL JOIN (
        SELECT
            grid.counterpart_id AS device_id,
            grid.bucket_from,
            sum(grid.readings) AS readings,
            sum(grid.energy_kwh) AS energy_kwh,
            sum(grid.power_sum_kw_kwh) AS power_sum_kw_kwh,
            bool_or(grid.is_estimated) AS is_estimated
        FROM grid
        WHERE grid.counterpart_id IS NOT NULL
        GROUP BY grid.counterpart_id, grid.bucket_from
    ) AS drawn ON drawn.device_id = delivered.device_id AND drawn.bucket_from = delivered.bucket_from
    LEFT JOIN unknown ON unknown.device_id = coalesce(delivered.device_id, drawn.device_id)
    LEFT JOIN fault
        ON fault.device_type = 'vehicle'
        AND fault.device_id = coalesce(delivered.device_id, drawn.device_id)
    UNION ALL
    SELECT
        'meter',
        grid.device_id,
        grid.bucket_from,
        sum(grid.readings),
        sum(grid.energy_kwh),
        sum(grid.measured_sum),
        sum(grid.readings) FILTER (WHERE grid.counterpart_id IS NOT NULL),
        sum(grid.energy_kwh) FILTER (WHERE grid.counterpart_id IS NOT NULL),
        sum(grid.readings) FILTER (WHERE grid.counterpart_id IS NULL),
        sum(grid.energy_kwh) FILTER (WHERE grid.counterpart_id IS NULL),
        sum(grid.power_sum_kw_kwh) FILTER (WHERE grid.counterpart_id IS NULL),
        sum(fed.readings),
        sum(fed.energy_kwh),
        sum(grid.energy_kwh) FILTER (WHERE pair.is_compared),
        sum(fed.energy_kwh) FILTER (WHERE pair.is_compared),
        sum(grid.power_sum_kw_kwh) FILTER (WHERE pair.is_compared),
        sum(grid.readings) FILTER (WHERE pair.is_compared),
        sum(fed.readings) FILTER (WHERE pair.is_compared),
        min(fault.code),
        min(fault.cause),
        bool_or(grid.is_estimated OR coalesce(fed.is_estimated, false))
    FROM grid
    LEFT JOIN battery AS fed
        ON fed.counterpart_id = grid.device_id
        AND fed.device_id = grid.counterpart_id
        AND fed.bucket_from = grid.bucket_from
    LEFT JOIN fault ON fault.device_type = 'meter' AND fault.device_id = grid.device_id
    LEFT JOIN fault AS of_vehicle ON of_vehicle.device_type = 'vehicle' AND of_vehicle.device_id = grid.counterpart_id
    CROSS JOIN LATERAL (
        SELECT fed.device_id IS NOT NULL AND fault.device_id IS NULL AND of_vehicle.device_id IS NULL AS is_compared
    ) AS pair
    GROUP BY grid.device_id, grid.bucket_from
$$;

COMMENT ON FUNCTION internal.device_days(timestamptz, timestamptz) IS
'Meters and vehicles in (window_from, window_to], a row a device and day (UTC): its readings and energy (AC of a meter, DC of a vehicle, kWh), of them those for a vehicle or from a meter (paired) and those for nobody or from elsewhere (alone); what the vehicles got while the meter fed them, or what meters drew for the vehicle (counterpart); of both what is compared, with the sum of energy times power (kW kWh); the sum of voltages (V) or battery temperatures (degrees C); the device''s own fault of data and its likely cause.';
