-- Differs by necessity because here chunks tell what a day takes once it is settled: the newest seven in the columnstore,
-- where there are any, else of those that are over, else what there is. Older ones say what a fleet took that was smaller.

CREATE VIEW api.relation_size AS
WITH chunk AS MATERIALIZED (
    SELECT
        size.relation,
        size.chunk,
        size.range_from,
        size.range_to,
        size.is_compressed,
        size.total_bytes,
        size.index_bytes,
        size.uncompressed_bytes
    FROM api.chunk_size AS size
),
staged AS (
    SELECT
        chunk.relation,
        chunk.total_bytes,
        extract(epoch FROM least(chunk.range_to, now()) - chunk.range_from) / 86400 AS days,
        CASE WHEN chunk.is_compressed THEN 1 WHEN chunk.range_to < now() THEN 2 ELSE 3 END AS stage,
        chunk.range_to
    FROM chunk
    WHERE chunk.range_from < now()
),
settled AS (
    SELECT
        staged.relation,
        staged.total_bytes,
        staged.days,
        staged.stage = min(staged.stage) OVER (PARTITION BY staged.relation) AS is_of_the_best_stage,
        row_number() OVER (PARTITION BY staged.relation, staged.stage ORDER BY staged.range_to DESC) AS place
    FROM staged
),
rate AS (
    SELECT settled.relation, sum(settled.total_bytes) / nullif(sum(settled.days), 0) AS bytes_per_day
    FROM settled
    WHERE settled.is_of_the_best_stage AND settled.place <= 7
    GROUP BY settled.relation
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
FROM telemetry.policy
LEFT JOIN chunk USING (relation)
LEFT JOIN rate USING (relation)
GROUP BY policy.relation, policy.drop_after, rate.bytes_per_day;
