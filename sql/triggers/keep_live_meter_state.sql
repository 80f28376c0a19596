-- The newest reading of each meter, kept in the transaction that keeps the readings, whoever inserts them.
-- Rows are taken in order of meter_id, as every writer of this table does, so that concurrent writers never deadlock.

CREATE OR REPLACE FUNCTION telemetry.keep_live_meter_state()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO telemetry.live_meter_state AS live (
        meter_id, recorded_at, energy_ac_kwh, voltage_v, received_at, is_charging
    )
    SELECT DISTINCT ON (meter_id)
        meter_id, recorded_at, energy_ac_kwh, voltage_v, received_at, energy_ac_kwh > 0
    FROM inserted
    ORDER BY meter_id, recorded_at DESC
    ON CONFLICT (meter_id) DO UPDATE SET
        recorded_at = excluded.recorded_at,
        energy_ac_kwh = excluded.energy_ac_kwh,
        voltage_v = excluded.voltage_v,
        received_at = excluded.received_at,
        is_charging = excluded.is_charging
    WHERE excluded.recorded_at > live.recorded_at;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION telemetry.keep_live_meter_state() IS
'Statement trigger of meter_telemetry_history: keeps live_meter_state at the newest reading by recorded_at.';

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = 'telemetry.meter_telemetry_history'::regclass AND tgname = 'a_keep_live_meter_state'
    ) THEN
        CREATE TRIGGER a_keep_live_meter_state
            AFTER INSERT ON telemetry.meter_telemetry_history
            REFERENCING NEW TABLE AS inserted
            FOR EACH STATEMENT EXECUTE FUNCTION telemetry.keep_live_meter_state();
    END IF;
END
$$;
