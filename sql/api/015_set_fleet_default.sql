-- From an instant on, kWh values of devices of which nothing is said mean this, whatever was said of later times; what
-- was said of the time before stays.

CREATE FUNCTION api.set_fleet_default(kind_of_device text, kind text, modulus_kwh float8, since timestamptz)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    changes_at CONSTANT timestamptz := coalesce(since, '-infinity');
BEGIN
    IF changes_at > now() THEN
        RAISE EXCEPTION 'the default of the fleet cannot change in the future (%)', since
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF modulus_kwh IS NOT NULL AND kind IS DISTINCT FROM 'register' THEN
        RAISE EXCEPTION 'only a register has a modulus'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    LOCK TABLE telemetry.fleet_default IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM telemetry.fleet_default AS fleet
    WHERE fleet.device_type = kind_of_device AND fleet.effective_from >= changes_at;
    IF NOT EXISTS (
        SELECT FROM api.fleet_default_kind AS before
        WHERE
            before.device_type = kind_of_device
            AND before.kind_to = 'infinity'
            AND (before.energy_reading, before.register_modulus_kwh) IS NOT DISTINCT FROM (kind, modulus_kwh)
    ) THEN
        INSERT INTO telemetry.fleet_default (device_type, effective_from, energy_reading, register_modulus_kwh)
        VALUES (kind_of_device, changes_at, kind, modulus_kwh);
    END IF;
END
$$;

COMMENT ON FUNCTION api.set_fleet_default(text, text, float8, timestamptz) IS
'From an instant on (null: always), kWh values of meters or of vehicles (kind_of_device) of which nothing is said are interval or register readings, the register''s modulus in kWh or null. Error 22023: an instant in the future, a modulus without a register; 23514 and 23502: no such kind of device or of reading, a modulus out of range.';
