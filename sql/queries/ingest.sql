-- Writes readings into the history: directly, or over a stage. The staged path is for late readings, and for a batch whose
-- COPY met an existing key. A stage keeps the order of arrival (ordinal): of two equal keys the first is stored. An energy
-- between 0 and 1e-9 kWh that an earlier release stored equals 0, so that its repeat is a duplicate.

-- name: create_meter_stage
CREATE TEMPORARY TABLE IF NOT EXISTS meter_stage (
    ordinal integer NOT NULL,
    meter_id text COLLATE "C" NOT NULL,
    recorded_at timestamptz NOT NULL,
    energy_ac_kwh float8 NOT NULL,
    voltage_v float4 NOT NULL,
    is_kept boolean NOT NULL DEFAULT false
) ON COMMIT DELETE ROWS;

-- name: copy_meter_stage
COPY pg_temp.meter_stage (ordinal, meter_id, recorded_at, energy_ac_kwh, voltage_v) FROM STDIN (FORMAT binary);

-- name: keep_staged_meter_readings
WITH first AS (
    SELECT DISTINCT ON (meter_id, recorded_at) ordinal, meter_id, recorded_at, energy_ac_kwh, voltage_v
    FROM pg_temp.meter_stage
    ORDER BY meter_id, recorded_at, ordinal
),
kept AS (
    INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v)
    SELECT meter_id, recorded_at, energy_ac_kwh, voltage_v
    FROM first
    ORDER BY meter_id, recorded_at
    ON CONFLICT (meter_id, recorded_at) DO NOTHING
    RETURNING meter_id, recorded_at
)
UPDATE pg_temp.meter_stage AS stage
SET is_kept = true
FROM kept
JOIN first USING (meter_id, recorded_at)
WHERE stage.ordinal = first.ordinal;

-- name: staged_meter_readings_not_kept
SELECT
    stage.ordinal,
    (history.energy_ac_kwh, history.voltage_v) IS DISTINCT FROM (stage.energy_ac_kwh, stage.voltage_v) AS is_conflict
FROM pg_temp.meter_stage AS stage
CROSS JOIN LATERAL (
    -- The bounds leave out chunks when it is planned; the limit keeps the look-up one by index, row by row.
    SELECT
        CASE WHEN kept.energy_ac_kwh < 1e-9 THEN 0 ELSE kept.energy_ac_kwh END AS energy_ac_kwh,
        kept.voltage_v
    FROM telemetry.meter_telemetry_history AS kept
    WHERE
        kept.meter_id = stage.meter_id
        AND kept.recorded_at = stage.recorded_at
        AND kept.recorded_at BETWEEN %(oldest)s AND %(newest)s
    LIMIT 1
) AS history
WHERE NOT stage.is_kept;

-- name: record_meter_conflicts
INSERT INTO telemetry.reading_conflict AS known (
    device_type, device_id, day_start, conflicts, first_recorded_at, last_recorded_at, last_received_at,
    example_recorded_at, kept_kwh, sent_kwh
)
SELECT
    'meter',
    conflict.device_id,
    conflict.day_start,
    count(*),
    min(conflict.recorded_at),
    max(conflict.recorded_at),
    clock_timestamp(),
    (array_agg(conflict.recorded_at ORDER BY conflict.place))[1],
    (array_agg(conflict.kept_kwh ORDER BY conflict.place))[1],
    (array_agg(conflict.sent_kwh ORDER BY conflict.place))[1]
FROM (
    SELECT
        stage.meter_id AS device_id,
        internal.day_floor(stage.recorded_at - interval '1 microsecond') AS day_start,
        stage.recorded_at,
        history.energy_ac_kwh AS kept_kwh,
        stage.energy_ac_kwh AS sent_kwh,
        row_number() OVER (ORDER BY abs(stage.energy_ac_kwh - history.energy_ac_kwh) DESC, stage.ordinal) AS place
    FROM pg_temp.meter_stage AS stage
    CROSS JOIN LATERAL (
        SELECT
            CASE WHEN kept.energy_ac_kwh < 1e-9 THEN 0 ELSE kept.energy_ac_kwh END AS energy_ac_kwh,
            kept.voltage_v
        FROM telemetry.meter_telemetry_history AS kept
        WHERE
            kept.meter_id = stage.meter_id
            AND kept.recorded_at = stage.recorded_at
            AND kept.recorded_at BETWEEN %(oldest)s AND %(newest)s
        LIMIT 1
    ) AS history
    WHERE NOT stage.is_kept AND (history.energy_ac_kwh, history.voltage_v) IS DISTINCT FROM (stage.energy_ac_kwh, stage.voltage_v)
) AS conflict
GROUP BY conflict.device_id, conflict.day_start
ORDER BY conflict.device_id, conflict.day_start
ON CONFLICT (device_type, device_id, day_start) DO UPDATE SET
    conflicts = known.conflicts + excluded.conflicts,
    first_recorded_at = least(known.first_recorded_at, excluded.first_recorded_at),
    last_recorded_at = greatest(known.last_recorded_at, excluded.last_recorded_at),
    last_received_at = greatest(known.last_received_at, excluded.last_received_at),
    (example_recorded_at, kept_kwh, sent_kwh) = (
        SELECT example.recorded_at, example.kept_kwh, example.sent_kwh
        FROM (
            VALUES
                (known.example_recorded_at, known.kept_kwh, known.sent_kwh),
                (excluded.example_recorded_at, excluded.kept_kwh, excluded.sent_kwh)
        ) AS example (recorded_at, kept_kwh, sent_kwh)
        ORDER BY abs(example.sent_kwh - example.kept_kwh) DESC, example.recorded_at
        LIMIT 1
    );

-- name: copy_meter_history
COPY telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v) FROM STDIN (FORMAT binary);

