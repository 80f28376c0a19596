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
