-- The newest reading of each device, stored in the transaction that inserts the readings, and the steps of registers judged in
-- it. Rows are taken in order of the id, as every writer of these tables does, so that concurrent writers never deadlock.
--
-- Where no device is a register, that is all. Else the live rows of the registers in the batch are locked first; then, in a new
-- statement, which sees what their last writer has committed, each step is compared with what the device can deliver. A plain
-- step after the newest reading needs nothing but the live row. Of all others, internal.judge_added writes the events; where a batch
-- has many of them, the backlog does.
--
-- A register charges while it rises. The functions of both kinds of device come from one text and differ in names.

DO $$
DECLARE
    kind record;
BEGIN
    FOR kind IN
        SELECT *
        FROM (
            VALUES
                ('meter', 'energy_ac_kwh', ARRAY['voltage_v']),
                ('vehicle', 'energy_dc_kwh', ARRAY['soc_pct', 'battery_temp_c'])
        ) AS device (name, energy, others)
    LOOP
        EXECUTE replace(replace(replace(replace($function$
            CREATE OR REPLACE FUNCTION telemetry.keep_live_DEVICE_state()
            RETURNS trigger
            LANGUAGE plpgsql SECURITY DEFINER
            SET search_path = pg_catalog, pg_temp
            AS $body$
            DECLARE
                unjudged record;
            BEGIN
                IF NOT internal.has_registers('DEVICE') THEN
                    INSERT INTO telemetry.live_DEVICE_state AS live (
                        DEVICE_id, recorded_at, ENERGY, COLUMNS, received_at, is_charging
                    )
                    SELECT DISTINCT ON (DEVICE_id)
                        DEVICE_id, recorded_at, ENERGY, COLUMNS, received_at, ENERGY > 0
                    FROM inserted
                    ORDER BY DEVICE_id, recorded_at DESC
                    ON CONFLICT (DEVICE_id) DO UPDATE SET
                        recorded_at = excluded.recorded_at,
                        ENERGY = excluded.ENERGY,
                        ASSIGNMENTS,
                        received_at = excluded.received_at,
                        is_charging = excluded.is_charging
                    WHERE excluded.recorded_at > live.recorded_at;
                    RETURN NULL;
                END IF;

                -- One reading a device: the statement that locks a live row compares the step with it.
                IF NOT EXISTS (SELECT FROM inserted GROUP BY DEVICE_id HAVING count(*) > 1) THEN
                    WITH kept AS (
                        INSERT INTO telemetry.live_DEVICE_state AS live (
                            DEVICE_id, recorded_at, ENERGY, COLUMNS, received_at, is_charging
                        )
                        SELECT DEVICE_id, recorded_at, ENERGY, COLUMNS, received_at, ENERGY > 0
                        FROM inserted
                        ORDER BY DEVICE_id
                        ON CONFLICT (DEVICE_id) DO UPDATE SET
                            recorded_at = excluded.recorded_at,
                            ENERGY = excluded.ENERGY,
                            ASSIGNMENTS,
                            received_at = excluded.received_at,
                            is_charging =
                                excluded.ENERGY > CASE WHEN live.register_kind IS NULL THEN 0 ELSE live.ENERGY END,
                            register_flows_from = CASE
                                WHEN
                                    live.register_flows_from IS NULL
                                    OR excluded.ENERGY - live.ENERGY
                                    < CASE live.register_kind
                                        WHEN 'session' THEN -internal.session_jitter_kwh()
                                        ELSE -internal.register_jitter_kwh()
                                    END
                                    OR excluded.ENERGY - live.ENERGY > internal.register_jitter_kwh() + live.register_power_kw * date_part(
                                        'epoch',
                                        excluded.recorded_at - CASE
                                            WHEN live.register_stands THEN live.recorded_at
                                            ELSE least(
                                                live.recorded_at,
                                                greatest(
                                                    live.register_flows_from,
                                                    excluded.recorded_at - live.register_still_for
                                                )
                                            )
                                        END
                                    ) / 3600
                                    THEN NULL
                                WHEN excluded.ENERGY <> live.ENERGY
                                    -- The first move after an event may be the return from it.
                                    THEN CASE
                                        WHEN NOT live.register_stands OR live.register_kind = 'session'
                                            THEN live.recorded_at
                                    END
                                ELSE live.register_flows_from
                            END,
                            register_stands = live.register_stands AND excluded.ENERGY = live.ENERGY
                        WHERE excluded.recorded_at > live.recorded_at
                        RETURNING
                            live.DEVICE_id, live.recorded_at, live.register_kind, live.register_since,
                            live.register_flows_from, live.xmax = 0 AS is_new
                    )
                    SELECT
                        count(*) AS kept,
                        array_agg(kept.DEVICE_id ORDER BY kept.DEVICE_id) FILTER (
                            WHERE
                                kept.register_flows_from IS NULL
                                AND CASE
                                    WHEN kept.is_new THEN internal.has_registers('DEVICE', kept.DEVICE_id)
                                    ELSE kept.register_kind IS NOT NULL OR kept.recorded_at <= kept.register_since
                                END
                        ) AS device_ids
                    INTO unjudged
                    FROM kept;
                    PERFORM internal.judge_or_leave(
                        'DEVICE',
                        inserted.DEVICE_id,
                        ARRAY[inserted.recorded_at],
                        array_position(unjudged.device_ids, inserted.DEVICE_id)
                    )
                    FROM inserted
                    WHERE inserted.DEVICE_id = ANY (unjudged.device_ids);
                    IF unjudged.kept < (SELECT count(*) FROM inserted) THEN
                        PERFORM internal.judge_or_leave('DEVICE', late.DEVICE_id, ARRAY[late.recorded_at], late.place)
                        FROM (
                            SELECT
                                inserted.DEVICE_id,
                                inserted.recorded_at,
                                row_number() OVER (ORDER BY inserted.DEVICE_id) AS place
                            FROM inserted
                            JOIN telemetry.live_DEVICE_state AS live ON live.DEVICE_id = inserted.DEVICE_id
                            WHERE
                                live.recorded_at > inserted.recorded_at
                                AND (live.register_kind IS NOT NULL OR inserted.recorded_at <= live.register_since)
                        ) AS late;
                    END IF;
                    RETURN NULL;
                END IF;

                PERFORM
                FROM telemetry.live_DEVICE_state AS live
                WHERE live.DEVICE_id IN (SELECT DEVICE_id FROM inserted) AND live.register_kind IS NOT NULL
                ORDER BY live.DEVICE_id
                FOR UPDATE;

                FOR unjudged IN
                    WITH step AS MATERIALIZED (
                        SELECT
                            inserted.*,
                            live.register_kind,
                            live.register_since,
                            live.register_power_kw,
                            live.register_still_for,
                            live.register_stands,
                            live.register_flows_from,
                            live.DEVICE_id IS NULL AS is_new,
                            coalesce(lag(inserted.recorded_at) OVER in_time, live.recorded_at) AS last_at,
                            coalesce(lag(inserted.ENERGY) OVER in_time, live.ENERGY) AS last_kwh
                        FROM inserted
                        LEFT JOIN telemetry.live_DEVICE_state AS live ON live.DEVICE_id = inserted.DEVICE_id
                        WINDOW in_time AS (PARTITION BY inserted.DEVICE_id ORDER BY inserted.recorded_at)
                    ),
                    moved AS (
                        SELECT
                            step.*,
                            step.ENERGY - step.last_kwh AS step_kwh,
                            max(CASE WHEN step.ENERGY <> step.last_kwh THEN step.last_at END) OVER (
                                PARTITION BY step.DEVICE_id ORDER BY step.recorded_at
                                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                            ) AS flows_from
                        FROM step
                    ),
                    judged AS (
                        SELECT
                            moved.*,
                            row_number() OVER (PARTITION BY moved.DEVICE_id ORDER BY moved.recorded_at DESC) AS age,
                            min(moved.recorded_at) OVER whole AS first_at,
                            bool_and(
                                moved.register_flows_from IS NOT NULL
                                AND moved.recorded_at > moved.register_since
                                AND moved.last_at < moved.recorded_at
                                AND moved.step_kwh >= -internal.register_jitter_kwh()
                                AND (
                                    moved.register_kind = 'register'
                                    OR moved.step_kwh >= -internal.session_jitter_kwh()
                                )
                                AND moved.step_kwh <= internal.register_jitter_kwh() + moved.register_power_kw * date_part(
                                    'epoch',
                                    moved.recorded_at - least(
                                        moved.last_at,
                                        greatest(
                                            coalesce(
                                                moved.flows_from,
                                                CASE
                                                    WHEN moved.register_stands THEN moved.last_at
                                                    ELSE moved.register_flows_from
                                                END
                                            ),
                                            moved.recorded_at - moved.register_still_for
                                        )
                                    )
                                ) / 3600
                                -- The first move after an event may be the return from it.
                                AND NOT (
                                    moved.register_stands
                                    AND moved.flows_from IS NULL
                                    AND moved.step_kwh <> 0
                                    AND moved.register_kind = 'register'
                                )
                            ) OVER whole AS is_plain,
                            max(CASE WHEN moved.step_kwh <> 0 THEN moved.last_at END) OVER whole AS flows_on_from
                        FROM moved
                        WINDOW whole AS (PARTITION BY moved.DEVICE_id)
                    ),
                    newest AS (
                        SELECT
                            judged.*,
                            CASE
                                WHEN judged.is_new THEN internal.has_registers('DEVICE', judged.DEVICE_id)
                                WHEN judged.register_kind IS NOT NULL THEN NOT judged.is_plain
                                -- Of a time in which it was a register.
                                ELSE coalesce(judged.first_at <= judged.register_since, false)
                            END AS is_to_judge
                        FROM judged
                        WHERE judged.age = 1
                    ),
                    kept AS (
                        INSERT INTO telemetry.live_DEVICE_state AS live (
                            DEVICE_id, recorded_at, ENERGY, COLUMNS, received_at, is_charging,
                            register_flows_from, register_stands
                        )
                        SELECT
                            DEVICE_id,
                            recorded_at,
                            ENERGY,
                            COLUMNS,
                            received_at,
                            CASE
                                WHEN register_kind IS NULL THEN ENERGY > 0 AND NOT is_to_judge
                                ELSE coalesce(step_kwh > 0, false)
                            END,
                            CASE
                                WHEN is_to_judge OR register_kind IS NULL THEN NULL
                                WHEN flows_on_from IS NOT NULL THEN flows_on_from
                                ELSE register_flows_from
                            END,
                            register_stands AND flows_on_from IS NULL
                        FROM newest
                        ORDER BY DEVICE_id
                        ON CONFLICT (DEVICE_id) DO UPDATE SET
                            recorded_at = excluded.recorded_at,
                            ENERGY = excluded.ENERGY,
                            ASSIGNMENTS,
                            received_at = excluded.received_at,
                            is_charging = excluded.is_charging,
                            register_flows_from = excluded.register_flows_from,
                            register_stands = excluded.register_stands
                        WHERE excluded.recorded_at > live.recorded_at
                    )
                    SELECT newest.DEVICE_id AS device_id, row_number() OVER (ORDER BY newest.DEVICE_id) AS place
                    FROM newest
                    WHERE newest.is_to_judge
                    ORDER BY newest.DEVICE_id
                LOOP
                    PERFORM internal.judge_or_leave(
                        'DEVICE',
                        unjudged.device_id,
                        ARRAY(
                            SELECT inserted.recorded_at FROM inserted WHERE inserted.DEVICE_id = unjudged.device_id
                        ),
                        unjudged.place
                    );
                END LOOP;
                RETURN NULL;
            END
            $body$;

            COMMENT ON FUNCTION telemetry.keep_live_DEVICE_state() IS
            'Statement trigger of DEVICE_telemetry_history: keeps live_DEVICE_state at the newest reading by recorded_at, and whether it charges: energy above zero, or a register that rose. Judges the steps of registers.';

            DO $make$
            BEGIN
                IF NOT EXISTS (
                    SELECT FROM pg_trigger
                    WHERE
                        tgrelid = 'telemetry.DEVICE_telemetry_history'::regclass
                        AND tgname = 'a_keep_live_DEVICE_state'
                ) THEN
                    CREATE TRIGGER a_keep_live_DEVICE_state
                        AFTER INSERT ON telemetry.DEVICE_telemetry_history
                        REFERENCING NEW TABLE AS inserted
                        FOR EACH STATEMENT EXECUTE FUNCTION telemetry.keep_live_DEVICE_state();
                END IF;
            END
            $make$;
        $function$,
            'ASSIGNMENTS', (SELECT string_agg(format('%1$I = excluded.%1$I', other), ', ') FROM unnest(kind.others) AS other)),
            'COLUMNS', array_to_string(kind.others, ', ')),
            'ENERGY', kind.energy),
            'DEVICE', kind.name);
    END LOOP;
END
$$;
