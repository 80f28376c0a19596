-- Differs by necessity because here the rollups are continuous aggregates: readings at or after the watermark are read
-- from the history, earlier ones show after a refresh. A refresh over what was dropped would erase its rollup, so the
-- range begins no earlier than the source and the rollup itself are kept; and it ends where the refresh policy's does, so
-- that readings still coming in order stay visible at once. The days come after the hours they are made of. No search_path
-- is set on the procedure: a refresh runs outside a transaction, and a procedure with settings of its own cannot.

CREATE PROCEDURE api.refresh_rollups(range_from timestamptz, range_to timestamptz)
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
    FOR rollup IN
        SELECT
            relation,
            relation IN ('meter_daily', 'vehicle_daily') AS is_daily,
            now() - refresh_end_offset AS refresh_end,
            greatest(
                api.history_horizon(api.source_relation(relation)),
                api.history_horizon(relation)
            ) AS kept_from
        FROM telemetry.policy
        WHERE relation IN ('meter_hourly', 'vehicle_hourly', 'meter_daily', 'vehicle_daily')
        ORDER BY is_daily, relation
    LOOP
        IF rollup.is_daily THEN
            refresh_from := greatest(api.day_floor(asked_from), api.day_ceiling(rollup.kept_from));
            refresh_to := least(api.day_ceiling(asked_to), api.day_floor(rollup.refresh_end));
        ELSE
            refresh_from := greatest(api.hour_floor(asked_from), api.hour_ceiling(rollup.kept_from));
            refresh_to := least(api.hour_ceiling(asked_to), api.hour_floor(rollup.refresh_end));
        END IF;
        IF refresh_from < refresh_to THEN
            CALL public.refresh_continuous_aggregate(
                format('telemetry.%I', rollup.relation)::regclass, refresh_from, refresh_to, options => in_one_batch
            );
        END IF;
    END LOOP;
END
$$;
