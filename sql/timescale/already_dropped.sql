-- Differs by necessity because here a job drops chunks, and no trigger hears of it. That it did shows: where there are
-- rollups and no chunk of what they were made of, that was dropped. An old reading inserted by hand makes a chunk in the
-- midst of what was dropped, so the newest such gap counts and not the oldest chunk.

CREATE FUNCTION api.already_dropped(relation_name text, kept_for interval)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog
AS $$
DECLARE
    remembered CONSTANT timestamptz := (SELECT dropped_before FROM api.policy WHERE policy.relation = relation_name);
    -- What is younger no job has dropped: there a gap is somebody's change of the history, which a refresh is to show.
    expired_before CONSTANT timestamptz := api.expired_before(kept_for);
    rollup CONSTANT text := (
        SELECT policy.relation FROM api.policy WHERE api.source_relation(policy.relation) = relation_name
    );
    gap record;
    is_dropped boolean;
BEGIN
    IF expired_before IS NULL OR rollup IS NULL THEN
        RETURN remembered;
    END IF;
    FOR gap IN
        SELECT between_chunks.gap_from, least(between_chunks.gap_to, expired_before) AS gap_to
        FROM (
            SELECT
                lag(bounds.range_end, 1, '-infinity') OVER (ORDER BY bounds.range_start) AS gap_from,
                bounds.range_start AS gap_to
            FROM (
                SELECT chunk.range_start, chunk.range_end
                FROM timescaledb_information.chunks AS chunk
                LEFT JOIN timescaledb_information.continuous_aggregates AS aggregate
                    ON aggregate.materialization_hypertable_schema = chunk.hypertable_schema
                    AND aggregate.materialization_hypertable_name = chunk.hypertable_name
                WHERE
                    coalesce(aggregate.view_schema, chunk.hypertable_schema) = 'telemetry'
                    AND coalesce(aggregate.view_name, chunk.hypertable_name) = relation_name
                UNION ALL
                SELECT 'infinity', 'infinity'
            ) AS bounds
        ) AS between_chunks
        WHERE between_chunks.gap_from < least(between_chunks.gap_to, expired_before)
        ORDER BY between_chunks.gap_from DESC
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM api.%I WHERE bucket_start >= $1 AND bucket_start < $2)', rollup)
        INTO is_dropped
        USING gap.gap_from, gap.gap_to;
        IF is_dropped THEN
            RETURN greatest(remembered, gap.gap_to);
        END IF;
    END LOOP;
    RETURN remembered;
END
$$;
