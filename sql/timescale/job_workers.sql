-- Differs by necessity because background jobs are TimescaleDB's own. Of its workers, one is the launcher and one the
-- scheduler of this database; both are the server's worker processes too.

CREATE VIEW api.job_workers AS
SELECT
    (SELECT count(*) FROM timescaledb_information.jobs AS job WHERE job.scheduled) AS jobs,
    least(
        current_setting('timescaledb.max_background_workers')::bigint,
        current_setting('max_worker_processes')::bigint
    ) - 2 AS workers;
