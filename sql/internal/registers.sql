-- Whether any device, or the one named, has ever been a register: a few look-ups by key, before anything else.

CREATE FUNCTION internal.has_registers(kind_of_device text, only_device text DEFAULT NULL)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog
-- Answers ask it many times, so its plans are kept; a branch for each question lets each go by its key.
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    IF EXISTS (
        SELECT FROM internal.fleet_default AS fleet
        WHERE fleet.device_type = kind_of_device AND fleet.energy_reading <> 'interval'
    ) THEN
        RETURN true;
    END IF;
    IF kind_of_device = 'meter' AND only_device IS NULL THEN
        RETURN EXISTS (SELECT FROM internal.meter AS listed WHERE listed.energy_reading <> 'interval')
            OR EXISTS (SELECT FROM internal.meter_kind_past AS past WHERE past.energy_reading <> 'interval');
    ELSIF kind_of_device = 'meter' THEN
        RETURN EXISTS (
            SELECT FROM internal.meter AS listed
            WHERE listed.meter_id = only_device AND listed.energy_reading <> 'interval'
        ) OR EXISTS (
            SELECT FROM internal.meter_kind_past AS past
            WHERE past.meter_id = only_device AND past.energy_reading <> 'interval'
        );
    ELSIF only_device IS NULL THEN
        RETURN EXISTS (SELECT FROM internal.vehicle AS listed WHERE listed.energy_reading <> 'interval')
            OR EXISTS (SELECT FROM internal.vehicle_kind_past AS past WHERE past.energy_reading <> 'interval');
    END IF;
    RETURN EXISTS (
        SELECT FROM internal.vehicle AS listed
        WHERE listed.vehicle_id = only_device AND listed.energy_reading <> 'interval'
    ) OR EXISTS (
        SELECT FROM internal.vehicle_kind_past AS past
        WHERE past.vehicle_id = only_device AND past.energy_reading <> 'interval'
    );
END
$$;

COMMENT ON FUNCTION internal.has_registers(text, text) IS
'Whether a meter or vehicle (kind_of_device), any or the one named, may be a register at some time; false is certain.';

-- What the values of devices mean in a window, period by period. Adjacent periods of one meaning are one: what changes between
-- them (the modulus) loses no step.

CREATE FUNCTION internal.device_periods(
    kind_of_device text, window_from timestamptz, window_to timestamptz, only_device text DEFAULT NULL
)
RETURNS TABLE (
    device_id text,
    energy_reading text,
    period_from timestamptz,
    counted_from timestamptz,
    counted_to timestamptz
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
AS $$
    SELECT
        run.device_id,
        run.energy_reading,
        run.run_from,
        greatest(run.run_from, window_from),
        least(run.run_to, window_to)
    FROM (
        SELECT
            numbered.device_id,
            numbered.energy_reading,
            min(numbered.kind_from) AS run_from,
            max(numbered.kind_to) AS run_to,
            bool_or(
                numbered.energy_reading <> 'interval'
                AND min(numbered.kind_from) < window_to
                AND max(numbered.kind_to) > window_from
            ) OVER (PARTITION BY numbered.device_id) AS is_register
        FROM (
            SELECT
                period.*,
                count(*) FILTER (WHERE period.is_new) OVER (PARTITION BY period.device_id ORDER BY period.kind_from) AS run
            FROM (
                SELECT
                    kind.device_id,
                    kind.energy_reading,
                    kind.kind_from,
                    kind.kind_to,
                    lag(kind.energy_reading) OVER (PARTITION BY kind.device_id ORDER BY kind.kind_from)
                        IS DISTINCT FROM kind.energy_reading AS is_new
                FROM internal.device_kind AS kind
                WHERE kind.device_type = kind_of_device AND (only_device IS NULL OR kind.device_id = only_device)
            ) AS period
        ) AS numbered
        GROUP BY numbered.device_id, numbered.energy_reading, numbered.run
    ) AS run
    WHERE run.run_from < window_to AND run.run_to > window_from AND (only_device IS NOT NULL OR run.is_register)
$$;

COMMENT ON FUNCTION internal.device_periods(text, timestamptz, timestamptz, text) IS
'What the values of meters or vehicles (kind_of_device) mean in (window_from, window_to], period by period, of the one named or of all that are registers or session counters at some time of it: since when, and the part of the window.';

-- The devices that are registers at some time of a window, as an array to test each row of a fleet against.

CREATE FUNCTION internal.register_devices(
    kind_of_device text, window_from timestamptz, window_to timestamptz, only_device text DEFAULT NULL
)
RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog
AS $$
BEGIN
    IF NOT internal.has_registers(kind_of_device, only_device) THEN
        RETURN '{}';
    END IF;
    RETURN ARRAY(
        SELECT DISTINCT kind.device_id
        FROM internal.device_kind AS kind
        WHERE
            kind.device_type = kind_of_device
            AND (only_device IS NULL OR kind.device_id = only_device)
            AND kind.energy_reading <> 'interval'
            AND kind.kind_from < window_to
            AND kind.kind_to > window_from
    );
END
$$;

COMMENT ON FUNCTION internal.register_devices(text, timestamptz, timestamptz, text) IS
'Ids of the meters or vehicles (kind_of_device), or of the one named, that are registers at some time of (window_from, window_to]; an empty array where none is.';

CREATE FUNCTION internal.registers_among(
    kind_of_device text, window_from timestamptz, window_to timestamptz, only_devices text[]
)
RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN only_devices IS NULL THEN internal.register_devices(kind_of_device, window_from, window_to)
        WHEN NOT internal.has_registers(kind_of_device) THEN '{}'
        ELSE ARRAY(
            SELECT register.device_id
            FROM unnest(only_devices) AS one (device_id)
            CROSS JOIN LATERAL unnest(
                internal.register_devices(kind_of_device, window_from, window_to, one.device_id)
            ) AS register (device_id)
        )
    END
$$;

COMMENT ON FUNCTION internal.registers_among(text, timestamptz, timestamptz, text[]) IS
'internal.register_devices of the devices named, or of all (null).';
