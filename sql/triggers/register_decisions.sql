-- Records every change of a decision about a step of a register, by HTTP or by hand: before and after, when, by whom and why.

-- Runs with its owner's rights: no other role writes decisions or their history.
CREATE OR REPLACE FUNCTION telemetry.remember_decision_changes()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    current_operator CONSTANT text := nullif(current_setting('energy.operator', true), '');
    current_reason CONSTANT text := nullif(current_setting('energy.reason', true), '');
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO telemetry.register_decision_change (
            device_type, device_id, decided_for, changed_at, action, old_kind, old_first_kwh,
            database_role, operator, reason
        )
        SELECT
            device_type, device_id, decided_for, clock_timestamp(), 'withdrawn', kind, first_kwh,
            session_user, current_operator, current_reason
        FROM telemetry.register_decision
        ORDER BY device_type, device_id, decided_for;
        RETURN NULL;
    END IF;
    -- A note in which the name of an erased device was replaced is no other decision.
    IF TG_OP = 'UPDATE' AND (OLD.kind, OLD.first_kwh, OLD.decided_at) IS NOT DISTINCT FROM (NEW.kind, NEW.first_kwh, NEW.decided_at) THEN
        RETURN NULL;
    END IF;
    INSERT INTO telemetry.register_decision_change (
        device_type, device_id, decided_for, changed_at, action,
        old_kind, old_first_kwh, new_kind, new_first_kwh,
        database_role, operator, reason
    )
    VALUES (
        coalesce(NEW.device_type, OLD.device_type),
        coalesce(NEW.device_id, OLD.device_id),
        coalesce(NEW.decided_for, OLD.decided_for),
        clock_timestamp(),
        CASE TG_OP WHEN 'INSERT' THEN 'decided' WHEN 'UPDATE' THEN 'changed' ELSE 'withdrawn' END,
        OLD.kind,
        OLD.first_kwh,
        NEW.kind,
        NEW.first_kwh,
        session_user,
        CASE WHEN TG_OP = 'DELETE' THEN current_operator ELSE NEW.operator END,
        CASE WHEN TG_OP = 'DELETE' THEN current_reason ELSE NEW.reason END
    );
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION telemetry.remember_decision_changes() IS
'Trigger of register_decision: writes every change of a row to register_decision_change, and every row that a TRUNCATE takes away.';

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = 'telemetry.register_decision'::regclass AND tgname = 'remember_decision_changes'
    ) THEN
        CREATE TRIGGER remember_decision_changes
            AFTER INSERT OR UPDATE OR DELETE ON telemetry.register_decision
            FOR EACH ROW
            EXECUTE FUNCTION telemetry.remember_decision_changes();
        CREATE TRIGGER remember_truncated_decisions
            BEFORE TRUNCATE ON telemetry.register_decision
            FOR EACH STATEMENT
            EXECUTE FUNCTION telemetry.remember_decision_changes();
    END IF;
END
$$;
