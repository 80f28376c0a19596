-- Energy that a device cannot deliver in the time since its previous reading is no loss and no gain: the data is at fault. This
-- is of devices that read intervals; a step of a register that no charger leads to counts nothing (register_judging.sql).
--
-- The most that can be delivered is the power, 1.2 times the rated one, for the time since the previous reading, and the jitter
-- of a register more. The time is a minute at least, and at least the mean time between the readings of its hour, since clocks and
-- batches jitter: so the largest value of an hour rules most hours out, and only the others are read. It is a day where no
-- reading came for a day before. Where the history is gone, the largest value of an hour is held against the time since the
-- hour before.

CREATE FUNCTION internal.shortest_step()
RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT interval '1 minute' $$;

COMMENT ON FUNCTION internal.shortest_step() IS
'The time that a reading is taken to describe at least, whatever the timestamps say: they jitter.';

CREATE FUNCTION internal.longest_step()
RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT interval '24 hours' $$;

COMMENT ON FUNCTION internal.longest_step() IS
'How far back the reading before is looked for; the time that a reading is taken to describe where there is none.';

CREATE FUNCTION internal.mean_step(readings bigint, first_recorded_at timestamptz, last_recorded_at timestamptz)
RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT (last_recorded_at - first_recorded_at) / nullif(readings - 1, 0)::float8
$$;

COMMENT ON FUNCTION internal.mean_step(bigint, timestamptz, timestamptz) IS
'The mean time between the readings of an hour; null: there is one only.';

CREATE FUNCTION internal.deliverable_kwh(power_kw float8, elapsed interval)
RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT internal.register_jitter_kwh() + power_kw * date_part(
        'epoch',
        greatest(internal.shortest_step(), least(internal.longest_step(), coalesce(elapsed, internal.longest_step())))
    ) / 3600
$$;

COMMENT ON FUNCTION internal.deliverable_kwh(float8, interval) IS
'The most energy (kWh) that a power (kW) delivers in the time since the previous reading (null: none is known).';

CREATE VIEW internal.rated_device AS
SELECT listed.device_type, listed.device_id, listed.rated_power_kw
FROM internal.listed_device AS listed
WHERE listed.rated_power_kw IS NOT NULL;

COMMENT ON VIEW internal.rated_device IS 'Meters and vehicles with a rated power of their own.';
COMMENT ON COLUMN internal.rated_device.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN internal.rated_device.device_id IS 'The device, as it names itself.';
COMMENT ON COLUMN internal.rated_device.rated_power_kw IS 'Its rated power, kW.';

-- The likely cause, by all readings at hand of a device, three before and after its implausible ones among them:
-- undeclared_register: from reading to reading it rises as a register does. One step in ten may not; but where the values could
--     be Wh too, which hardly differ at steady power, none may fall.
-- wh_as_kwh: at least half of the implausible values are deliverable as Wh.

CREATE FUNCTION internal.implausible_readings(
    kind_of_device text, window_from timestamptz, window_to timestamptz, only_devices text[] DEFAULT NULL
)
RETURNS TABLE (
    device_id text,
    recorded_at timestamptz,
    energy_kwh float8,
    elapsed_s float8,
    most_kwh float8,
    cause text
)
LANGUAGE plpgsql STABLE ROWS 10
SET search_path = pg_catalog
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    kept_from CONSTANT timestamptz := internal.kept_from(kind_of_device);
    unrated_kw CONSTANT float8 := coalesce(
        internal.over_rated()
        * (SELECT fleet.rated_power_kw FROM internal.fleet_rated_power AS fleet WHERE fleet.device_type = kind_of_device),
        internal.unknown_power_kw()
    );
    -- Values of registers are no energies. Devices that were registers at a time only have both.
    registers CONSTANT text[] := internal.registers_among(kind_of_device, window_from, window_to, only_devices);
    registers_at_times CONSTANT text[] := ARRAY(
        SELECT kind.device_id
        FROM internal.device_kind AS kind
        WHERE
            cardinality(registers) > 0
            AND kind.device_type = kind_of_device
            AND kind.device_id = ANY (registers)
            AND kind.energy_reading = 'interval'
            AND kind.kind_from < window_to
            AND kind.kind_to > window_from
    );
    -- What every device can deliver in the shortest step: the rollup's hours are held to it before anything else of them is known.
    least_kw CONSTANT float8 := least(
        unrated_kw,
        internal.over_rated() * (
            SELECT min(rated.rated_power_kw)
            FROM internal.rated_device AS rated
            WHERE rated.device_type = kind_of_device AND (only_devices IS NULL OR rated.device_id = ANY (only_devices))
        )
    );
    least_kwh CONSTANT float8 := internal.deliverable_kwh(least_kw, internal.shortest_step());
    -- How far around the window the readings before and after are looked for.
    around_from CONSTANT timestamptz := internal.hour_floor(window_from) - internal.longest_step();
    around_to CONSTANT timestamptz := internal.hour_ceiling(window_to) + internal.longest_step();
