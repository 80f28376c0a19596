-- Which devices are registers at some time of a window: an array, to be asked of each row of a fleet.

CREATE FUNCTION api.register_devices(kind_of_device text, window_from timestamptz, window_to timestamptz)
RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN api.has_registers(kind_of_device) THEN ARRAY(
            SELECT DISTINCT kind.device_id
            FROM api.device_kind AS kind
            WHERE
                kind.device_type = kind_of_device
                AND kind.energy_reading = 'register'
                AND kind.kind_from < window_to
                AND kind.kind_to > window_from
        )
        ELSE '{}'
    END
$$;

COMMENT ON FUNCTION api.register_devices(text, timestamptz, timestamptz) IS
'Ids of the meters or vehicles (kind_of_device) that are registers at some time of [window_from, window_to); an empty array where none is.';
