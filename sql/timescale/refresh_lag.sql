-- Differs by necessity because a continuous aggregate is refreshed after the fact. What it has still to hear of stands in
-- two logs: of the source (what changed since a refresh looked last) and of the rollup (what a refresh has not reached).
-- Of a range that begins before the source does, whole chunks of the source count: a first chunk begins before its first
-- row, and what lies between is no backlog. There is always one such range, from -infinity on.

CREATE VIEW api.refresh_lag AS
WITH rollup AS (
    SELECT
        policy.relation,
        policy.refresh_end_offset,
        policy.refresh_every,
        aggregate.mat_hypertable_id AS rollup_id,
        aggregate.raw_hypertable_id AS source_id,
        api.source_relation(policy.relation) AS source,
        -- The last range of the rollup's log has no end: there the refresh has not been yet. Before the first refresh, it
        -- has no beginning either.
        nullif(
            (
                SELECT min(log.lowest_modified_value)
                FROM _timescaledb_catalog.continuous_aggs_materialization_invalidation_log AS log
                WHERE
                    log.materialization_id = aggregate.mat_hypertable_id
                    AND log.greatest_modified_value = 9223372036854775807
            ),
            -9223372036854775808
        ) AS refreshed_to
    FROM telemetry.policy
    JOIN _timescaledb_catalog.continuous_agg AS aggregate
        ON aggregate.user_view_schema = 'telemetry' AND aggregate.user_view_name = policy.relation
),
source_chunk AS (
    SELECT
        rollup.relation,
        chunk.range_start,
        chunk.range_end
    FROM rollup
    JOIN _timescaledb_catalog.hypertable AS hypertable ON hypertable.id = rollup.source_id
    JOIN timescaledb_information.chunks AS chunk
        ON chunk.hypertable_schema = hypertable.schema_name AND chunk.hypertable_name = hypertable.table_name
),
logged AS (
    SELECT rollup.relation, log.lowest_modified_value AS lowest, log.greatest_modified_value AS greatest
    FROM rollup
    JOIN _timescaledb_catalog.continuous_aggs_materialization_invalidation_log AS log
        ON log.materialization_id = rollup.rollup_id
    UNION ALL
    SELECT rollup.relation, log.lowest_modified_value, log.greatest_modified_value
    FROM rollup
    JOIN _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log AS log
        ON log.hypertable_id = rollup.source_id
),
source_start AS (
    SELECT source_chunk.relation, min(source_chunk.range_start) AS starts_at
    FROM source_chunk
    GROUP BY source_chunk.relation
),
pending AS (
    SELECT
        rollup.relation,
        greatest(
            _timescaledb_functions.to_timestamp(logged.lowest),
            source_start.starts_at,
            api.history_horizon(rollup.source)
        ) AS pending_from,
        least(
            CASE
                WHEN _timescaledb_functions.to_timestamp(logged.lowest) >= source_start.starts_at
                    THEN _timescaledb_functions.to_timestamp(least(logged.greatest, 9223371331200000000 - 1) + 1)
                ELSE coalesce(
                    (
                        SELECT max(range_end)
                        FROM source_chunk
                        WHERE
                            source_chunk.relation = rollup.relation
                            AND range_end <= _timescaledb_functions.to_timestamp(logged.greatest)
                    ),
                    '-infinity'
                )
            END,
            _timescaledb_functions.to_timestamp(rollup.refreshed_to)
        ) AS pending_to
    FROM rollup
    JOIN logged USING (relation)
    JOIN source_start USING (relation)
    WHERE rollup.refreshed_to IS NOT NULL
)
SELECT
    rollup.relation,
    _timescaledb_functions.to_timestamp(rollup.refreshed_to) AS materialised_before,
    now() - _timescaledb_functions.to_timestamp(rollup.refreshed_to) AS lag,
    rollup.refresh_end_offset
    + CASE WHEN rollup.relation LIKE '%\_daily' THEN interval '24 hours' ELSE interval '1 hour' END
    + 2 * rollup.refresh_every AS normal_lag,
    coalesce(backlog.ranges, 0) AS backlog_ranges,
    backlog.backlog_from,
    backlog.backlog_to,
    coalesce(backlog.hours, 0) AS backlog_h
FROM rollup
LEFT JOIN (
    SELECT
        pending.relation,
        count(*) AS ranges,
        min(pending.pending_from) AS backlog_from,
        max(pending.pending_to) AS backlog_to,
        sum(extract(epoch FROM pending.pending_to - pending.pending_from) / 3600)::float8 AS hours
    FROM pending
    WHERE pending.pending_from < pending.pending_to
    GROUP BY pending.relation
) AS backlog USING (relation);