BEGIN
    -- Mostly, nothing of few devices is implausible: a look at their rollup says so, which takes little to plan.
    IF only_devices IS NOT NULL AND NOT EXISTS (
            SELECT
            FROM internal.device_hourly AS hourly
            WHERE
                hourly.device_type = kind_of_device
                AND hourly.device_id = ANY (only_devices)
                AND (hourly.device_id <> ALL (registers) OR hourly.device_id = ANY (registers_at_times))
                AND hourly.bucket_start > internal.hour_floor(window_from)
                AND hourly.bucket_start <= internal.hour_bucket(window_to)
                AND hourly.energy_max_kwh > least_kwh
                AND hourly.energy_max_kwh > internal.deliverable_kwh(
                    least_kw,
                    coalesce(
                        internal.mean_step(hourly.readings, hourly.first_recorded_at, hourly.last_recorded_at),
                        internal.shortest_step()
                    )
                )
        )
    THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH hour AS MATERIALIZED (
        SELECT
            hourly.device_id,
            internal.hour_floor(hourly.bucket_start) AS hour_from,
            hourly.last_recorded_at,
            hourly.energy_max_kwh,
            power.most_kw,
            power.mean_step
        FROM internal.device_hourly AS hourly
        LEFT JOIN internal.rated_device AS rated
            ON rated.device_type = kind_of_device AND rated.device_id = hourly.device_id
        CROSS JOIN LATERAL (
            SELECT
                coalesce(internal.over_rated() * rated.rated_power_kw, unrated_kw) AS most_kw,
                internal.mean_step(hourly.readings, hourly.first_recorded_at, hourly.last_recorded_at) AS mean_step
        ) AS power
        WHERE
            hourly.device_type = kind_of_device
            AND (only_devices IS NULL OR hourly.device_id = ANY (only_devices))
            AND hourly.bucket_start > internal.hour_floor(window_from)
            AND hourly.bucket_start <= internal.hour_bucket(window_to)
            AND hourly.energy_max_kwh > least_kwh
            AND hourly.energy_max_kwh > internal.deliverable_kwh(
                power.most_kw, coalesce(power.mean_step, internal.shortest_step())
            )
            -- The only reading of its hour.
            AND (
                power.mean_step IS NOT NULL
                OR hourly.energy_max_kwh > internal.deliverable_kwh(
                    power.most_kw,
                    hourly.first_recorded_at - (
                        SELECT earlier.last_recorded_at
                        FROM internal.device_hourly AS earlier
                        WHERE
                            earlier.device_type = kind_of_device
                            AND earlier.device_id = hourly.device_id
                            AND earlier.bucket_start > hourly.bucket_start - internal.longest_step()
                            AND earlier.bucket_start < hourly.bucket_start
                            AND earlier.bucket_start > around_from
                            AND earlier.bucket_start <= around_to
                        ORDER BY earlier.bucket_start DESC
                        LIMIT 1
                    )
                )
            )
            AND (
                hourly.device_id <> ALL (registers)
                OR (
                    hourly.device_id = ANY (registers_at_times)
                    AND EXISTS (
                        SELECT
                        FROM internal.device_kind AS kind
                        WHERE
                            kind.device_type = kind_of_device
                            AND kind.device_id = hourly.device_id
                            AND kind.energy_reading = 'interval'
                            AND kind.kind_from < hourly.last_recorded_at
                            AND kind.kind_to >= hourly.first_recorded_at
                    )
                )
            )
    ),
    found AS (
        SELECT hour.device_id, hour.most_kw, read.recorded_at, read.energy_kwh, read.mean_step, NULL::interval AS elapsed
        FROM hour
        CROSS JOIN LATERAL (
            SELECT within.recorded_at, within.energy_kwh, hour.mean_step
            FROM internal.device_reading AS within
            WHERE
                within.device_type = kind_of_device
                AND within.device_id = hour.device_id
                AND within.recorded_at > hour.hour_from
                AND within.recorded_at <= hour.hour_from + interval '1 hour'
                AND within.recorded_at > around_from
                AND within.recorded_at <= around_to
            UNION
            (
                SELECT before.recorded_at, before.energy_kwh, NULL
                FROM internal.device_reading AS before
                WHERE
                    before.device_type = kind_of_device
                    AND before.device_id = hour.device_id
                    AND before.recorded_at > hour.hour_from - internal.longest_step()
                    AND before.recorded_at <= hour.hour_from
                    AND before.recorded_at > around_from
                    AND before.recorded_at <= around_to
                ORDER BY before.recorded_at DESC
                LIMIT 3
            )
            UNION
            (
                SELECT after.recorded_at, after.energy_kwh, NULL
                FROM internal.device_reading AS after
                WHERE
                    after.device_type = kind_of_device
                    AND after.device_id = hour.device_id
                    AND after.recorded_at > hour.hour_from + interval '1 hour'
                    AND after.recorded_at <= hour.hour_from + interval '1 hour' + internal.longest_step()
                    AND after.recorded_at > around_from
                    AND after.recorded_at <= around_to
                ORDER BY after.recorded_at
                LIMIT 3
            )
        ) AS read
        WHERE hour.hour_from >= kept_from
        UNION
        SELECT
            hour.device_id,
            hour.most_kw,
            hour.last_recorded_at,
            hour.energy_max_kwh,
            NULL,
            hour.last_recorded_at - before.last_recorded_at
        FROM hour
        LEFT JOIN LATERAL (
            SELECT earlier.last_recorded_at
            FROM internal.device_hourly AS earlier
            WHERE
                earlier.device_type = kind_of_device
                AND earlier.device_id = hour.device_id
                AND earlier.bucket_start > hour.hour_from - internal.longest_step()
                AND earlier.bucket_start < hour.hour_from
                AND earlier.bucket_start > around_from
                AND earlier.bucket_start <= around_to
            ORDER BY earlier.bucket_start DESC
            LIMIT 1
        ) AS before ON true
        WHERE hour.hour_from < kept_from AND kept_from > window_from
    ),
    -- A reading beside one hour is one within another.
    reading AS (
        SELECT
            found.device_id,
            found.most_kw,
            found.recorded_at,
            found.energy_kwh,
            max(found.mean_step) AS mean_step,
            max(found.elapsed) AS elapsed
        FROM found
        GROUP BY found.device_id, found.most_kw, found.recorded_at, found.energy_kwh
    ),
    step AS (
        SELECT
            reading.device_id,
            reading.recorded_at,
            reading.energy_kwh,
            reading.energy_kwh - lag(reading.energy_kwh) OVER in_time AS step_kwh,
            least(
                internal.longest_step(),
                coalesce(reading.elapsed, reading.recorded_at - lag(reading.recorded_at) OVER in_time)
            ) AS elapsed,
            internal.deliverable_kwh(
                reading.most_kw,
                greatest(
                    reading.mean_step,
                    coalesce(
                        reading.elapsed,
                        reading.recorded_at - lag(reading.recorded_at) OVER in_time,
                        internal.longest_step()
                    )
                )
            ) AS most_kwh
        FROM reading
        WINDOW in_time AS (PARTITION BY reading.device_id ORDER BY reading.recorded_at)
    ),
    judged AS (
        SELECT
            step.*,
            step.recorded_at > window_from AND step.recorded_at <= window_to AND step.energy_kwh > step.most_kwh
                AS is_implausible,
            count(step.step_kwh) OVER of_device AS steps,
            count(*) FILTER (
                WHERE step.step_kwh < -internal.register_jitter_kwh() OR step.step_kwh > step.most_kwh
            ) OVER of_device AS steps_of_no_register,
            count(*) FILTER (WHERE step.step_kwh < 0) OVER of_device AS falls,
            count(*) FILTER (WHERE step.energy_kwh > step.most_kwh) OVER of_device AS implausible,
            count(*) FILTER (WHERE step.energy_kwh > step.most_kwh AND step.energy_kwh / 1000 <= step.most_kwh)
                OVER of_device AS deliverable_as_wh
        FROM step
        WINDOW of_device AS (PARTITION BY step.device_id)
    )
    SELECT
        judged.device_id,
        judged.recorded_at,
        judged.energy_kwh,
        date_part('epoch', judged.elapsed),
        judged.most_kwh,
        CASE
            WHEN
                judged.steps > 0
                AND 10 * judged.steps_of_no_register <= judged.steps
                AND (judged.falls = 0 OR 2 * judged.deliverable_as_wh < judged.implausible)
                THEN 'undeclared_register'
            WHEN 2 * judged.deliverable_as_wh >= judged.implausible THEN 'wh_as_kwh'
            ELSE 'unknown'
        END
    FROM judged
    WHERE
        judged.is_implausible
        AND (
            judged.device_id <> ALL (registers)
            OR EXISTS (
                SELECT
                FROM internal.device_kind AS kind
                WHERE
                    kind.device_type = kind_of_device
                    AND kind.device_id = judged.device_id
                    AND kind.energy_reading = 'interval'
                    AND kind.kind_from < judged.recorded_at
                    AND kind.kind_to >= judged.recorded_at
            )
        )
    ORDER BY judged.device_id, judged.recorded_at;
