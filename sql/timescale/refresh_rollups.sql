-- Differs by necessity because here the rollups are continuous aggregates: readings at or after the watermark are read
-- from the history, earlier ones show after a refresh. A refresh over what is gone would erase its rollup, whoever dropped
-- it, so a bucket is refreshed only where all of it is kept; and a refresh ends where the policy's does, so that readings
-- still coming in order stay visible at once. No search_path is set on the procedures: a refresh runs outside a
-- transaction, and a procedure with settings of its own cannot.

CREATE PROCEDURE api.refresh_rollup(relation_name text, range_from timestamptz, range_to timestamptz)
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
BEGIN
    CALL api.remember_dropped();
    COMMIT;
    SELECT
        policy.relation LIKE '%\_daily' AS is_daily,
        now() - coalesce(policy.refresh_end_offset, interval '1 hour') AS refresh_end,
        greatest(
            api.history_horizon(api.source_relation(policy.relation)),
            api.history_horizon(policy.relation)
        ) AS kept_from
    INTO STRICT rollup
    FROM telemetry.policy
    WHERE policy.relation = relation_name;
    IF rollup.is_daily THEN
        refresh_from := greatest(api.day_floor(asked_from), api.day_ceiling(rollup.kept_from));
        refresh_to := least(api.day_ceiling(asked_to), api.day_floor(rollup.refresh_end));
    ELSE
        refresh_from := greatest(api.hour_floor(asked_from), api.hour_ceiling(rollup.kept_from));
        refresh_to := least(api.hour_ceiling(asked_to), api.hour_floor(rollup.refresh_end));
    END IF;
    IF refresh_from < refresh_to THEN
        CALL public.refresh_continuous_aggregate(
            format('telemetry.%I', relation_name)::regclass, refresh_from, refresh_to, options => in_one_batch
        );
    END IF;
END
$$;

COMMENT ON PROCEDURE api.refresh_rollup(text, timestamptz, timestamptz) IS
'Completes one rollup (by its name in schema telemetry) as api.refresh_rollups() completes all (timescale profile).';

CREATE PROCEDURE api.refresh_rollups(range_from timestamptz, range_to timestamptz)
LANGUAGE plpgsql
AS $$
DECLARE
    rollup text;
BEGIN
    -- The days come after the hours they are made of.
    FOREACH rollup IN ARRAY ARRAY['meter_hourly', 'vehicle_hourly', 'meter_daily', 'vehicle_daily'] LOOP
        CALL api.refresh_rollup(rollup, range_from, range_to);
    END LOOP;
END
$$;
