-- Differs by necessity because here whole chunks are dropped, by any job and by any call, and no trigger hears of it. That
-- it happened shows: where a rollup has materialised rows and the relation it is made of has no chunk, that was dropped.
-- An old reading inserted later makes a chunk in the midst of what was dropped, so the newest such gap counts and not the
-- oldest chunk. Days may be materialised before their hours are: of hours, what is past the watermark was never there.

CREATE FUNCTION internal.already_dropped(relation_name text)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog
AS $$
DECLARE
    remembered CONSTANT timestamptz := (SELECT dropped_before FROM internal.policy WHERE policy.relation = relation_name);
    rollup CONSTANT text := (
        SELECT policy.relation FROM internal.policy WHERE internal.source_relation(policy.relation) = relation_name
    );
    known_to CONSTANT timestamptz := CASE
        WHEN relation_name LIKE '%\_history' THEN internal.newest_known(relation_name)
        ELSE (
            SELECT _timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(aggregate.mat_hypertable_id))
            FROM _timescaledb_catalog.continuous_agg AS aggregate
            WHERE aggregate.user_view_schema = 'telemetry' AND aggregate.user_view_name = relation_name
        )
    END;
    gap record;
    is_dropped boolean;
BEGIN
    IF rollup IS NULL THEN
        RETURN remembered;
    END IF;
    FOR gap IN
        SELECT between_chunks.gap_from, between_chunks.gap_to
        FROM (
            SELECT
                lag(bounds.range_to, 1, '-infinity') OVER (ORDER BY bounds.range_from) AS gap_from,
                least(bounds.range_from, known_to) AS gap_to
            FROM (
                SELECT chunk.range_from, chunk.range_to
                FROM internal.chunk
                WHERE chunk.relation = relation_name
                UNION ALL
                SELECT 'infinity', 'infinity'
            ) AS bounds
        ) AS between_chunks
        WHERE between_chunks.gap_from < between_chunks.gap_to AND between_chunks.gap_to > coalesce(remembered, '-infinity')
        ORDER BY between_chunks.gap_from DESC
    LOOP
        EXECUTE format(
            $known$
            SELECT EXISTS (
                SELECT
                FROM %1$s
                CROSS JOIN LATERAL (VALUES (%2$s(first_recorded_at)), (%2$s(last_recorded_at))) AS known (instant)
                WHERE
                    bucket_start > $1 - %3$L::interval
                    AND bucket_start < $2
                    AND known.instant >= $1
                    AND known.instant < $2
            )
            $known$,
            internal.rollup_table(rollup),
            -- In the source of days, a reading stands at the start of its hour.
            CASE WHEN rollup LIKE '%\_daily' THEN 'internal.hour_floor' ELSE '' END,
            CASE WHEN rollup LIKE '%\_daily' THEN '24 hours' ELSE '1 hour' END
        )
        INTO is_dropped
        USING gap.gap_from, gap.gap_to;
        IF is_dropped THEN
            RETURN gap.gap_to;
        END IF;
    END LOOP;
    RETURN remembered;
END
$$;

CREATE FUNCTION internal.deleted_before(relation_name text)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog
AS $$
DECLARE
    remembered CONSTANT timestamptz := (SELECT dropped_before FROM internal.policy WHERE policy.relation = relation_name);
    oldest timestamptz;
    is_deleted boolean;
BEGIN
    EXECUTE format('SELECT recorded_at FROM internal.%I ORDER BY recorded_at LIMIT 1', relation_name) INTO oldest;
    oldest := coalesce(oldest, internal.newest_known(relation_name));
    EXECUTE format(
        $known$
        SELECT EXISTS (
            SELECT
            FROM internal.%I
            WHERE bucket_start >= $1 AND bucket_start < $2 AND first_recorded_at < $3
        )
        $known$,
        replace(relation_name, '_telemetry_history', '_hourly')
    )
    INTO is_deleted
    USING
        coalesce(internal.hour_ceiling(remembered), '-infinity'),
        -- That a part of the very first hour is gone may be a correction; a later edge is retention that goes on.
        CASE WHEN remembered IS NULL THEN internal.hour_floor(oldest) ELSE oldest END,
        oldest;
    RETURN CASE WHEN is_deleted THEN oldest ELSE remembered END;
END
$$;

-- Differs by necessity because here chunks are dropped whole, by a job that runs daily: the bounds of the chunks tell.

CREATE VIEW internal.retention_lag AS
SELECT
    policy.relation,
    policy.drop_after,
    min(chunk.range_from) AS oldest_from,
    now() - min(chunk.range_from) - policy.drop_after AS overdue_by,
    -- A chunk goes when all of it has expired.
    policy.chunk_interval + interval '1 day' AS normal_lag
FROM telemetry.policy
LEFT JOIN internal.chunk USING (relation)
WHERE policy.drop_after IS NOT NULL
GROUP BY policy.relation, policy.drop_after, policy.chunk_interval;
