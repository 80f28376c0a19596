-- Differs by necessity because chunks, the columnstore and background jobs are TimescaleDB's own. A job is replaced only
-- where it differs from its row in telemetry.policy: if_not_exists would keep the old arguments, and replacing an equal
-- job would lose its statistics.

CREATE PROCEDURE api.apply_policies()
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
DECLARE
    wanted record;
    relation regclass;
    kept record;
    looking_back_further text[];
BEGIN
    -- A refresh over what was dropped would erase its rollup.
    FOR wanted IN
        SELECT source.relation, source.drop_after, rollup.relation AS rollup, rollup.refresh_start_offset
        FROM telemetry.policy AS rollup
        JOIN telemetry.policy AS source ON source.relation = api.source_relation(rollup.relation)
        WHERE source.drop_after <= rollup.refresh_start_offset
        ORDER BY source.relation
    LOOP
        RAISE EXCEPTION '% is dropped after %, but the refresh of % looks back %',
            wanted.relation, wanted.drop_after, wanted.rollup, wanted.refresh_start_offset
            USING HINT = 'Make drop_after longer than refresh_start_offset in telemetry.policy.';
    END LOOP;

    FOR wanted IN
        SELECT
            policy.*,
            coalesce(
                (
                    SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)::regclass
                    FROM timescaledb_information.continuous_aggregates
                    WHERE view_schema = 'telemetry' AND view_name = policy.relation
                ),
                format('telemetry.%I', policy.relation)::regclass
            ) AS hypertable
        FROM telemetry.policy
        ORDER BY policy.relation
    LOOP
        relation := format('telemetry.%I', wanted.relation)::regclass;
        PERFORM public.set_chunk_time_interval(wanted.hypertable, wanted.chunk_interval);

        SELECT
            max(config ->> 'drop_after') FILTER (WHERE proc_name = 'policy_retention')::interval AS drop_after,
            max(config ->> 'compress_after') FILTER (WHERE proc_name = 'policy_compression')::interval
                AS columnstore_after,
            max(config ->> 'start_offset') FILTER (WHERE proc_name LIKE 'policy_refresh%')::interval
                AS refresh_start_offset,
            max(config ->> 'end_offset') FILTER (WHERE proc_name LIKE 'policy_refresh%')::interval
                AS refresh_end_offset,
            max(schedule_interval) FILTER (WHERE proc_name LIKE 'policy_refresh%') AS refresh_every
        INTO kept
        FROM timescaledb_information.jobs
        WHERE hypertable_schema = 'telemetry' AND hypertable_name = wanted.relation;

        -- The columnstore job goes first and comes last: it may not start before the refresh job's window ends.
        IF kept.columnstore_after IS DISTINCT FROM wanted.columnstore_after THEN
            CALL public.remove_columnstore_policy(relation, if_exists => true);
        END IF;
        IF (kept.refresh_start_offset, kept.refresh_end_offset, kept.refresh_every)
            IS DISTINCT FROM (wanted.refresh_start_offset, wanted.refresh_end_offset, wanted.refresh_every)
        THEN
            IF kept.refresh_every IS NOT NULL THEN
                PERFORM public.remove_continuous_aggregate_policy(relation, if_exists => true);
            END IF;
            IF wanted.refresh_every IS NOT NULL THEN
                IF wanted.refresh_start_offset > coalesce(kept.refresh_start_offset, interval '0') THEN
                    looking_back_further := looking_back_further || wanted.relation;
                END IF;
                PERFORM public.add_continuous_aggregate_policy(
                    relation,
                    start_offset => wanted.refresh_start_offset,
                    end_offset => wanted.refresh_end_offset,
                    schedule_interval => wanted.refresh_every,
                    -- In batches, releases before 2.29 may leave out the newest bucket.
                    buckets_per_batch => 0
                );
            END IF;
        END IF;
        IF kept.drop_after IS DISTINCT FROM wanted.drop_after THEN
            PERFORM public.remove_retention_policy(relation, if_exists => true);
            -- Once more after the trigger of the table: up to here the old job may have run.
            UPDATE telemetry.policy
            SET dropped_before = seen.dropped_before
            FROM (SELECT api.already_dropped(wanted.relation, kept.drop_after) AS dropped_before) AS seen
            WHERE policy.relation = wanted.relation AND policy.dropped_before IS DISTINCT FROM seen.dropped_before;
            IF wanted.drop_after IS NOT NULL THEN
                PERFORM public.add_retention_policy(relation, drop_after => wanted.drop_after);
            END IF;
        END IF;
        IF kept.columnstore_after IS DISTINCT FROM wanted.columnstore_after AND wanted.columnstore_after IS NOT NULL THEN
            CALL public.add_columnstore_policy(relation, after => wanted.columnstore_after);
        END IF;
    END LOOP;

    -- So would one that looks back further from now on, over what was dropped before.
    FOR wanted IN
        SELECT rollup.relation, rollup.refresh_start_offset, source.relation AS source, source.dropped_before
        FROM telemetry.policy AS rollup
        JOIN telemetry.policy AS source ON source.relation = api.source_relation(rollup.relation)
        WHERE
            rollup.relation = ANY (looking_back_further)
            AND now() - rollup.refresh_start_offset < source.dropped_before
        ORDER BY rollup.relation
    LOOP
        RAISE EXCEPTION 'the refresh of % would look back %, but % was dropped up to %',
            wanted.relation, wanted.refresh_start_offset, wanted.source, wanted.dropped_before
            USING HINT = format('This is safe from %s on.', wanted.dropped_before + wanted.refresh_start_offset);
    END LOOP;
END
$$;

CALL api.apply_policies();
