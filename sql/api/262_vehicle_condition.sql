-- What is known of a vehicle beside its battery's capacity, over a window of whole hours: whether it was ever heard of,
-- how much of the window its readings cover, and how long its battery was hot. An hour all above 40 degrees C counts
-- whole, one that passes 40 for the part of its range of temperatures that lies above.

CREATE FUNCTION api.vehicle_condition(vehicle text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    is_known boolean,
    battery_capacity_listed_kwh float8,
    readings bigint,
    coverage float8,
    hours_hot float8,
    battery_temp_max_c float4
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        EXISTS (SELECT FROM api.live_vehicle_state AS live WHERE live.vehicle_id = vehicle)
        OR EXISTS (SELECT FROM api.assignment WHERE assignment.vehicle_id = vehicle)
        OR EXISTS (SELECT FROM api.vehicle AS listed WHERE listed.vehicle_id = vehicle),
        (SELECT listed.battery_capacity_kwh FROM api.vehicle AS listed WHERE listed.vehicle_id = vehicle),
        coalesce(sum(hourly.readings), 0)::bigint,
        api.coverage(coalesce(sum(hourly.readings), 0), api.seconds_elapsed(window_from, window_to)),
        sum(
            CASE
                WHEN hourly.battery_temp_max_c <= 40 THEN 0
                WHEN hourly.battery_temp_min_c >= 40 THEN 1
                ELSE (hourly.battery_temp_max_c - 40) / (hourly.battery_temp_max_c - hourly.battery_temp_min_c)
            END::float8
        ),
        max(hourly.battery_temp_max_c)
    FROM api.vehicle_hours(window_from, window_to, vehicle) AS hourly
$$;

COMMENT ON FUNCTION api.vehicle_condition(text, timestamptz, timestamptz) IS
'Whether a vehicle was ever heard of, its battery''s capacity as listed (kWh), and of the whole hours of [window_from, window_to): readings, coverage, hours above 40 degrees C, highest battery temperature (degrees C; null without a reading).';
