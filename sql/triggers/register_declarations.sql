-- What a device can deliver at most decides which steps of its register are plain: a new rated power judges all of them anew.

DO $$
DECLARE
    device text;
BEGIN
    FOREACH device IN ARRAY ARRAY['meter', 'vehicle'] LOOP
        EXECUTE replace($function$
            CREATE OR REPLACE FUNCTION telemetry.judge_DEVICE_anew()
            RETURNS trigger
            LANGUAGE plpgsql SECURITY DEFINER
            SET search_path = pg_catalog, pg_temp
            AS $body$
            BEGIN
                PERFORM internal.judge_anew('DEVICE', new.DEVICE_id, '-infinity');
                RETURN NULL;
            END
            $body$;

            COMMENT ON FUNCTION telemetry.judge_DEVICE_anew() IS
            'Row trigger of telemetry.DEVICE: judges the steps of a register anew after a change of its rated power.';

            CREATE OR REPLACE TRIGGER judge_new_DEVICE_anew
                AFTER INSERT ON telemetry.DEVICE
                FOR EACH ROW
                WHEN (new.rated_power_kw IS NOT NULL)
                EXECUTE FUNCTION telemetry.judge_DEVICE_anew();

            CREATE OR REPLACE TRIGGER judge_DEVICE_anew
                AFTER UPDATE OF rated_power_kw ON telemetry.DEVICE
                FOR EACH ROW
                WHEN (old.rated_power_kw IS DISTINCT FROM new.rated_power_kw)
                EXECUTE FUNCTION telemetry.judge_DEVICE_anew();
        $function$, 'DEVICE', device);
    END LOOP;
END
$$;
