-- What the values of a device mean and what it can deliver decides which steps of its register are plain. Whoever changes that by
-- SQL, and not by api.set_meter_kind and its like, has its readings judged anew all the same: before the transaction commits
-- where few devices change, else in the backlog.

CREATE OR REPLACE FUNCTION telemetry.judge_declared()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kind_of_device CONSTANT text := split_part(tg_table_name, '_', 1);
    device CONSTANT text := coalesce(to_jsonb(new), to_jsonb(old)) ->> (kind_of_device || '_id');
BEGIN
    IF current_setting('energy.judges_itself', true) IS DISTINCT FROM 'yes' AND EXISTS (
        SELECT FROM telemetry.live_meter_state AS live WHERE kind_of_device = 'meter' AND live.meter_id = device
        UNION ALL
        SELECT FROM telemetry.live_vehicle_state AS live WHERE kind_of_device = 'vehicle' AND live.vehicle_id = device
    ) THEN
        PERFORM internal.add_to_backlog(
            kind_of_device,
            device,
            '-infinity',
            is_judged_at_commit => (SELECT count(*) < 10 FROM telemetry.register_backlog)
        );
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION telemetry.judge_declared() IS
'Row trigger of what is declared of devices: leaves their readings to be judged anew.';

CREATE OR REPLACE FUNCTION telemetry.judge_default()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF current_setting('energy.judges_itself', true) IS DISTINCT FROM 'yes' THEN
        PERFORM internal.judge_fleet_anew(coalesce(new.device_type, old.device_type), '-infinity');
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION telemetry.judge_default() IS
'Row trigger of telemetry.fleet_default: leaves the readings of devices without a kind of their own to be judged anew.';

DO $$
DECLARE
    device text;
BEGIN
    FOREACH device IN ARRAY ARRAY['meter', 'vehicle'] LOOP
        EXECUTE replace($function$
            CREATE OR REPLACE TRIGGER judge_new_DEVICE
                AFTER INSERT ON telemetry.DEVICE
                FOR EACH ROW
                WHEN (new.energy_reading IS NOT NULL OR new.rated_power_kw IS NOT NULL)
                EXECUTE FUNCTION telemetry.judge_declared();
            CREATE OR REPLACE TRIGGER judge_changed_DEVICE
                AFTER UPDATE OF energy_reading, register_modulus_kwh, rated_power_kw ON telemetry.DEVICE
                FOR EACH ROW
                WHEN (
                    (old.energy_reading, old.register_modulus_kwh, old.rated_power_kw)
                    IS DISTINCT FROM (new.energy_reading, new.register_modulus_kwh, new.rated_power_kw)
                )
                EXECUTE FUNCTION telemetry.judge_declared();
            CREATE OR REPLACE TRIGGER judge_removed_DEVICE
                AFTER DELETE ON telemetry.DEVICE
                FOR EACH ROW
                WHEN (old.energy_reading IS NOT NULL OR old.rated_power_kw IS NOT NULL)
                EXECUTE FUNCTION telemetry.judge_declared();
            CREATE OR REPLACE TRIGGER judge_past_of_DEVICE
                AFTER INSERT OR UPDATE OR DELETE ON telemetry.DEVICE_kind_past
                FOR EACH ROW
                EXECUTE FUNCTION telemetry.judge_declared();
        $function$, 'DEVICE', device);
    END LOOP;
END
$$;

CREATE OR REPLACE TRIGGER judge_default
    AFTER INSERT OR UPDATE OR DELETE ON telemetry.fleet_default
    FOR EACH ROW EXECUTE FUNCTION telemetry.judge_default();
