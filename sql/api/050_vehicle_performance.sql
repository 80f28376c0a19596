-- What came from the grid for a vehicle, what reached its battery, and the ratio of the two.

CREATE FUNCTION api.vehicle_performance(vehicle text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    is_known boolean,
    energy_ac_kwh float8,
    energy_dc_kwh float8,
    efficiency_ratio float8,
    battery_temp_mean_c float8,
    meter_ids text[],
    meter_readings bigint,
    vehicle_readings bigint
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        EXISTS (SELECT FROM api.live_vehicle_state AS live WHERE live.vehicle_id = vehicle)
        OR EXISTS (SELECT FROM api.assignment WHERE assignment.vehicle_id = vehicle)
        OR EXISTS (SELECT FROM api.vehicle AS listed WHERE listed.vehicle_id = vehicle),
        grid.energy_ac_kwh,
        battery.energy_dc_kwh,
        battery.energy_dc_kwh / nullif(grid.energy_ac_kwh, 0),
        battery.battery_temp_mean_c,
        grid.meter_ids,
        grid.readings,
        battery.readings
    FROM api.vehicle_window(vehicle, window_from, window_to) AS battery
    CROSS JOIN (
        SELECT
            coalesce(array_agg(DISTINCT feed.meter_id ORDER BY feed.meter_id), '{}') AS meter_ids,
            coalesce(sum(fed.readings), 0)::bigint AS readings,
            sum(fed.energy_ac_kwh) AS energy_ac_kwh
        FROM api.vehicle_feeds(vehicle, window_from, window_to) AS feed
        CROSS JOIN LATERAL api.meter_window(
            feed.meter_id, feed.feed_from, feed.feed_to, window_from, window_to
        ) AS fed
    ) AS grid
$$;

COMMENT ON FUNCTION api.vehicle_performance(text, timestamptz, timestamptz) IS
'AC energy through the assignments, DC energy (kWh), their ratio DC / AC, mean battery temperature (degrees C), the meters and the reading counts of one vehicle in [window_from, window_to); null where nothing is known, the ratio also where AC is 0.';