END
$$;

COMMENT ON FUNCTION internal.implausible_readings(text, timestamptz, timestamptz, text[]) IS
'Interval readings of meters or vehicles (kind_of_device), or of those named, in (window_from, window_to] with more energy (kWh) than the device can deliver (most_kwh) in the seconds since its previous reading (null: none within a day), and the likely cause: undeclared_register, wh_as_kwh or unknown.';

-- A register with more than ten events within a day is no register: mostly two sources under one id. Its likely cause is wh_as_kwh
-- where at least half of the breaks rise by what is deliverable as Wh.

CREATE FUNCTION internal.events_of_unsteadiness()
RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT 10 $$;

COMMENT ON FUNCTION internal.events_of_unsteadiness() IS
'How many events within 24 hours a register may have and be one.';

CREATE FUNCTION internal.unsteady_registers(
    kind_of_device text, window_from timestamptz, window_to timestamptz, only_devices text[] DEFAULT NULL
)
RETURNS TABLE (device_id text, recorded_at timestamptz, events bigint, cause text)
LANGUAGE plpgsql STABLE ROWS 10
SET search_path = pg_catalog
SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
BEGIN
    IF only_devices IS NULL AND NOT internal.has_registers(kind_of_device)
        OR cardinality(internal.registers_among(kind_of_device, '-infinity', 'infinity', only_devices)) = 0
    THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT
        counted.device_id,
        max(counted.recorded_at),
        count(*),
        CASE
            WHEN count(*) FILTER (WHERE counted.is_wh) * 2 >= count(*) FILTER (WHERE counted.kind = 'break')
                AND count(*) FILTER (WHERE counted.is_wh) > 0
                THEN 'wh_as_kwh'
            ELSE 'two_sources'
        END
    FROM (
        SELECT
            event.device_id,
            event.recorded_at,
            event.kind,
            count(*) OVER (
                PARTITION BY event.device_id ORDER BY event.recorded_at RANGE BETWEEN interval '24 hours' PRECEDING AND CURRENT ROW
            ) AS within_a_day,
            event.kind = 'break'
            AND event.kwh > event.before_kwh
            AND (event.kwh - event.before_kwh) / 1000 <= internal.deliverable_kwh(
                coalesce(internal.over_rated() * rated.rated_power_kw, internal.unknown_power_kw()),
                event.recorded_at - event.before_at
            ) AS is_wh
        FROM internal.register_event AS event
        LEFT JOIN internal.rated_device AS rated
            ON rated.device_type = kind_of_device AND rated.device_id = event.device_id
        WHERE
            event.device_type = kind_of_device
            AND (only_devices IS NULL OR event.device_id = ANY (only_devices))
            AND event.recorded_at > window_from
            AND event.recorded_at <= window_to
            AND event.kind IN ('return', 'reset', 'rollover', 'break')
    ) AS counted
    GROUP BY counted.device_id
    HAVING max(counted.within_a_day) > internal.events_of_unsteadiness();
