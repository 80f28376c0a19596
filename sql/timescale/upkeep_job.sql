-- Differs by necessity because only the owner of a continuous aggregate may refresh it, outside a transaction, where no
-- function can lend its owner's rights: where the service connects as a role that only writes, its call of api.upkeep()
-- returns at once, and this job, which runs as the owner, does the work. On the postgres profile functions lend them.
--
-- The procedure is in schema telemetry, because a job ends with its procedure, and schema api is dropped by every migrate.

CREATE OR REPLACE PROCEDURE telemetry.upkeep_job(job_id integer, config jsonb)
LANGUAGE plpgsql
AS $$
BEGIN
    CALL api.upkeep();
END
$$;

COMMENT ON PROCEDURE telemetry.upkeep_job(integer, jsonb) IS
'api.upkeep() as an hourly job, which runs with the owner''s rights whoever the service connects as (timescale profile).';

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM timescaledb_information.jobs WHERE proc_schema = 'telemetry' AND proc_name = 'upkeep_job'
    ) THEN
        PERFORM public.add_job('telemetry.upkeep_job', interval '1 hour');
    END IF;
END
$$;
