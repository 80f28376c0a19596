-- Comments on tables and columns that migrations create.

COMMENT ON TABLE telemetry.policy IS
'How long each relation lives and in which form, one row a relation. Change a row, then CALL api.apply_policies().';
COMMENT ON COLUMN telemetry.policy.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN telemetry.policy.chunk_interval IS 'Time range of a new chunk (timescale profile).';
COMMENT ON COLUMN telemetry.policy.columnstore_after IS
'Age at which a chunk goes to the columnstore (timescale profile); null: never.';
COMMENT ON COLUMN telemetry.policy.drop_after IS
'Age at which data is dropped; null: never. Readings older than that are rejected.';
COMMENT ON COLUMN telemetry.policy.dropped_before IS
'Up to where data that drop_after would keep was dropped; null: none. Written by upkeep (postgres profile), a trigger of the histories and every refresh; never moves back.';
COMMENT ON COLUMN telemetry.policy.refresh_start_offset IS
'How far back the refresh job looks (timescale profile); null: not a rollup.';
COMMENT ON COLUMN telemetry.policy.refresh_end_offset IS
'Age at which an hour is materialised (timescale profile); younger ones are read from the history.';
COMMENT ON COLUMN telemetry.policy.refresh_every IS 'How often the refresh job runs (timescale profile).';

COMMENT ON TABLE telemetry.policy_change IS
'Who changed which setting of telemetry.policy, when, from what to what; written by a trigger for every change.';
COMMENT ON COLUMN telemetry.policy_change.id IS 'Number of the change.';
COMMENT ON COLUMN telemetry.policy_change.changed_at IS 'When the transaction that changed it began.';
COMMENT ON COLUMN telemetry.policy_change.changed_by IS 'Role that logged in.';
COMMENT ON COLUMN telemetry.policy_change.changed_through IS 'application_name of the session.';
COMMENT ON COLUMN telemetry.policy_change.relation IS 'Relation whose policy changed.';
COMMENT ON COLUMN telemetry.policy_change.setting IS 'Column of telemetry.policy that changed.';
COMMENT ON COLUMN telemetry.policy_change.value_before IS 'Value before; null: never.';
COMMENT ON COLUMN telemetry.policy_change.value_after IS 'Value after; null: never.';

-- The comment of a constraint is the message for a policy that it rejects (internal.policy_contradictions).

COMMENT ON CONSTRAINT relation_is_known ON telemetry.policy IS 'this is no history and no rollup of the service';
COMMENT ON CONSTRAINT intervals_are_positive ON telemetry.policy IS
'intervals are longer than 0, and refresh_end_offset is an hour or more';
COMMENT ON CONSTRAINT only_rollups_are_refreshed ON telemetry.policy IS
'a history is not refreshed, its hourly rollup is: name that, for example meter_hourly';
COMMENT ON CONSTRAINT refresh_is_given_whole_or_not_at_all ON telemetry.policy IS
'refresh_start_offset, refresh_end_offset and refresh_every are given together, or "never" for all three';
COMMENT ON CONSTRAINT refresh_starts_before_it_ends ON telemetry.policy IS
'refresh_start_offset is longer than refresh_end_offset by 2 hours or more';
COMMENT ON CONSTRAINT daily_refresh_spans_two_days ON telemetry.policy IS
'refresh_start_offset is longer than refresh_end_offset by 2 days or more';