END
$$;

COMMENT ON FUNCTION internal.unsteady_registers(text, timestamptz, timestamptz, text[]) IS
'Meters or vehicles (kind_of_device), or those named, whose register had more than ten events within 24 hours of (window_from, window_to]: the last event, how many, and the likely cause: two_sources or wh_as_kwh.';

-- A fault as answers show it, for a program to read.

CREATE FUNCTION internal.fault_shown(
    code text, device_type text, device_id text, cause text, readings bigint, examples jsonb
)
RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT jsonb_build_object(
        'code', code,
        'deviceType', device_type,
        'deviceId', device_id,
        'cause', cause,
        'readings', readings,
        'examples', examples
    )
$$;

COMMENT ON FUNCTION internal.fault_shown(text, text, text, text, bigint, jsonb) IS
'A fault of data as an object: code, deviceType, deviceId, cause, readings, examples.';

-- A fault of a device in a window: code, likely cause, and the first readings that show it.

CREATE FUNCTION internal.device_faults(
    kind_of_device text, window_from timestamptz, window_to timestamptz, only_devices text[] DEFAULT NULL
)
RETURNS TABLE (device_type text, device_id text, code text, cause text, readings bigint, examples jsonb)
LANGUAGE sql STABLE ROWS 10
AS $$
    SELECT
        kind_of_device,
        numbered.device_id,
        'implausible_power',
        min(numbered.cause),
        count(*),
        jsonb_agg(
            jsonb_build_object(
                'timestamp', numbered.recorded_at,
                'kwh', round(numbered.energy_kwh::numeric, 6),
                'secondsSincePrevious', round(numbered.elapsed_s::numeric, 3),
                'mostKwh', round(numbered.most_kwh::numeric, 6)
            )
            ORDER BY numbered.recorded_at
        ) FILTER (WHERE numbered.number <= 3)
    FROM (
        SELECT found.*, row_number() OVER (PARTITION BY found.device_id ORDER BY found.recorded_at) AS number
        FROM internal.implausible_readings(kind_of_device, window_from, window_to, only_devices) AS found
    ) AS numbered
    GROUP BY numbered.device_id
    UNION ALL
    SELECT kind_of_device, unsteady.device_id, 'unsteady_register', unsteady.cause, unsteady.events, '[]'
    FROM internal.unsteady_registers(kind_of_device, window_from, window_to, only_devices) AS unsteady
