-- Differs by necessity because there are no background jobs here, nor workers for them.

CREATE VIEW api.job_workers AS
SELECT 0::bigint AS jobs, NULL::bigint AS workers;
