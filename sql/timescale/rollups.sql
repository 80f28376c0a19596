-- Differs by necessity because here the rollups are continuous aggregates: what is before the watermark shows after a
-- refresh, what is after it is read from the history. A refresh over dropped history would erase the rollup, so only buckets
-- whose history is complete are refreshed. It ends where the policy's refresh does, so that readings in order stay visible
-- at once. Buckets begin a microsecond after their hour, and so do the bounds of a refresh. No search_path is set on the
-- procedures: a refresh runs outside a transaction.

CREATE PROCEDURE internal.refresh_rollup(relation_name text, range_from timestamptz, range_to timestamptz)
LANGUAGE plpgsql
AS $$
DECLARE
    -- What begins before all time or has no end: bins are counted from a finite instant.
    asked_from CONSTANT timestamptz := greatest(range_from, now() - interval '36500 days');
    asked_to CONSTANT timestamptz := least(range_to, now() + interval '1 day');
    rollup record;
    refresh_from timestamptz;
    refresh_to timestamptz;
    -- In batches, releases before 2.29 may leave out the newest bucket.
    in_one_batch CONSTANT jsonb := '{"buckets_per_batch": 0}';
    kind_of_device CONSTANT text := split_part(relation_name, '_', 1);
    -- Rows of telemetry.stale_hour that this refresh settles, and their hours, as runs without a gap.
    stale_ids bigint[];
    runs tstzrange[];
    run tstzrange;
BEGIN
    CALL internal.remember_dropped();
    CALL internal.note_chunks();
    COMMIT;
    SELECT
        policy.relation LIKE '%\_daily' AS is_daily,
        now() - coalesce(policy.refresh_end_offset, interval '1 hour') AS refresh_end,
        greatest(
            internal.history_horizon(internal.source_relation(policy.relation)),
            internal.history_horizon(policy.relation)
        ) AS kept_from
    INTO STRICT rollup
    FROM telemetry.policy
    WHERE policy.relation = relation_name;
    IF rollup.is_daily THEN
        refresh_from := greatest(internal.day_floor(asked_from), internal.day_kept_from(rollup.kept_from));
        refresh_to := least(internal.day_ceiling(asked_to), internal.day_floor(rollup.refresh_end));
    ELSE
        refresh_from := greatest(internal.hour_floor(asked_from), internal.hour_kept_from(rollup.kept_from));
        refresh_to := least(internal.hour_ceiling(asked_to), internal.hour_floor(rollup.refresh_end));
    END IF;
    IF NOT rollup.is_daily THEN
        SELECT array_agg(stale.id) INTO stale_ids
        FROM telemetry.stale_hour AS stale
        WHERE
            stale.device_type = kind_of_device
            AND (
                stale.bucket_start BETWEEN refresh_from AND refresh_to
                -- Where the history is gone, nothing will ever settle it.
                OR stale.bucket_start < internal.hour_kept_from(rollup.kept_from)
            );
        -- Rows that came by COPY leave no invalidation (all releases up to 2.29.2), so these hours are refreshed by force.
        runs := ARRAY(
            SELECT unnest(range_agg(tstzrange(stale.bucket_start, stale.bucket_start + interval '1 hour')))
            FROM telemetry.stale_hour AS stale
            WHERE stale.id = ANY (stale_ids) AND stale.bucket_start >= refresh_from
        );
        COMMIT;
        FOREACH run IN ARRAY runs LOOP
            CALL public.refresh_continuous_aggregate(
                format('telemetry.%I', relation_name)::regclass,
                lower(run),
                upper(run),
                force => true,
                options => in_one_batch
            );
        END LOOP;
    END IF;
    IF refresh_from < refresh_to THEN
        CALL public.refresh_continuous_aggregate(
            format('telemetry.%I', relation_name)::regclass,
            refresh_from + interval '1 microsecond',
            refresh_to + interval '1 microsecond',
            options => in_one_batch
        );
    END IF;
    DELETE FROM telemetry.stale_hour AS stale WHERE stale.id = ANY (stale_ids);
    COMMIT;
END
$$;

COMMENT ON PROCEDURE internal.refresh_rollup(text, timestamptz, timestamptz) IS
'Completes one rollup (by its name in schema telemetry) as api.refresh_rollups() completes all (timescale profile).';

CREATE PROCEDURE api.refresh_rollups(range_from timestamptz, range_to timestamptz)
LANGUAGE plpgsql
AS $$
DECLARE
    rollup text;
BEGIN
    -- The days come after the hours they are made of.
    FOREACH rollup IN ARRAY ARRAY['meter_hourly', 'vehicle_hourly', 'meter_daily', 'vehicle_daily'] LOOP
        CALL internal.refresh_rollup(rollup, range_from, range_to);
    END LOOP;
    CALL internal.settle_changed_history(range_from, range_to);
