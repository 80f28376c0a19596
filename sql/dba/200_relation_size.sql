-- What a day of each relation takes once it is settled: from the chunks in the columnstore where there are any, else from
-- those that are over, else from what there is.

CREATE VIEW api.relation_size AS
WITH settled AS (
    SELECT
        chunk.relation,
        CASE WHEN chunk.is_compressed THEN 1 WHEN chunk.range_to < now() THEN 2 ELSE 3 END AS stage,
        sum(chunk.total_bytes) AS total_bytes,
        sum(extract(epoch FROM least(chunk.range_to, now()) - chunk.range_from)) / 86400 AS days
    FROM api.chunk_size AS chunk
    WHERE chunk.range_from < now()
    GROUP BY 1, 2
),
rate AS (
    SELECT DISTINCT ON (settled.relation)
        settled.relation,
        settled.total_bytes / nullif(settled.days, 0) AS bytes_per_day
    FROM settled
    ORDER BY settled.relation, settled.stage
)
SELECT
    policy.relation,
    count(chunk.chunk) AS chunks,
    count(chunk.chunk) FILTER (WHERE chunk.is_compressed) AS chunks_compressed,
    coalesce(sum(chunk.total_bytes), 0)::bigint AS total_bytes,
    coalesce(sum(chunk.index_bytes), 0)::bigint AS index_bytes,
    coalesce(sum(chunk.total_bytes) FILTER (WHERE chunk.is_compressed), 0)::bigint AS columnstore_bytes,
    (
        sum(chunk.uncompressed_bytes) FILTER (WHERE chunk.is_compressed)
        / nullif(sum(chunk.total_bytes) FILTER (WHERE chunk.is_compressed), 0)
    )::float8 AS compression_ratio,
    min(chunk.range_from) AS range_from,
    max(chunk.range_to) AS range_to,
    rate.bytes_per_day::bigint AS settled_bytes_per_day,
    coalesce(min(chunk.range_from) > now() - policy.drop_after, true) AS is_growing
FROM api.policy
LEFT JOIN api.chunk_size AS chunk USING (relation)
LEFT JOIN rate USING (relation)
GROUP BY policy.relation, policy.drop_after, rate.bytes_per_day;