$$;

COMMENT ON FUNCTION internal.device_faults(text, timestamptz, timestamptz, text[]) IS
'Faults of the data of meters or vehicles (kind_of_device), or of those named, in (window_from, window_to]: implausible_power or unsteady_register, the likely cause, how many readings or events show it, and the first three readings (timestamp, kwh, secondsSincePrevious, mostKwh).';

CREATE FUNCTION internal.vehicle_faults(vehicle text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (device_type text, device_id text, code text, cause text, readings bigint, examples jsonb)
LANGUAGE sql STABLE ROWS 2
AS $$
    WITH feed AS MATERIALIZED (
        SELECT fed.meter_id, fed.feed_from, fed.feed_to
        FROM internal.vehicle_feeds(vehicle, window_from, window_to) AS fed
    ),
    -- Mostly none: a look at the window spares one at each feed.
    suspect AS MATERIALIZED (
        SELECT DISTINCT found.device_id AS meter_id
        FROM internal.device_faults('meter', window_from, window_to, ARRAY(SELECT DISTINCT feed.meter_id FROM feed)) AS found
    )
    SELECT own.device_type, own.device_id, own.code, own.cause, own.readings, own.examples
    FROM internal.device_faults('vehicle', window_from, window_to, ARRAY[vehicle]) AS own
    UNION ALL
    -- Of a meter that fed it several times, all readings, and the examples of the first time.
    SELECT
        grid.device_type,
        grid.device_id,
        grid.code,
        min(grid.cause),
        sum(grid.readings)::bigint,
        (array_agg(grid.examples ORDER BY feed.feed_from))[1]
    FROM feed
    JOIN suspect USING (meter_id)
    CROSS JOIN LATERAL internal.device_faults('meter', feed.feed_from, feed.feed_to, ARRAY[feed.meter_id]) AS grid
    GROUP BY grid.device_type, grid.device_id, grid.code
$$;

COMMENT ON FUNCTION internal.vehicle_faults(text, timestamptz, timestamptz) IS
'internal.device_faults of a vehicle, and of the meters that fed it while they did.';

CREATE FUNCTION internal.vehicles_fed_at_fault(meter text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (vehicle_id text)
LANGUAGE sql STABLE ROWS 2
AS $$
    SELECT DISTINCT feed.vehicle_id
    FROM internal.meter_feeds(meter, window_from, window_to) AS feed
    WHERE EXISTS (SELECT FROM internal.device_faults('meter', feed.feed_from, feed.feed_to, ARRAY[meter]))
$$;

COMMENT ON FUNCTION internal.vehicles_fed_at_fault(text, timestamptz, timestamptz) IS
'Vehicles that a meter fed in (window_from, window_to] while its data was at fault.';

CREATE FUNCTION internal.faults_by_bucket(
    kind_of_device text,
    window_from timestamptz,
    window_to timestamptz,
    bucket text,
    timezone text,
    only_devices text[] DEFAULT NULL
)
RETURNS TABLE (bucket_from timestamptz, device_type text, device_id text, code text, cause text)
LANGUAGE sql STABLE ROWS 10
AS $$
    SELECT DISTINCT slot.bucket_from, kind_of_device, implausible.device_id, 'implausible_power', implausible.cause
    FROM internal.implausible_readings(kind_of_device, window_from, window_to, only_devices) AS implausible
    JOIN internal.buckets(window_from, window_to, bucket, timezone) AS slot
        ON implausible.recorded_at > slot.bucket_from AND implausible.recorded_at <= slot.bucket_to
    UNION ALL
    -- Mostly none: a look at the window spares one at each bucket.
    SELECT slot.bucket_from, kind_of_device, suspect.device_id, 'unsteady_register', unsteady.cause
    FROM internal.unsteady_registers(kind_of_device, window_from, window_to, only_devices) AS suspect
    CROSS JOIN internal.buckets(window_from, window_to, bucket, timezone) AS slot
    CROSS JOIN LATERAL internal.unsteady_registers(
        kind_of_device, slot.bucket_from, slot.bucket_to, ARRAY[suspect.device_id]
    ) AS unsteady
$$;

COMMENT ON FUNCTION internal.faults_by_bucket(text, timestamptz, timestamptz, text, text, text[]) IS
'Meters or vehicles (kind_of_device), or those named, whose data is at fault, by bucket (of internal.buckets): implausible_power or unsteady_register, and the likely cause.';

CREATE FUNCTION internal.fleet_faults(window_from timestamptz, window_to timestamptz, bucket text, timezone text)
RETURNS TABLE (bucket_from timestamptz, device_type text, device_id text, code text, cause text)
LANGUAGE sql STABLE ROWS 10
AS $$
    SELECT found.bucket_from, found.device_type, found.device_id, found.code, found.cause
    FROM (VALUES ('meter'), ('vehicle')) AS side (device_type)
    CROSS JOIN LATERAL internal.faults_by_bucket(side.device_type, window_from, window_to, bucket, timezone) AS found
$$;

COMMENT ON FUNCTION internal.fleet_faults(timestamptz, timestamptz, text, text) IS
'internal.faults_by_bucket of all meters and vehicles.';

-- Where more reached the battery than came from the grid, both sides may have been mixed up: then the inverse is a ratio that
-- chargers have. At little more than 1, a calibration or a clock is as likely.

CREATE FUNCTION internal.cause_of_ratio(ratio float8, power_kw float8)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN ratio BETWEEN 1.03 AND 1 / nullif(internal.lowest_normal_ratio(coalesce(power_kw, 2.3)), 0) THEN 'ac_dc_swapped'
        ELSE 'unknown'
    END
$$;

COMMENT ON FUNCTION internal.cause_of_ratio(float8, float8) IS
'The likely cause of a ratio above 1 at a mean AC power (kW; null: not known, the widest range is taken): ac_dc_swapped or unknown.';
