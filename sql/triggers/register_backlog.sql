-- What a statement cannot judge because it does not see its own readings yet is judged before its transaction commits.

CREATE OR REPLACE FUNCTION telemetry.judge_at_commit()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM internal.judge_part(new.device_type, new.device_id);
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION telemetry.judge_at_commit() IS
'Deferred row trigger of telemetry.register_backlog: judges a month of what the transaction left to its end.';

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_trigger WHERE tgrelid = 'telemetry.register_backlog'::regclass AND tgname = 'judge_at_commit'
    ) THEN
        CREATE CONSTRAINT TRIGGER judge_at_commit
            AFTER INSERT ON telemetry.register_backlog
            DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW WHEN (new.is_judged_at_commit)
            EXECUTE FUNCTION telemetry.judge_at_commit();
    END IF;
END
$$;
