-- What a person who looks after the data has to work through, by kind. Every function returns the same columns, which
-- api.data_quality puts together: the device, a code and a likely cause, from when to when, how many, and kWh in doubt.

-- A reset or a break that the rules judged is a guess, until a return undoes it or an operator decides. A session counter begins anew
-- with each session: its resets are none.

CREATE VIEW internal.event_to_decide AS
SELECT event.device_type, event.device_id, event.recorded_at, event.kind, event.correction_kwh
FROM internal.register_event AS event
WHERE
    event.kind IN ('reset', 'break')
    AND NOT EXISTS (
        SELECT
        FROM internal.register_decision AS decision
        WHERE
            decision.device_type = event.device_type
            AND decision.device_id = event.device_id
            AND decision.decided_for = event.recorded_at
    )
    -- What comes next of what may open or close an event is a return, after which none is open.
    AND NOT coalesce(
        (
            SELECT later.kind = 'return'
            FROM internal.register_event AS later
            WHERE
                later.device_type = event.device_type
                AND later.device_id = event.device_id
                AND later.recorded_at > event.recorded_at
                AND (later.kind IN ('reset', 'break', 'rollover') OR (later.kind = 'return' AND later.open_event_at IS NULL))
            ORDER BY later.recorded_at
            LIMIT 1
        ),
        false
    )
    AND NOT (
        event.kind = 'reset'
        AND EXISTS (
            SELECT
            FROM internal.device_kind AS kind
            WHERE
                kind.device_type = event.device_type
                AND kind.device_id = event.device_id
                AND kind.energy_reading = 'session'
                AND kind.kind_from < event.recorded_at
                AND kind.kind_to >= event.recorded_at
        )
    );

COMMENT ON VIEW internal.event_to_decide IS
'Register events that the rules guessed and no return has undone: resets of registers, and breaks. Operators decide them. Bound the time, or name a device.';
COMMENT ON COLUMN internal.event_to_decide.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN internal.event_to_decide.device_id IS 'The device, as it names itself.';
COMMENT ON COLUMN internal.event_to_decide.recorded_at IS 'When the reading was taken to which the step leads.';
COMMENT ON COLUMN internal.event_to_decide.kind IS 'reset or break.';
COMMENT ON COLUMN internal.event_to_decide.correction_kwh IS 'What it counts, less the difference of the two values as they were sent, kWh.';

CREATE FUNCTION internal.quality_of_faults(window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    device_type text, device_id text, code text, cause text,
    first_at timestamptz, last_at timestamptz, occurrences bigint, doubtful_kwh float8
)
LANGUAGE sql STABLE ROWS 10
AS $$
    WITH device AS MATERIALIZED (
        SELECT
            day.device_type,
            day.device_id,
            min(day.fault_code) AS code,
            min(day.fault_cause) AS cause,
            sum(day.energy_kwh) AS energy_kwh,
            sum(day.compared_ac_kwh) AS energy_ac_kwh,
            sum(day.compared_dc_kwh) AS energy_dc_kwh,
            internal.ratio(sum(day.compared_dc_kwh), sum(day.compared_ac_kwh)) AS efficiency_ratio,
            internal.ratio(sum(day.power_sum_kw_kwh), sum(day.compared_ac_kwh)) AS mean_power_kw
        FROM internal.device_days(window_from, window_to) AS day
        GROUP BY day.device_type, day.device_id
    ),
    shown AS (
        SELECT side.device_type, found.device_id, min(found.recorded_at) AS first_at, max(found.recorded_at) AS last_at, count(*) AS readings
        FROM (VALUES ('meter'), ('vehicle')) AS side (device_type)
        CROSS JOIN LATERAL internal.implausible_readings(
            side.device_type,
            window_from,
            window_to,
            ARRAY(
                SELECT device.device_id
                FROM device
                WHERE device.device_type = side.device_type AND device.code = 'implausible_power'
            )
        ) AS found
        GROUP BY side.device_type, found.device_id
    )
    SELECT
        device.device_type,
        device.device_id,
        coalesce(device.code, 'ratio_above_one'),
        CASE
            WHEN device.code IS NULL THEN internal.cause_of_ratio(device.efficiency_ratio, device.mean_power_kw)
            ELSE device.cause
        END,
        shown.first_at,
        shown.last_at,
        shown.readings,
        CASE WHEN device.code IS NULL THEN device.energy_dc_kwh - device.energy_ac_kwh ELSE device.energy_kwh END
    FROM device
    LEFT JOIN shown USING (device_type, device_id)
    WHERE device.code IS NOT NULL OR device.efficiency_ratio > 1
$$;

COMMENT ON FUNCTION internal.quality_of_faults(timestamptz, timestamptz) IS
'Devices whose data is at fault in (window_from, window_to], those of dataFaults in losses: implausible_power, unsteady_register or ratio_above_one, the likely cause; of implausible power the readings that show it; all energy of the device (kWh), or that above what the grid gave.';

