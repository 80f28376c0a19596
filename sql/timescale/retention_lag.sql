-- Differs by necessity because here chunks are dropped whole, by a job that runs daily: the bounds of the chunks tell.

CREATE VIEW api.retention_lag AS
SELECT
    policy.relation,
    policy.drop_after,
    min(chunk.range_from) AS oldest_from,
    now() - min(chunk.range_from) - policy.drop_after AS overdue_by,
    -- A chunk goes when all of it has expired.
    policy.chunk_interval + interval '1 day' AS normal_lag
FROM telemetry.policy
LEFT JOIN api.chunk USING (relation)
WHERE policy.drop_after IS NOT NULL
GROUP BY policy.relation, policy.drop_after, policy.chunk_interval;
