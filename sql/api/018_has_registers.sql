-- Whether any device, or the one named, has ever been a register: a few look-ups by key, asked before anything else.

CREATE FUNCTION api.has_registers(kind_of_device text, only_device text DEFAULT NULL)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE kind_of_device
        WHEN 'meter' THEN
            EXISTS (
                SELECT FROM api.meter AS listed
                WHERE
                    listed.energy_reading = 'register'
                    AND (only_device IS NULL OR listed.meter_id = only_device)
            )
            OR EXISTS (
                SELECT FROM api.meter_kind_past AS past
                WHERE
                    past.energy_reading = 'register'
                    AND (only_device IS NULL OR past.meter_id = only_device)
            )
        ELSE
            EXISTS (
                SELECT FROM api.vehicle AS listed
                WHERE
                    listed.energy_reading = 'register'
                    AND (only_device IS NULL OR listed.vehicle_id = only_device)
            )
            OR EXISTS (
                SELECT FROM api.vehicle_kind_past AS past
                WHERE
                    past.energy_reading = 'register'
                    AND (only_device IS NULL OR past.vehicle_id = only_device)
            )
    END
    OR EXISTS (
        SELECT FROM api.fleet_default AS fleet
        WHERE fleet.device_type = kind_of_device AND fleet.energy_reading = 'register'
    )
$$;

COMMENT ON FUNCTION api.has_registers(text, text) IS
'Whether a meter or vehicle (kind_of_device), any or the one named, may be a register at some time; false is certain.';
