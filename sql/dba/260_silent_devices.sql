CREATE FUNCTION api.silent_devices(longer_than interval DEFAULT interval '1 hour')
RETURNS TABLE (device_type text, device_id text, last_recorded_at timestamptz, silent_for interval)
LANGUAGE sql STABLE
AS $$
    SELECT silent.device_type, silent.device_id, silent.recorded_at, now() - silent.recorded_at
    FROM (
        SELECT 'meter' AS device_type, live.meter_id AS device_id, live.recorded_at
        FROM api.live_meter_state AS live
        WHERE live.recorded_at < now() - longer_than
        UNION ALL
        SELECT 'vehicle', live.vehicle_id, live.recorded_at
        FROM api.live_vehicle_state AS live
        WHERE live.recorded_at < now() - longer_than
        UNION ALL
        SELECT 'meter', listed.meter_id, NULL
        FROM api.meter AS listed
        WHERE NOT EXISTS (SELECT FROM api.live_meter_state AS live WHERE live.meter_id = listed.meter_id)
        UNION ALL
        SELECT 'vehicle', listed.vehicle_id, NULL
        FROM api.vehicle AS listed
        WHERE NOT EXISTS (SELECT FROM api.live_vehicle_state AS live WHERE live.vehicle_id = listed.vehicle_id)
    ) AS silent
    ORDER BY silent.recorded_at, silent.device_type, silent.device_id
$$;

COMMENT ON FUNCTION api.silent_devices(interval) IS
'Devices whose newest reading is older than so long (an hour unless told), silent longest first; last, with nulls, those that are listed and were never heard of. Normal: the few that are out of order or out of reach. Many at once: the network between, or the service.';
