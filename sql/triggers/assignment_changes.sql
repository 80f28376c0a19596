-- Records every change of an assignment, by HTTP or by hand: values before and after, when, by whom and why.

-- Runs with its owner's rights, so that a role that may change assignments needs none on their history, and cannot write
-- it directly.
CREATE OR REPLACE FUNCTION telemetry.remember_assignment_changes()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    named_operator CONSTANT text := nullif(current_setting('energy.operator', true), '');
    given_reason CONSTANT text := nullif(current_setting('energy.reason', true), '');
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO telemetry.assignment_change (
            assignment_id, changed_at, action, old_meter_id, old_vehicle_id, old_during,
            database_role, operator, reason
        )
        SELECT id, clock_timestamp(), 'voided', meter_id, vehicle_id, during, session_user, named_operator, given_reason
        FROM telemetry.assignment
        ORDER BY id;
        RETURN NULL;
    END IF;
    INSERT INTO telemetry.assignment_change (
        assignment_id, changed_at, action,
        old_meter_id, old_vehicle_id, old_during,
        new_meter_id, new_vehicle_id, new_during,
        database_role, operator, reason
    )
    VALUES (
        coalesce(OLD.id, NEW.id),
        clock_timestamp(),
        CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'UPDATE' THEN 'changed' ELSE 'voided' END,
        OLD.meter_id,
        OLD.vehicle_id,
        OLD.during,
        NEW.meter_id,
        NEW.vehicle_id,
        NEW.during,
        session_user,
        named_operator,
        given_reason
    );
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION telemetry.remember_assignment_changes() IS
'Trigger of assignment: writes every change of a row to assignment_change, and every row that a TRUNCATE takes away.';

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = 'telemetry.assignment'::regclass AND tgname = 'remember_assignment_changes'
    ) THEN
        CREATE TRIGGER remember_assignment_changes
            AFTER INSERT OR DELETE ON telemetry.assignment
            FOR EACH ROW
            EXECUTE FUNCTION telemetry.remember_assignment_changes();
        -- An UPDATE that changes nothing is no change.
        CREATE TRIGGER remember_assignment_updates
            AFTER UPDATE ON telemetry.assignment
            FOR EACH ROW
            WHEN (OLD.* IS DISTINCT FROM NEW.*)
            EXECUTE FUNCTION telemetry.remember_assignment_changes();
        CREATE TRIGGER remember_truncated_assignments
            BEFORE TRUNCATE ON telemetry.assignment
            FOR EACH STATEMENT
            EXECUTE FUNCTION telemetry.remember_assignment_changes();
    END IF;
END
$$;
