-- Differs by necessity because refreshing is a background job here. It is a job of our own and not TimescaleDB's refresh
-- policy: that one refreshes whatever changed within its window, and what was dropped counts as changed.
--
-- The procedure is in schema telemetry, because a job ends with its procedure, and schema api is dropped by every migrate.

CREATE OR REPLACE PROCEDURE telemetry.refresh_job(job_id integer, config jsonb)
LANGUAGE plpgsql
AS $$
BEGIN
    CALL api.refresh_rollup(
        config ->> 'relation',
        now() - (config ->> 'start_offset')::interval,
        now() - (config ->> 'end_offset')::interval
    );
END
$$;

COMMENT ON PROCEDURE telemetry.refresh_job(integer, jsonb) IS
'Refreshes the rollup that config names, {"relation", "start_offset", "end_offset"}, as a job (timescale profile). Buckets whose history is gone are left as they are.';
