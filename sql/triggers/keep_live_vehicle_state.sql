-- The newest reading of each vehicle, kept in the transaction that keeps the readings, whoever inserts them.
-- Rows are taken in order of vehicle_id, as every writer of this table does, so that concurrent writers never deadlock.

CREATE OR REPLACE FUNCTION telemetry.keep_live_vehicle_state()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO telemetry.live_vehicle_state AS live (
        vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c, received_at, is_charging
    )
    SELECT DISTINCT ON (vehicle_id)
        vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c, received_at, energy_dc_kwh > 0
    FROM inserted
    ORDER BY vehicle_id, recorded_at DESC
    ON CONFLICT (vehicle_id) DO UPDATE SET
        recorded_at = excluded.recorded_at,
        soc_pct = excluded.soc_pct,
        energy_dc_kwh = excluded.energy_dc_kwh,
        battery_temp_c = excluded.battery_temp_c,
        received_at = excluded.received_at,
        is_charging = excluded.is_charging
    WHERE excluded.recorded_at > live.recorded_at;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION telemetry.keep_live_vehicle_state() IS
'Statement trigger of vehicle_telemetry_history: keeps live_vehicle_state at the newest reading by recorded_at.';

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = 'telemetry.vehicle_telemetry_history'::regclass AND tgname = 'a_keep_live_vehicle_state'
    ) THEN
        CREATE TRIGGER a_keep_live_vehicle_state
            AFTER INSERT ON telemetry.vehicle_telemetry_history
            REFERENCING NEW TABLE AS inserted
            FOR EACH STATEMENT EXECUTE FUNCTION telemetry.keep_live_vehicle_state();
    END IF;
END
$$;
