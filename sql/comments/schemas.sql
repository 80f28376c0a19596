COMMENT ON SCHEMA telemetry IS 'What is kept: readings, live state, rollups, assignments, devices, policies. Changed by migrations only.';
COMMENT ON SCHEMA api IS 'What is asked and called. Dropped and rebuilt by every migrate: put nothing of your own here.';
