-- Records every change of a policy, by procedure, by file or by hand.

CREATE OR REPLACE FUNCTION telemetry.remember_policy_change()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
    INSERT INTO telemetry.policy_change (relation, setting, value_before, value_after)
    SELECT NEW.relation, change.setting, change.value_before, change.value_after
    FROM (
        VALUES
            ('chunk_interval', OLD.chunk_interval, NEW.chunk_interval),
            ('columnstore_after', OLD.columnstore_after, NEW.columnstore_after),
            ('drop_after', OLD.drop_after, NEW.drop_after),
            ('refresh_start_offset', OLD.refresh_start_offset, NEW.refresh_start_offset),
            ('refresh_end_offset', OLD.refresh_end_offset, NEW.refresh_end_offset),
            ('refresh_every', OLD.refresh_every, NEW.refresh_every)
    ) AS change (setting, value_before, value_after)
    WHERE change.value_before IS DISTINCT FROM change.value_after;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION telemetry.remember_policy_change() IS
'Row trigger of policy: writes each changed setting to policy_change.';

CREATE OR REPLACE TRIGGER remember_policy_change
    AFTER UPDATE ON telemetry.policy
    FOR EACH ROW EXECUTE FUNCTION telemetry.remember_policy_change();
