-- Whether any device, or the one named, has ever been a register: a few look-ups by key, before anything else.

CREATE FUNCTION internal.has_registers(kind_of_device text, only_device text DEFAULT NULL)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE kind_of_device
        WHEN 'meter' THEN
            EXISTS (
                SELECT FROM internal.meter AS listed
                WHERE
                    listed.energy_reading = 'register'
                    AND (only_device IS NULL OR listed.meter_id = only_device)
            )
            OR EXISTS (
                SELECT FROM internal.meter_kind_past AS past
                WHERE
                    past.energy_reading = 'register'
                    AND (only_device IS NULL OR past.meter_id = only_device)
            )
        ELSE
            EXISTS (
                SELECT FROM internal.vehicle AS listed
                WHERE
                    listed.energy_reading = 'register'
                    AND (only_device IS NULL OR listed.vehicle_id = only_device)
            )
            OR EXISTS (
                SELECT FROM internal.vehicle_kind_past AS past
                WHERE
                    past.energy_reading = 'register'
                    AND (only_device IS NULL OR past.vehicle_id = only_device)
            )
    END
    OR EXISTS (
        SELECT FROM internal.fleet_default AS fleet
        WHERE fleet.device_type = kind_of_device AND fleet.energy_reading = 'register'
    )
$$;

COMMENT ON FUNCTION internal.has_registers(text, text) IS
'Whether a meter or vehicle (kind_of_device), any or the one named, may be a register at some time; false is certain.';

-- The numbers by which registers are read, each with its name. Strict, so that a strict function that names one can be
-- inlined: register_look_from is asked of every row of a fleet.

CREATE FUNCTION internal.register_look_back()
RETURNS interval
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT interval '168 hours'
$$;

COMMENT ON FUNCTION internal.register_look_back() IS
'How long the high-water mark of a register is remembered: the day (UTC) of the reading, and this much before it. The previous reading counts however old it is.';

CREATE FUNCTION internal.register_tolerance()
RETURNS float8
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT float8 '0.9'
$$;

COMMENT ON FUNCTION internal.register_tolerance() IS
'A register that steps down to no less than this share of its previous value jitters; deeper, it was reset. One that was at this share of its modulus or above has rolled over.';

