COMMENT ON TABLE telemetry.policy_change IS
'Who changed which setting of telemetry.policy, when, from what to what; written by a trigger, whichever way it was changed.';
COMMENT ON COLUMN telemetry.policy_change.id IS 'Number of the change.';
COMMENT ON COLUMN telemetry.policy_change.changed_at IS 'When the transaction that changed it began.';
COMMENT ON COLUMN telemetry.policy_change.changed_by IS 'Role that logged in.';
COMMENT ON COLUMN telemetry.policy_change.changed_through IS 'application_name of the session.';
COMMENT ON COLUMN telemetry.policy_change.relation IS 'Relation whose policy changed.';
COMMENT ON COLUMN telemetry.policy_change.setting IS 'Column of telemetry.policy that changed.';
COMMENT ON COLUMN telemetry.policy_change.value_before IS 'What it was; null: never.';
COMMENT ON COLUMN telemetry.policy_change.value_after IS 'What it became; null: never.';
