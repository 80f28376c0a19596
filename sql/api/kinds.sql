-- Sets what the kWh values of a meter or a vehicle mean that are stamped after an instant. Replaces the kinds of later times and keeps
-- those before; an instant at which nothing changes is not stored. Both functions come from one text and differ in names.

DO $$
DECLARE
    device text;
BEGIN
    FOREACH device IN ARRAY ARRAY['meter', 'vehicle'] LOOP
        EXECUTE replace($function$
            CREATE FUNCTION api.set_DEVICE_kind(DEVICE text, kind text, modulus_kwh float8, since timestamptz)
            RETURNS void
            LANGUAGE plpgsql SECURITY DEFINER
            SET search_path = pg_catalog, pg_temp
            AS $body$
            DECLARE
                changes_at CONSTANT timestamptz := coalesce(since, '-infinity');
                before record;
            BEGIN
                IF kind IS NOT NULL THEN
                    PERFORM internal.one_of('kind', kind, ARRAY['interval', 'register', 'session']);
                END IF;
                IF changes_at > now() THEN
                    RAISE EXCEPTION 'the kind of DEVICE % cannot change in the future (%)', DEVICE, since
                        USING ERRCODE = 'invalid_parameter_value';
                END IF;
                IF modulus_kwh IS NOT NULL AND kind IS DISTINCT FROM 'register' THEN
                    RAISE EXCEPTION 'only a register has a modulus'
                        USING ERRCODE = 'invalid_parameter_value';
                END IF;
                PERFORM set_config('energy.judges_itself', 'yes', true);
                -- Concurrent changes of one DEVICE would each miss the other's rows.
                LOCK TABLE telemetry.DEVICE_kind_past IN SHARE ROW EXCLUSIVE MODE;
                INSERT INTO telemetry.DEVICE (DEVICE_id) VALUES (DEVICE) ON CONFLICT DO NOTHING;

                SELECT kept.energy_reading, kept.register_modulus_kwh
                INTO before
                FROM (
                    SELECT past.energy_reading, past.register_modulus_kwh, past.until
                    FROM telemetry.DEVICE_kind_past AS past
                    WHERE past.DEVICE_id = DEVICE AND past.until >= changes_at
                    UNION ALL
                    SELECT listed.energy_reading, listed.register_modulus_kwh, 'infinity'
                    FROM telemetry.DEVICE AS listed
                    WHERE listed.DEVICE_id = DEVICE
                ) AS kept
                ORDER BY kept.until
                LIMIT 1;

                DELETE FROM telemetry.DEVICE_kind_past AS past WHERE past.DEVICE_id = DEVICE AND past.until >= changes_at;
                IF isfinite(changes_at)
                    AND (before.energy_reading, before.register_modulus_kwh) IS DISTINCT FROM (kind, modulus_kwh)
                THEN
                    INSERT INTO telemetry.DEVICE_kind_past (DEVICE_id, until, energy_reading, register_modulus_kwh)
                    VALUES (DEVICE, changes_at, before.energy_reading, before.register_modulus_kwh);
                END IF;
                UPDATE telemetry.DEVICE AS listed
                SET energy_reading = kind, register_modulus_kwh = modulus_kwh
                WHERE listed.DEVICE_id = DEVICE;
                PERFORM internal.judge_anew('DEVICE', DEVICE, changes_at);
                PERFORM set_config('energy.judges_itself', '', true);
            END
            $body$;

            COMMENT ON FUNCTION api.set_DEVICE_kind(text, text, float8, timestamptz) IS
            'Stamped after an instant (null: all), the kWh values of a DEVICE are interval, register or session readings (null: what the fleet''s default says), the register''s modulus in kWh or null. Its steps are judged anew from then on. Lists the DEVICE if it is not listed yet. Error 22023: no such kind, an instant in the future, a modulus without a register; 23514: a modulus or id out of range.';
        $function$, 'DEVICE', device);
    END LOOP;
END
$$;

-- Sets what kWh values of devices without a kind of their own mean that are stamped after an instant. Replaces the defaults of later
-- times and keeps those before.

CREATE FUNCTION api.set_fleet_default(kind_of_device text, kind text, modulus_kwh float8, since timestamptz)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    changes_at CONSTANT timestamptz := coalesce(since, '-infinity');
    judged bigint;
BEGIN
    PERFORM internal.one_of('kind_of_device', kind_of_device, ARRAY['meter', 'vehicle']);
    PERFORM internal.one_of('kind', kind, ARRAY['interval', 'register', 'session']);
    IF changes_at > now() THEN
        RAISE EXCEPTION 'the default of the fleet cannot change in the future (%)', since
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF modulus_kwh IS NOT NULL AND kind IS DISTINCT FROM 'register' THEN
        RAISE EXCEPTION 'only a register has a modulus'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM set_config('energy.judges_itself', 'yes', true);
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
    judged := internal.judge_fleet_anew(kind_of_device, changes_at);
    PERFORM set_config('energy.judges_itself', '', true);
    RETURN judged;
END
$$;

COMMENT ON FUNCTION api.set_fleet_default(text, text, float8, timestamptz) IS
'Stamped after an instant (null: all), kWh values of meters or of vehicles (kind_of_device) without a kind of their own are interval, register or session readings, the register''s modulus in kWh or null. Their steps are judged anew from then on, those of a large fleet in the backlog; returns of how many devices. Error 22023: no such kind of device or of reading, an instant in the future, a modulus without a register; 23514: a modulus out of range.';

-- What devices without a rated power of their own can deliver at most decides which steps of their registers are plain.

CREATE FUNCTION api.set_fleet_rated_power(kind_of_device text, power_kw float8)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM internal.one_of('kind_of_device', kind_of_device, ARRAY['meter', 'vehicle']);
    LOCK TABLE telemetry.fleet_rated_power IN SHARE ROW EXCLUSIVE MODE;
    IF power_kw IS NOT DISTINCT FROM (
        SELECT known.rated_power_kw FROM telemetry.fleet_rated_power AS known WHERE known.device_type = kind_of_device
    ) THEN
        RETURN 0;
    END IF;
    DELETE FROM telemetry.fleet_rated_power AS known WHERE known.device_type = kind_of_device;
    IF power_kw IS NOT NULL THEN
        INSERT INTO telemetry.fleet_rated_power (device_type, rated_power_kw) VALUES (kind_of_device, power_kw);
    END IF;
    RETURN internal.judge_unrated_anew(kind_of_device);
END
$$;

COMMENT ON FUNCTION api.set_fleet_rated_power(text, float8) IS
'The most, in kW, that meters or vehicles (kind_of_device) without a rated power of their own can deliver; null: not known, which counts as 1,000 kW. Their registers are judged anew, those of a large fleet in the backlog; returns how many. Error 22023: no such kind of device; 23514: a power out of range.';
