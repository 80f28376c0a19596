-- What a refresh does where rows of a history were changed or deleted by hand. Live rows whose reading is not as they show it are made
-- anew; registers are judged anew, and events without a reading go. What was dropped stays as it is.

CREATE PROCEDURE internal.settle_changed_history(range_from timestamptz, range_to timestamptz)
LANGUAGE plpgsql
AS $$
DECLARE
    changed record;
    kept_from timestamptz;
    device text;
BEGIN
    FOR changed IN SELECT * FROM telemetry.changed_history LOOP
        kept_from := coalesce(
            internal.hour_kept_from(internal.history_horizon(changed.device_type || '_telemetry_history')), '-infinity'
        );
        FOR device IN
            SELECT wrong.device_id
            FROM internal.wrong_live_row AS wrong
            WHERE wrong.device_type = changed.device_type AND wrong.recorded_at >= kept_from
            ORDER BY wrong.device_id
        LOOP
            PERFORM internal.lock_register(changed.device_type, device);
            PERFORM internal.renew_live_state(changed.device_type, device);
        END LOOP;
        DELETE FROM telemetry.register_event AS event
        WHERE
            event.device_type = changed.device_type
            AND event.recorded_at > greatest(range_from, kept_from)
            AND event.recorded_at <= range_to
            AND NOT EXISTS (
                SELECT
                FROM internal.device_reading AS reading
                WHERE
                    reading.device_type = changed.device_type
                    AND reading.device_id = event.device_id
                    AND reading.recorded_at = event.recorded_at
            );
        PERFORM internal.judge_devices_anew(
            changed.device_type,
            ARRAY(
                SELECT known.device_id
                FROM internal.device_kind AS known
                WHERE known.device_type = changed.device_type
            ),
            greatest(range_from, kept_from)
        );
        DELETE FROM telemetry.changed_history AS known
        WHERE known.device_type = changed.device_type AND known.changed_at = changed.changed_at;
    END LOOP;
END
$$;

COMMENT ON PROCEDURE internal.settle_changed_history(timestamptz, timestamptz) IS
'Where rows of a history in (range_from, range_to] were changed or deleted by hand, makes live state and register events those of the readings that are there.';

CREATE VIEW internal.wrong_live_row AS
SELECT 'meter' AS device_type, live.meter_id AS device_id, live.recorded_at
FROM internal.live_meter_state AS live
WHERE
    NOT EXISTS (
        SELECT
        FROM internal.meter_telemetry_history AS kept
        WHERE
            kept.meter_id = live.meter_id
            AND kept.recorded_at = live.recorded_at
            AND (kept.energy_ac_kwh, kept.voltage_v) IS NOT DISTINCT FROM (live.energy_ac_kwh, live.voltage_v)
    )
UNION ALL
SELECT 'vehicle', live.vehicle_id, live.recorded_at
FROM internal.live_vehicle_state AS live
WHERE
    NOT EXISTS (
        SELECT
        FROM internal.vehicle_telemetry_history AS kept
        WHERE
            kept.vehicle_id = live.vehicle_id
            AND kept.recorded_at = live.recorded_at
            AND (kept.energy_dc_kwh, kept.soc_pct, kept.battery_temp_c)
                IS NOT DISTINCT FROM (live.energy_dc_kwh, live.soc_pct, live.battery_temp_c)
    );

COMMENT ON VIEW internal.wrong_live_row IS 'Live rows whose reading is not in the history, or not as they show it.';
COMMENT ON COLUMN internal.wrong_live_row.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN internal.wrong_live_row.device_id IS 'The device, as it names itself.';
COMMENT ON COLUMN internal.wrong_live_row.recorded_at IS 'When the reading was taken that the live row shows.';
