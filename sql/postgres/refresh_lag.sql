-- Differs by necessity because here the rollups are right at every commit: they never lag, and there is no backlog.

CREATE VIEW api.refresh_lag AS
SELECT
    policy.relation,
    now() AS materialised_before,
    interval '0' AS lag,
    interval '0' AS normal_lag,
    0::bigint AS backlog_ranges,
    NULL::timestamptz AS backlog_from,
    NULL::timestamptz AS backlog_to,
    0::float8 AS backlog_h
FROM telemetry.policy
WHERE policy.relation NOT LIKE '%\_history';