END
$$;

-- Differs by necessity because here a reading that came late shows in its rollup only after a refresh.

CREATE PROCEDURE internal.complete_rollups(range_from timestamptz, range_to timestamptz)
LANGUAGE plpgsql
AS $$
BEGIN
    -- Only the owner may refresh. For other roles the jobs do it: the refresh job within a minute, the upkeep job within an
    -- hour for readings later than the refresh job looks back.
    IF NOT pg_has_role((SELECT relowner FROM pg_class WHERE oid = 'telemetry.meter_hourly'::regclass), 'USAGE') THEN
        RETURN;
    END IF;
    CALL api.refresh_rollups(range_from, range_to);
END
$$;

-- Differs by necessity because chunks and the columnstore are TimescaleDB's own. A long load calls it after each day:
-- the day's rollups, once; then its chunks, where they are old enough. A chunk that was there already and got more
-- readings is compressed anew. No search_path is set on the procedure: one with settings of its own cannot commit.

CREATE PROCEDURE api.complete_load(range_from timestamptz, range_to timestamptz)
LANGUAGE plpgsql
AS $$
DECLARE
    loaded regclass;
BEGIN
    CALL internal.complete_rollups(range_from, range_to);
    -- As for rollups, only the owner may do it; for other roles the job does.
    IF NOT pg_has_role((SELECT relowner FROM pg_class WHERE oid = 'telemetry.meter_hourly'::regclass), 'USAGE') THEN
        RETURN;
    END IF;
    FOR loaded IN
        SELECT format('%I.%I', chunk.chunk_schema, chunk.chunk_name)::regclass
        FROM timescaledb_information.chunks AS chunk
        JOIN telemetry.policy ON policy.relation = chunk.hypertable_name
        WHERE
            chunk.hypertable_schema = 'telemetry'
            AND policy.relation LIKE '%\_history'
            AND chunk.range_end > range_from
            AND chunk.range_end <= internal.day_ceiling(least(range_to, now()))
            -- No chunk, where the policy is null: never.
            AND chunk.range_end <= now() - policy.columnstore_after
        ORDER BY chunk.range_end
    LOOP
        PERFORM public.compress_chunk(loaded, if_not_compressed => true);
        COMMIT;
    END LOOP;
END
$$;

-- Differs by necessity because a continuous aggregate shows its rows before its watermark only, and a refresh moves that only
-- if it changes a row. So a row without readings is added before the first bucket; the refresh removes it and moves the
-- watermark behind the last row. No search_path is set on the procedure: a refresh runs outside a transaction.

CREATE PROCEDURE internal.open_rollups()
LANGUAGE plpgsql
AS $$
DECLARE
    rollup text;
    rows_of_rollup text;
    bucket interval;
    first_bucket timestamptz;
    watermark timestamptz;
BEGIN
    FOREACH rollup IN ARRAY ARRAY['meter_hourly', 'meter_daily', 'vehicle_hourly', 'vehicle_daily'] LOOP
        rows_of_rollup := internal.rollup_table(rollup);
        bucket := CASE WHEN rollup LIKE '%\_daily' THEN interval '24 hours' ELSE interval '1 hour' END;
        SELECT _timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(aggregate.mat_hypertable_id))
        INTO watermark
        FROM _timescaledb_catalog.continuous_agg AS aggregate
        WHERE aggregate.user_view_schema = 'telemetry' AND aggregate.user_view_name = rollup;
        EXECUTE format('SELECT min(bucket_start) FROM %s HAVING max(bucket_start) >= $1', rows_of_rollup)
        INTO first_bucket
        USING watermark;
        CONTINUE WHEN first_bucket IS NULL;
        EXECUTE format(
            'INSERT INTO %1$s
            SELECT (jsonb_populate_record(kept, jsonb_build_object(''bucket_start'', $1))).*
            FROM %1$s AS kept WHERE kept.bucket_start = $2 LIMIT 1',
            rows_of_rollup
        ) USING first_bucket - bucket, first_bucket;
        COMMIT;
        CALL public.refresh_continuous_aggregate(
            format('telemetry.%I', rollup)::regclass, first_bucket - 2 * bucket, first_bucket, force => true
        );
    END LOOP;
END
$$;

-- Differs by necessity because here a rollup is a view; its rows lie in a hypertable of TimescaleDB's.

CREATE FUNCTION internal.rollup_table(relation_name text)
RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT format('%I.%I', rollup.materialization_hypertable_schema, rollup.materialization_hypertable_name)
    FROM timescaledb_information.continuous_aggregates AS rollup
    WHERE rollup.view_schema = 'telemetry' AND rollup.view_name = relation_name
$$;

