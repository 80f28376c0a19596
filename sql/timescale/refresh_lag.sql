-- Differs by necessity because a continuous aggregate is refreshed after the fact. What it has still to hear of stands in
-- two logs: of the source (what changed since a refresh looked last) and of the rollup (what a refresh has not reached).
-- In the second, ranges that were refreshed never and ranges that changed look alike. What changed lies within a chunk of
-- the source; of a range that crosses chunks, those count which it covers whole: the rest is mostly time before the first
-- row, or between days that were loaded apart. A refresh goes by whole buckets, so they are what counts: the log of a late
-- reading is an instant.

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
pending AS (
    SELECT
        rollup.relation,
        greatest(
            _timescaledb_functions.to_timestamp(logged.lowest),
            -- A bucket that the horizon cuts is refreshed no more.
            CASE WHEN rollup.relation LIKE '%\_daily' THEN api.day_ceiling(api.history_horizon(rollup.source))
                ELSE api.hour_ceiling(api.history_horizon(rollup.source)) END
        ) AS pending_from,
        least(
            _timescaledb_functions.to_timestamp(least(logged.greatest, 9223371331200000000 - 1) + 1),
            _timescaledb_functions.to_timestamp(rollup.refreshed_to)
        ) AS pending_to
    FROM rollup
    JOIN logged USING (relation)
    WHERE rollup.refreshed_to IS NOT NULL
),
changed AS (
    SELECT
        pending.relation,
        greatest(pending.pending_from, source_chunk.range_start) AS pending_from,
        least(pending.pending_to, source_chunk.range_end) AS pending_to
    FROM pending
    JOIN source_chunk
        ON
            source_chunk.relation = pending.relation
            AND pending.pending_from < pending.pending_to
            AND (
                (pending.pending_from >= source_chunk.range_start AND pending.pending_to <= source_chunk.range_end)
                OR (pending.pending_from <= source_chunk.range_start AND pending.pending_to >= source_chunk.range_end)
            )
),
widened AS (
    SELECT
        changed.relation,
        tstzrange(
            CASE WHEN changed.relation LIKE '%\_daily' THEN api.day_floor(changed.pending_from)
                ELSE api.hour_floor(changed.pending_from) END,
            CASE WHEN changed.relation LIKE '%\_daily' THEN api.day_ceiling(changed.pending_to)
                ELSE api.hour_ceiling(changed.pending_to) END
        ) AS buckets
    FROM changed
),
waiting AS (
    SELECT widened.relation, count(*) AS ranges, range_agg(widened.buckets) AS buckets
    FROM widened
    GROUP BY widened.relation
)
SELECT
    rollup.relation,
    _timescaledb_functions.to_timestamp(rollup.refreshed_to) AS materialised_before,
    now() - _timescaledb_functions.to_timestamp(rollup.refreshed_to) AS lag,
    rollup.refresh_end_offset
    + CASE WHEN rollup.relation LIKE '%\_daily' THEN interval '24 hours' ELSE interval '1 hour' END
    + 2 * rollup.refresh_every AS normal_lag,
    coalesce(waiting.ranges, 0) AS backlog_ranges,
    lower(waiting.buckets) AS backlog_from,
    upper(waiting.buckets) AS backlog_to,
    coalesce(
        (
            SELECT sum(extract(epoch FROM upper(bucket) - lower(bucket)) / 3600)
            FROM unnest(waiting.buckets) AS bucket
        ),
        0
    )::float8 AS backlog_h
FROM rollup
LEFT JOIN waiting USING (relation);
