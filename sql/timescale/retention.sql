-- Differs by necessity because here any job and any call drops whole chunks, and no trigger fires. It shows in two ways: a
-- chunk that the last refresh saw is gone, whatever was inserted since; and a rollup has materialised rows where its source
-- has no chunk. Days may be materialised before their hours are: of
-- hours, what is past the watermark was never there. Chunks end at whole days: a reading stamped at midnight is in the chunk of
-- the day that begins, and in the rollup of the hour that ends.

COMMENT ON TABLE telemetry.policy_chunk IS
'The chunks that the last refresh saw, of the relations that rollups are made of: one that is missing later was dropped (timescale profile).';
COMMENT ON COLUMN telemetry.policy_chunk.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN telemetry.policy_chunk.hypertable IS 'The hypertable that its rows lay in: a rollup may be made anew in another one.';
COMMENT ON COLUMN telemetry.policy_chunk.chunk IS 'Name of the chunk''s table, with its schema.';
COMMENT ON COLUMN telemetry.policy_chunk.range_from IS 'Beginning of the chunk''s range of time.';
COMMENT ON COLUMN telemetry.policy_chunk.range_to IS 'End of the chunk''s range of time, not included.';

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
    gone_from timestamptz[];
    gone_to timestamptz[];
    known_to timestamptz;
BEGIN
    IF rollup IS NULL THEN
        RETURN remembered;
    END IF;
    WITH kept AS MATERIALIZED (
        SELECT chunk.chunk::text AS chunk, chunk.range_from, chunk.range_to
        FROM internal.chunk
        WHERE chunk.relation = relation_name
    ),
    gone AS (
        SELECT
            lag(bounds.range_to, 1, '-infinity') OVER (ORDER BY bounds.range_from) AS range_from,
            least(
                bounds.range_from,
                (
                    SELECT _timescaledb_functions.to_timestamp(
                        _timescaledb_functions.cagg_watermark(aggregate.mat_hypertable_id)
                    )
                    FROM _timescaledb_catalog.continuous_agg AS aggregate
                    WHERE aggregate.user_view_schema = 'telemetry' AND aggregate.user_view_name = relation_name
                )
            ) AS range_to
        FROM (
            SELECT kept.range_from, kept.range_to
            FROM kept
            UNION ALL
            SELECT 'infinity', 'infinity'
        ) AS bounds
        UNION ALL
        SELECT seen.range_from, seen.range_to
        FROM internal.policy_chunk AS seen
        WHERE
            seen.relation = relation_name
            AND seen.hypertable = coalesce(internal.rollup_table(relation_name), 'telemetry.' || relation_name)
            AND NOT EXISTS (SELECT FROM kept WHERE kept.chunk = seen.chunk)
            -- A chunk that was merged into another one that was there before is not gone.
            AND NOT EXISTS (
                SELECT
                FROM kept
                JOIN internal.policy_chunk AS other USING (chunk)
                WHERE kept.range_from <= seen.range_from AND kept.range_to >= seen.range_to
            )
    )
    SELECT array_agg(gone.range_from), array_agg(gone.range_to)
    INTO gone_from, gone_to
    FROM gone
    WHERE gone.range_from < gone.range_to AND gone.range_to > coalesce(remembered, '-infinity');
    EXECUTE format(
        $known$
        SELECT max(least(gone.range_to, newest.bucket_start + %3$L::interval, now()))
        FROM unnest($1, $2) AS gone (range_from, range_to)
        CROSS JOIN LATERAL (
            SELECT bucket_start
            FROM %1$s
            CROSS JOIN LATERAL (VALUES (%2$s(first_recorded_at)), (%2$s(last_recorded_at))) AS known (instant)
            WHERE
                bucket_start > gone.range_from - %3$L::interval
                AND bucket_start < gone.range_to
                AND known.instant >= gone.range_from
                AND known.instant < gone.range_to
            ORDER BY bucket_start DESC
            LIMIT 1
        ) AS newest
        $known$,
        internal.rollup_table(rollup),
        -- In the source of days, a reading is at the bucket_start of its hour.
        CASE WHEN rollup LIKE '%\_daily' THEN 'internal.hour_bucket' ELSE '' END,
        CASE WHEN rollup LIKE '%\_daily' THEN '24 hours' ELSE '1 hour' END
    )
    INTO known_to
    USING gone_from, gone_to;
    RETURN greatest(remembered, known_to);
END
$$;

CREATE PROCEDURE internal.note_chunks()
LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM telemetry.policy_chunk AS seen
    WHERE NOT EXISTS (
        SELECT FROM internal.chunk WHERE chunk.relation = seen.relation AND chunk.chunk::text = seen.chunk
    );
    INSERT INTO telemetry.policy_chunk AS seen (relation, hypertable, chunk, range_from, range_to)
    SELECT
        chunk.relation,
        coalesce(internal.rollup_table(chunk.relation), 'telemetry.' || chunk.relation),
        chunk.chunk::text,
        chunk.range_from,
        chunk.range_to
    FROM internal.chunk
    WHERE chunk.relation NOT LIKE '%\_daily'
    ORDER BY 1, 3
    ON CONFLICT (relation, chunk) DO UPDATE
    SET range_from = excluded.range_from, range_to = excluded.range_to
    WHERE (seen.range_from, seen.range_to) IS DISTINCT FROM (excluded.range_from, excluded.range_to);
END
$$;

COMMENT ON PROCEDURE internal.note_chunks() IS
'Writes down the chunks that there are, for the next refresh to see which are gone (timescale profile).';

CREATE FUNCTION internal.deleted_before(relation_name text)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog
AS $$
DECLARE
    remembered CONSTANT timestamptz := (SELECT dropped_before FROM internal.policy WHERE policy.relation = relation_name);
    oldest timestamptz;
    hours_gone bigint;
    known_to timestamptz;
BEGIN
    EXECUTE format('SELECT recorded_at FROM internal.%I ORDER BY recorded_at LIMIT 1', relation_name) INTO oldest;
    EXECUTE format(
        $known$
        WITH older AS (
            SELECT bucket_start
            FROM %s
            WHERE bucket_start >= $1 AND bucket_start < $3 AND first_recorded_at < $3
        )
        SELECT
            (SELECT count(*) FROM (SELECT FROM older WHERE bucket_start < $2 LIMIT 2) AS two),
            (SELECT bucket_start + interval '1 hour' FROM older ORDER BY bucket_start DESC LIMIT 1)
        $known$,
        internal.rollup_table(replace(relation_name, '_telemetry_history', '_hourly'))
    )
    INTO hours_gone, known_to
    USING
        coalesce(remembered, '-infinity'),
        -- A missing part of the very first hour may be a correction; a later edge is ongoing retention.
        CASE WHEN remembered IS NULL THEN coalesce(internal.hour_bucket(oldest), 'infinity') ELSE coalesce(oldest, 'infinity') END,
        coalesce(oldest, 'infinity');
    RETURN CASE
        WHEN hours_gone >= internal.hours_of_retention(remembered) THEN least(oldest, known_to, now())
        ELSE remembered
    END;
END
$$;

-- Differs by necessity because here chunks are dropped whole, by a job that runs daily: the bounds of the chunks show it.

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
