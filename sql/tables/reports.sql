-- Comments on tables and columns that migrations create.

COMMENT ON TABLE telemetry.report IS
'Documents that the service computes in the background, so that all its processes answer the same: GET /v1/database and /v1/findings.';
COMMENT ON COLUMN telemetry.report.name IS 'database or findings.';
COMMENT ON COLUMN telemetry.report.computed_at IS 'When it was computed, by the clock of the database.';
COMMENT ON COLUMN telemetry.report.content IS 'The document, as the answer has it.';
