CREATE FUNCTION api.newest_known(relation_name text)
RETURNS timestamptz
LANGUAGE sql STABLE
AS $$
    SELECT CASE
        WHEN relation_name LIKE 'meter%' THEN (SELECT max(recorded_at) FROM api.live_meter_state)
        ELSE (SELECT max(recorded_at) FROM api.live_vehicle_state)
    END + interval '1 microsecond'
$$;

COMMENT ON FUNCTION api.newest_known(text) IS
'The instant just after the newest reading of the devices that a relation (by its name in schema telemetry) is about; null where there is none.';
