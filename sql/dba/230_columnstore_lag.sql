CREATE VIEW api.columnstore_lag AS
SELECT
    policy.relation,
    policy.columnstore_after,
    min(chunk.range_from) AS oldest_uncompressed_from,
    now() - min(chunk.range_from) AS oldest_uncompressed_age,
    count(*) FILTER (WHERE now() - chunk.range_to > policy.columnstore_after) AS chunks_overdue,
    max(now() - chunk.range_to - policy.columnstore_after)
        FILTER (WHERE now() - chunk.range_to > policy.columnstore_after) AS overdue_by
FROM api.policy
JOIN api.chunk USING (relation)
WHERE NOT chunk.is_compressed AND chunk.range_from < now()
GROUP BY policy.relation, policy.columnstore_after;