-- Immutable down to its last term, as the functions of time.sql are, so that the planner knows which chunks it needs.
CREATE FUNCTION internal.register_look_from(instant timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT to_timestamp(
        floor(date_part('epoch', instant - timestamptz '1970-01-01 00:00:00+00') / 86400) * 86400
        - date_part('epoch', internal.register_look_back())
    )
$$;

COMMENT ON FUNCTION internal.register_look_from(timestamptz) IS
'After when the readings of a register count for the high-water mark of a reading after an instant: the start of its day (UTC), less register_look_back.';

-- Registers of a window, each with the part of the window in which it is one, and from when on its readings matter.

CREATE FUNCTION internal.registers(
    kind_of_device text,
    pieces_from timestamptz,
    pieces_to timestamptz,
    only_device text DEFAULT NULL
)
RETURNS TABLE (
    device_id text,
    kind_from timestamptz,
    modulus_kwh float8,
    counted_from timestamptz,
    counted_to timestamptz,
    looked_from timestamptz
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
AS $$
    -- Adjacent periods of one kind are one: setting the same kind again loses no step.
    SELECT
        numbered.device_id,
        min(numbered.kind_from),
        numbered.register_modulus_kwh,
        greatest(min(numbered.kind_from), pieces_from),
        least(max(numbered.kind_to), pieces_to),
        greatest(min(numbered.kind_from), internal.register_look_from(greatest(min(numbered.kind_from), pieces_from)))
    FROM (
        SELECT
            stretch.*,
            count(*) FILTER (WHERE stretch.is_new) OVER (
                PARTITION BY stretch.device_id ORDER BY stretch.kind_from
            ) AS register_number
        FROM (
            SELECT
                kind.device_id,
                kind.register_modulus_kwh,
                kind.kind_from,
                kind.kind_to,
                (kind.kind_from, kind.register_modulus_kwh) IS DISTINCT FROM (
                    lag(kind.kind_to) OVER in_time, lag(kind.register_modulus_kwh) OVER in_time
                ) AS is_new
            FROM internal.device_kind AS kind
            WHERE
                kind.device_type = kind_of_device
                AND (only_device IS NULL OR kind.device_id = only_device)
                AND kind.energy_reading = 'register'
            WINDOW in_time AS (PARTITION BY kind.device_id ORDER BY kind.kind_from)
        ) AS stretch
    ) AS numbered
    GROUP BY numbered.device_id, numbered.register_number, numbered.register_modulus_kwh
    HAVING min(numbered.kind_from) < pieces_to AND max(numbered.kind_to) > pieces_from
$$;

COMMENT ON FUNCTION internal.registers(text, timestamptz, timestamptz, text) IS
'Meters or vehicles (kind_of_device), all or the one named, that are registers at some time of (pieces_from, pieces_to]: since when, with which modulus (kWh; null: none), the part of the window in which they are, and from when on their readings matter for it.';

-- The last values of registers before an instant each, for those that were silent throughout the look-back. Through the
-- rollup, newest first and in strides that grow, so that a register silent for a week does not open the chunks of years.
-- In plpgsql, so that nothing of it is planned where no register needs it.

CREATE FUNCTION internal.registers_before(
    kind_of_device text,
    device_ids text[],
    since timestamptz[],
    before timestamptz[]
)
RETURNS TABLE (device_id text, kind_from timestamptz, recorded_at timestamptz, energy_kwh float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100
SET search_path = pg_catalog
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $$
DECLARE
    wanted_ids text[] := device_ids;
    wanted_since timestamptz[] := since;
    wanted_before timestamptz[] := before;
    stride_from timestamptz;
    stride_to timestamptz;
    stride interval := interval '30 days';
    found_ids text[];
BEGIN
    SELECT max(at) INTO stride_to FROM unnest(before) AS at;
    WHILE cardinality(wanted_ids) > 0 LOOP
        stride_from := CASE WHEN stride > interval '10 years' THEN '-infinity' ELSE stride_to - stride END;
        found_ids := '{}';
        FOR device_id, kind_from, recorded_at, energy_kwh IN
            SELECT wanted.device_id, wanted.since, latest.last_recorded_at, latest.energy_last_kwh
            FROM unnest(wanted_ids, wanted_since, wanted_before) AS wanted (device_id, since, before)
            CROSS JOIN LATERAL (
                SELECT hourly.last_recorded_at, hourly.energy_last_kwh
                FROM internal.device_hourly AS hourly
                WHERE
                    hourly.device_type = kind_of_device
                    AND hourly.device_id = wanted.device_id
                    AND hourly.bucket_start <= wanted.before
                    AND hourly.bucket_start > stride_from
                    AND hourly.bucket_start <= stride_to
                ORDER BY hourly.bucket_start DESC
                LIMIT 1
            ) AS latest
        LOOP
            found_ids := found_ids || device_id;
            IF recorded_at > kind_from THEN
                RETURN NEXT;
            END IF;
        END LOOP;
        EXIT WHEN stride_from = '-infinity';
        SELECT array_agg(wanted.device_id), array_agg(wanted.since), array_agg(wanted.before)
        INTO wanted_ids, wanted_since, wanted_before
        FROM unnest(wanted_ids, wanted_since, wanted_before) AS wanted (device_id, since, before)
        WHERE wanted.device_id <> ALL (found_ids) AND wanted.since < stride_from;
        stride_to := stride_from;
        stride := stride * 4;
    END LOOP;
END
$$;

COMMENT ON FUNCTION internal.registers_before(text, text[], timestamptz[], timestamptz[]) IS
'The last reading of each register named in (since, before], before at a whole hour: when, and its value (kWh). No row without one.';

-- The devices that are registers at some time of a window, as an array to test each row of a fleet against.

CREATE FUNCTION internal.register_devices(kind_of_device text, window_from timestamptz, window_to timestamptz)
RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN internal.has_registers(kind_of_device) THEN ARRAY(
            SELECT DISTINCT kind.device_id
            FROM internal.device_kind AS kind
            WHERE
                kind.device_type = kind_of_device
                AND kind.energy_reading = 'register'
                AND kind.kind_from < window_to
                AND kind.kind_to > window_from
        )
        ELSE '{}'
    END
$$;

COMMENT ON FUNCTION internal.register_devices(text, timestamptz, timestamptz) IS
'Ids of the meters or vehicles (kind_of_device) that are registers at some time of (window_from, window_to]; an empty array where none is.';
