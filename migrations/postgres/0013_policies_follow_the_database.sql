-- Differs by necessity because there are no background jobs here; the timescale profile has these in 0013_refresh_jobs.
--
-- What was dropped is remembered when it is, or before a refresh, and no longer when a policy changes. Policies may be what
-- a DBA made of them by TimescaleDB's own calls, which know nothing of refresh windows.

ALTER TABLE telemetry.policy DROP CONSTRAINT columnstore_waits_for_the_refresh;

DROP TRIGGER IF EXISTS remember_dropped_history ON telemetry.policy;

DROP FUNCTION IF EXISTS telemetry.remember_dropped_history();