-- name: create_vehicle_stage
CREATE TEMPORARY TABLE IF NOT EXISTS vehicle_stage (
    ordinal integer NOT NULL,
    vehicle_id text COLLATE "C" NOT NULL,
    recorded_at timestamptz NOT NULL,
    soc_pct float4 NOT NULL,
    energy_dc_kwh float8 NOT NULL,
    battery_temp_c float4 NOT NULL,
    is_kept boolean NOT NULL DEFAULT false
) ON COMMIT DELETE ROWS;

-- name: copy_vehicle_stage
COPY pg_temp.vehicle_stage (ordinal, vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c)
FROM STDIN (FORMAT binary);

-- name: keep_staged_vehicle_readings
WITH first AS (
    SELECT DISTINCT ON (vehicle_id, recorded_at)
        ordinal, vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c
    FROM pg_temp.vehicle_stage
    ORDER BY vehicle_id, recorded_at, ordinal
),
kept AS (
    INSERT INTO telemetry.vehicle_telemetry_history (vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c)
    SELECT vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c
    FROM first
    ORDER BY vehicle_id, recorded_at
    ON CONFLICT (vehicle_id, recorded_at) DO NOTHING
    RETURNING vehicle_id, recorded_at
)
UPDATE pg_temp.vehicle_stage AS stage
SET is_kept = true
FROM kept
JOIN first USING (vehicle_id, recorded_at)
WHERE stage.ordinal = first.ordinal;

-- name: staged_vehicle_readings_not_kept
SELECT
    stage.ordinal,
    (history.soc_pct, history.energy_dc_kwh, history.battery_temp_c) IS DISTINCT FROM (stage.soc_pct, stage.energy_dc_kwh, stage.battery_temp_c) AS is_conflict
FROM pg_temp.vehicle_stage AS stage
CROSS JOIN LATERAL (
    -- The bounds leave out chunks when it is planned; the limit keeps the look-up one by index, row by row.
    SELECT
        kept.soc_pct,
        CASE WHEN kept.energy_dc_kwh < 1e-9 THEN 0 ELSE kept.energy_dc_kwh END AS energy_dc_kwh,
        kept.battery_temp_c
    FROM telemetry.vehicle_telemetry_history AS kept
    WHERE
        kept.vehicle_id = stage.vehicle_id
        AND kept.recorded_at = stage.recorded_at
        AND kept.recorded_at BETWEEN %(oldest)s AND %(newest)s
    LIMIT 1
) AS history
WHERE NOT stage.is_kept;

-- name: record_vehicle_conflicts
INSERT INTO telemetry.reading_conflict AS known (
    device_type, device_id, day_start, conflicts, first_recorded_at, last_recorded_at, last_received_at,
    example_recorded_at, kept_kwh, sent_kwh
)
SELECT
    'vehicle',
    conflict.device_id,
    conflict.day_start,
    count(*),
    min(conflict.recorded_at),
    max(conflict.recorded_at),
    clock_timestamp(),
    (array_agg(conflict.recorded_at ORDER BY conflict.place))[1],
    (array_agg(conflict.kept_kwh ORDER BY conflict.place))[1],
    (array_agg(conflict.sent_kwh ORDER BY conflict.place))[1]
FROM (
    SELECT
        stage.vehicle_id AS device_id,
        internal.day_floor(stage.recorded_at - interval '1 microsecond') AS day_start,
        stage.recorded_at,
        history.energy_dc_kwh AS kept_kwh,
        stage.energy_dc_kwh AS sent_kwh,
        row_number() OVER (ORDER BY abs(stage.energy_dc_kwh - history.energy_dc_kwh) DESC, stage.ordinal) AS place
    FROM pg_temp.vehicle_stage AS stage
    CROSS JOIN LATERAL (
        SELECT
            kept.soc_pct,
            CASE WHEN kept.energy_dc_kwh < 1e-9 THEN 0 ELSE kept.energy_dc_kwh END AS energy_dc_kwh,
            kept.battery_temp_c
        FROM telemetry.vehicle_telemetry_history AS kept
        WHERE
            kept.vehicle_id = stage.vehicle_id
            AND kept.recorded_at = stage.recorded_at
            AND kept.recorded_at BETWEEN %(oldest)s AND %(newest)s
        LIMIT 1
    ) AS history
    WHERE NOT stage.is_kept AND (history.soc_pct, history.energy_dc_kwh, history.battery_temp_c) IS DISTINCT FROM (stage.soc_pct, stage.energy_dc_kwh, stage.battery_temp_c)
) AS conflict
GROUP BY conflict.device_id, conflict.day_start
ORDER BY conflict.device_id, conflict.day_start
ON CONFLICT (device_type, device_id, day_start) DO UPDATE SET
    conflicts = known.conflicts + excluded.conflicts,
    first_recorded_at = least(known.first_recorded_at, excluded.first_recorded_at),
    last_recorded_at = greatest(known.last_recorded_at, excluded.last_recorded_at),
    last_received_at = greatest(known.last_received_at, excluded.last_received_at),
    (example_recorded_at, kept_kwh, sent_kwh) = (
        SELECT example.recorded_at, example.kept_kwh, example.sent_kwh
        FROM (
            VALUES
                (known.example_recorded_at, known.kept_kwh, known.sent_kwh),
                (excluded.example_recorded_at, excluded.kept_kwh, excluded.sent_kwh)
        ) AS example (recorded_at, kept_kwh, sent_kwh)
        ORDER BY abs(example.sent_kwh - example.kept_kwh) DESC, example.recorded_at
        LIMIT 1
    );

-- name: copy_vehicle_history
COPY telemetry.vehicle_telemetry_history (vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c)
FROM STDIN (FORMAT binary);
