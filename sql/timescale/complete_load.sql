-- Differs by necessity because chunks and the columnstore are TimescaleDB's own. What a long load calls after each day:
-- the day's rollups, once; then its chunks, where they are old enough. A chunk that was there already and got more
-- readings is compressed anew. No search_path is set on the procedure: one with settings of its own cannot commit.

CREATE PROCEDURE api.complete_load(range_from timestamptz, range_to timestamptz)
LANGUAGE plpgsql
AS $$
DECLARE
    loaded regclass;
BEGIN
    CALL api.complete_rollups(range_from, range_to);
    -- As for rollups, the owner alone may do it; for anybody else the job does.
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
            AND chunk.range_end <= api.day_ceiling(least(range_to, now()))
            -- No chunk, where the policy is null: never.
            AND chunk.range_end <= now() - policy.columnstore_after
        ORDER BY chunk.range_end
    LOOP
        PERFORM public.compress_chunk(loaded, if_not_compressed => true);
        COMMIT;
    END LOOP;
END
$$;