CREATE FUNCTION internal.quality_of_conflicts(window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    device_type text, device_id text, code text, cause text,
    first_at timestamptz, last_at timestamptz, occurrences bigint, doubtful_kwh float8
)
LANGUAGE sql STABLE ROWS 10
AS $$
    SELECT
        known.device_type,
        known.device_id,
        'conflict',
        NULL,
        min(known.first_recorded_at),
        max(known.last_recorded_at),
        sum(known.conflicts)::bigint,
        max(abs(known.sent_kwh - known.kept_kwh))
    FROM internal.reading_conflict AS known
    WHERE
        known.day_start > window_from - interval '24 hours'
        AND known.day_start < window_to
        AND known.last_recorded_at > window_from
        AND known.first_recorded_at <= window_to
    GROUP BY known.device_type, known.device_id
$$;

COMMENT ON FUNCTION internal.quality_of_conflicts(timestamptz, timestamptz) IS
'Devices that sent readings which contradict stored ones, on days (UTC) with such readings in (window_from, window_to]: how many, and the largest difference of two energies (kWh).';

CREATE FUNCTION internal.quality_of_arrivals(window_from timestamptz, silent_after interval, late_after interval)
RETURNS TABLE (
    device_type text, device_id text, code text, cause text,
    first_at timestamptz, last_at timestamptz, occurrences bigint, doubtful_kwh float8
)
LANGUAGE sql STABLE ROWS 100
AS $$
    SELECT
        silent.device_type,
        silent.device_id,
        CASE WHEN silent.last_recorded_at IS NULL THEN 'never_seen' ELSE 'silent' END,
        NULL,
        silent.last_recorded_at,
        NULL::timestamptz,
        NULL::bigint,
        NULL::float8
    FROM api.silent_devices(silent_after) AS silent
    UNION ALL
    SELECT live.device_type, live.device_id, 'late', NULL, live.recorded_at, live.received_at, NULL, NULL
    FROM (
        SELECT 'meter' AS device_type, meter.meter_id AS device_id, meter.recorded_at, meter.received_at
        FROM internal.live_meter_state AS meter
        UNION ALL
        SELECT 'vehicle', vehicle.vehicle_id, vehicle.recorded_at, vehicle.received_at
        FROM internal.live_vehicle_state AS vehicle
    ) AS live
    WHERE
        live.received_at > live.recorded_at + late_after
        AND live.recorded_at > window_from
        AND live.recorded_at >= now() - silent_after
        -- A file says nothing of how late devices report.
        AND NOT EXISTS (
            SELECT
            FROM internal.import_progress AS import
            WHERE live.received_at BETWEEN import.started_at AND import.finished_at
        )
$$;

COMMENT ON FUNCTION internal.quality_of_arrivals(timestamptz, interval, interval) IS
'Devices that are silent now, those that never sent a reading, and those whose newest reading, taken after window_from, came late: when that was taken, and when it came.';

CREATE FUNCTION internal.quality_of_registers(window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    device_type text, device_id text, code text, cause text,
    first_at timestamptz, last_at timestamptz, occurrences bigint, doubtful_kwh float8
)
LANGUAGE sql STABLE ROWS 10
AS $$
    SELECT
        event.device_type,
        event.device_id,
        event.kind,
        NULL,
        min(event.recorded_at),
        max(event.recorded_at),
        count(*),
        sum(abs(event.correction_kwh))
    FROM internal.event_to_decide AS event
    WHERE event.recorded_at > window_from AND event.recorded_at <= window_to
    GROUP BY event.device_type, event.device_id, event.kind
$$;

COMMENT ON FUNCTION internal.quality_of_registers(timestamptz, timestamptz) IS
'Registers with events in (window_from, window_to] that an operator has to decide, by kind (reset, break): how many, and the kWh that they correct, without sign.';

CREATE FUNCTION internal.quality_of_plug_outs(window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    device_type text, device_id text, code text, cause text,
    first_at timestamptz, last_at timestamptz, occurrences bigint, doubtful_kwh float8
)
LANGUAGE sql STABLE ROWS 10
AS $$
    SELECT
        'meter', waiting.meter_id, 'waiting_plug_out', NULL,
        min(waiting.plugged_out_at), max(waiting.plugged_out_at), count(*), NULL::float8
    FROM internal.unmatched_plug_out AS waiting
    WHERE
        waiting.assignment_id IS NULL
        AND waiting.plugged_out_at > window_from
        AND waiting.plugged_out_at <= window_to
    GROUP BY waiting.meter_id
$$;

COMMENT ON FUNCTION internal.quality_of_plug_outs(timestamptz, timestamptz) IS
'Meters with plug-outs in (window_from, window_to] that still wait for their plug-in.';

-- Conflicts go with the history: what was kept can no longer be looked at. Runs with the owner's rights, for what is gone alone.

CREATE FUNCTION internal.forget_old_conflicts()
RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM telemetry.reading_conflict AS known
    WHERE
        known.day_start < internal.history_horizon(known.device_type || '_telemetry_history') - interval '24 hours'
$$;

COMMENT ON FUNCTION internal.forget_old_conflicts() IS
'Deletes conflicts of readings whose history is gone; api.upkeep() calls it.';
