-- From an instant on, the kWh values of a meter mean this, whatever was said of later times; what was said of the time
-- before stays. Where nothing changes at the instant, none is written down.

CREATE FUNCTION api.set_meter_kind(meter text, kind text, modulus_kwh float8, since timestamptz)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    changes_at CONSTANT timestamptz := coalesce(since, '-infinity');
    before record;
BEGIN
    IF changes_at > now() THEN
        RAISE EXCEPTION 'the kind of meter % cannot change in the future (%)', meter, since
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF modulus_kwh IS NOT NULL AND kind IS DISTINCT FROM 'register' THEN
        RAISE EXCEPTION 'only a register has a modulus'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- Two changes of one meter at once would each miss what the other wrote.
    LOCK TABLE telemetry.meter_kind_past IN SHARE ROW EXCLUSIVE MODE;
    INSERT INTO telemetry.meter (meter_id) VALUES (meter) ON CONFLICT DO NOTHING;

    SELECT said.energy_reading, said.register_modulus_kwh
    INTO before
    FROM (
        SELECT past.energy_reading, past.register_modulus_kwh, past.until
        FROM telemetry.meter_kind_past AS past
        WHERE past.meter_id = meter AND past.until >= changes_at
        UNION ALL
        SELECT listed.energy_reading, listed.register_modulus_kwh, 'infinity'
        FROM telemetry.meter AS listed
        WHERE listed.meter_id = meter
    ) AS said
    ORDER BY said.until
    LIMIT 1;

    DELETE FROM telemetry.meter_kind_past AS past WHERE past.meter_id = meter AND past.until >= changes_at;
    IF isfinite(changes_at)
        AND (before.energy_reading, before.register_modulus_kwh) IS DISTINCT FROM (kind, modulus_kwh)
    THEN
        INSERT INTO telemetry.meter_kind_past (meter_id, until, energy_reading, register_modulus_kwh)
        VALUES (meter, changes_at, before.energy_reading, before.register_modulus_kwh);
    END IF;
    UPDATE telemetry.meter AS listed
    SET energy_reading = kind, register_modulus_kwh = modulus_kwh
    WHERE listed.meter_id = meter;
END
$$;

COMMENT ON FUNCTION api.set_meter_kind(text, text, float8, timestamptz) IS
'From an instant on (null: always), the kWh values of a meter are interval or register readings (null: what the fleet''s default says), the register''s modulus in kWh or null. The meter is listed where it was not. Error 22023: an instant in the future, a modulus without a register; 23514: no such kind, a modulus or id out of range.';

-- From an instant on, the kWh values of a vehicle mean this, whatever was said of later times; what was said of the time
-- before stays. Where nothing changes at the instant, none is written down.

CREATE FUNCTION api.set_vehicle_kind(vehicle text, kind text, modulus_kwh float8, since timestamptz)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    changes_at CONSTANT timestamptz := coalesce(since, '-infinity');
    before record;
BEGIN
    IF changes_at > now() THEN
        RAISE EXCEPTION 'the kind of vehicle % cannot change in the future (%)', vehicle, since
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF modulus_kwh IS NOT NULL AND kind IS DISTINCT FROM 'register' THEN
        RAISE EXCEPTION 'only a register has a modulus'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- Two changes of one vehicle at once would each miss what the other wrote.
    LOCK TABLE telemetry.vehicle_kind_past IN SHARE ROW EXCLUSIVE MODE;
    INSERT INTO telemetry.vehicle (vehicle_id) VALUES (vehicle) ON CONFLICT DO NOTHING;

    SELECT said.energy_reading, said.register_modulus_kwh
    INTO before
    FROM (
        SELECT past.energy_reading, past.register_modulus_kwh, past.until
        FROM telemetry.vehicle_kind_past AS past
        WHERE past.vehicle_id = vehicle AND past.until >= changes_at
        UNION ALL
        SELECT listed.energy_reading, listed.register_modulus_kwh, 'infinity'
        FROM telemetry.vehicle AS listed
        WHERE listed.vehicle_id = vehicle
    ) AS said
    ORDER BY said.until
    LIMIT 1;

    DELETE FROM telemetry.vehicle_kind_past AS past WHERE past.vehicle_id = vehicle AND past.until >= changes_at;
    IF isfinite(changes_at)
        AND (before.energy_reading, before.register_modulus_kwh) IS DISTINCT FROM (kind, modulus_kwh)
    THEN
        INSERT INTO telemetry.vehicle_kind_past (vehicle_id, until, energy_reading, register_modulus_kwh)
        VALUES (vehicle, changes_at, before.energy_reading, before.register_modulus_kwh);
    END IF;
    UPDATE telemetry.vehicle AS listed
    SET energy_reading = kind, register_modulus_kwh = modulus_kwh
    WHERE listed.vehicle_id = vehicle;
END
$$;

COMMENT ON FUNCTION api.set_vehicle_kind(text, text, float8, timestamptz) IS
'From an instant on (null: always), the kWh values of a vehicle are interval or register readings (null: what the fleet''s default says), the register''s modulus in kWh or null. The vehicle is listed where it was not. Error 22023: an instant in the future, a modulus without a register; 23514: no such kind, a modulus or id out of range.';

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
        SELECT FROM internal.fleet_default_kind AS before
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
