-- What each profile makes in a way of its own, in sql/timescale/retention.sql and sql/postgres/retention.sql, and means alike.

COMMENT ON FUNCTION api.already_dropped(text) IS
'The instant before which data of a relation (by its name in schema telemetry) is gone that a rollup was made of, whoever dropped it; null where all of it is there.';

COMMENT ON FUNCTION api.deleted_before(text) IS
'The same after rows of a relation were deleted, where no device has rows that old any more; what telemetry.policy remembers where some has.';

COMMENT ON VIEW api.retention_lag IS
'How far the oldest rows of each relation that drops any are past their time. Normal: overdue_by below normal_lag. More: retention does not run, or fails: see its job, or upkeep (postgres profile), in api.job_health.';
COMMENT ON COLUMN api.retention_lag.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN api.retention_lag.drop_after IS 'Age at which its policy wants rows dropped.';
COMMENT ON COLUMN api.retention_lag.oldest_from IS 'Its oldest row; timescale profile: the beginning of its oldest chunk. Null: there is none.';
COMMENT ON COLUMN api.retention_lag.overdue_by IS 'By how much that is older than drop_after; negative where it is younger.';
COMMENT ON COLUMN api.retention_lag.normal_lag IS 'What overdue_by stays below while retention runs: a day, and the length of a chunk, which is dropped whole.';