-- Differs by necessity because a continuous aggregate is refreshed later. TimescaleDB logs what to refresh twice: as changes
-- of the source, and as ranges of the rollup. The second log also lists time that never had data: before the first row, and
-- between days that were loaded apart. So a range counts where it lies within a chunk of the source, and for each chunk that
-- it covers. Ranges are widened to whole buckets, as a refresh does.
--
-- The logs name readings and buckets, all after the whole hour they belong to: less a microsecond, they go by whole hours. A
-- reading at the first instant of a chunk belongs to the hour before.

CREATE VIEW api.refresh_lag AS
WITH rollup AS (
    SELECT
        policy.relation,
        policy.refresh_end_offset,
        policy.refresh_every,
        aggregate.mat_hypertable_id AS rollup_id,
        aggregate.raw_hypertable_id AS source_id,
        internal.source_relation(policy.relation) AS source,
        -- The range without an end begins where the last refresh ended; before the first refresh, it has no beginning either.
        _timescaledb_functions.to_timestamp(nullif(
            (
                SELECT min(log.lowest_modified_value)
                FROM _timescaledb_catalog.continuous_aggs_materialization_invalidation_log AS log
                WHERE
                    log.materialization_id = aggregate.mat_hypertable_id
                    AND log.greatest_modified_value = 9223372036854775807
            ),
            -9223372036854775808
        )) - interval '1 microsecond' AS refreshed_to
    FROM telemetry.policy
    JOIN _timescaledb_catalog.continuous_agg AS aggregate
        ON aggregate.user_view_schema = 'telemetry' AND aggregate.user_view_name = policy.relation
),
source_chunk AS (
    SELECT
        rollup.relation,
        chunk.range_start,
        chunk.range_start - CASE WHEN rollup.source LIKE '%\_history' THEN interval '1 hour' ELSE interval '0' END AS hours_from,
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
            _timescaledb_functions.to_timestamp(logged.lowest) - interval '1 microsecond',
            -- A bucket with dropped history is not refreshed.
            CASE WHEN rollup.relation LIKE '%\_daily' THEN internal.day_kept_from(internal.history_horizon(rollup.source))
                ELSE internal.hour_kept_from(internal.history_horizon(rollup.source)) END
        ) AS pending_from,
        least(
            _timescaledb_functions.to_timestamp(least(logged.greatest, 9223371331200000000 - 1)),
            rollup.refreshed_to
        ) AS pending_to
    FROM rollup
    JOIN logged USING (relation)
    WHERE rollup.refreshed_to IS NOT NULL
),
changed AS (
    SELECT
        pending.relation,
        CASE
            WHEN pending.pending_from < source_chunk.hours_from THEN source_chunk.range_start
            ELSE pending.pending_from
        END AS pending_from,
        least(pending.pending_to, source_chunk.range_end) AS pending_to
    FROM pending
    JOIN source_chunk
        ON
            source_chunk.relation = pending.relation
            AND pending.pending_from < pending.pending_to
            AND (
                (pending.pending_from >= source_chunk.hours_from AND pending.pending_to <= source_chunk.range_end)
                OR (pending.pending_from <= source_chunk.range_start AND pending.pending_to >= source_chunk.range_end)
            )
),
widened AS (
    SELECT
        changed.relation,
        tstzrange(
            CASE WHEN changed.relation LIKE '%\_daily' THEN internal.day_floor(changed.pending_from)
                ELSE internal.hour_floor(changed.pending_from) END,
            CASE WHEN changed.relation LIKE '%\_daily' THEN internal.day_ceiling(changed.pending_to)
                ELSE internal.hour_ceiling(changed.pending_to) END
        ) AS buckets
    FROM changed
),
waiting AS (
    SELECT widened.relation, count(DISTINCT widened.buckets) AS ranges, range_agg(widened.buckets) AS buckets
    FROM widened
    GROUP BY widened.relation
)
SELECT
    rollup.relation,
    rollup.refreshed_to AS materialised_before,
    now() - rollup.refreshed_to AS lag,
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
-- Differs by necessity because COMMENT ON names the kind of relation: here the rollup is a view.

COMMENT ON VIEW telemetry.meter_hourly IS
'Hourly rollup of meter_telemetry_history: only what can be added up again; averages and ratios are computed in schema api.';
COMMENT ON VIEW telemetry.vehicle_hourly IS
'Hourly rollup of vehicle_telemetry_history: only what can be added up again; averages and ratios are computed in schema api.';
COMMENT ON VIEW telemetry.meter_daily IS
'Daily rollup (UTC) of meter_hourly, for years of trend: only what can be added up again; it stays when the hours it was made of are dropped.';
COMMENT ON VIEW telemetry.vehicle_daily IS
'Daily rollup (UTC) of vehicle_hourly, for years of trend: only what can be added up again; it stays when the hours it was made of are dropped.';
