-- Differs by necessity because here the rollups are continuous aggregates: readings at or after the watermark are read
-- from the history, earlier ones show after a refresh. A refresh over dropped history would erase its rollup, so the
-- range begins no earlier than the history is kept; and it ends where the refresh policy's does, so that readings still
-- coming in order stay visible at once. No search_path is set on the procedure: a refresh runs outside a transaction,
-- and a procedure with settings of its own cannot.

CREATE PROCEDURE api.refresh_rollups(range_from timestamptz, range_to timestamptz)
LANGUAGE plpgsql
AS $$
DECLARE
    rollup record;
    refresh_from timestamptz;
    refresh_to timestamptz;
    -- In batches, releases before 2.29 may leave out the newest bucket.
    in_one_batch CONSTANT jsonb := '{"buckets_per_batch": 0}';
BEGIN
    FOR rollup IN
        SELECT
            relation,
            refresh_end_offset,
            api.history_horizon(replace(relation, '_hourly', '_telemetry_history')) AS history_from
        FROM telemetry.policy
        WHERE relation IN ('meter_hourly', 'vehicle_hourly')
        ORDER BY relation
    LOOP
        refresh_from := greatest(api.hour_floor(range_from), api.hour_ceiling(rollup.history_from));
        refresh_to := least(api.hour_ceiling(range_to), api.hour_floor(now() - rollup.refresh_end_offset));
        IF refresh_from < refresh_to THEN
            CALL public.refresh_continuous_aggregate(
                format('telemetry.%I', rollup.relation)::regclass, refresh_from, refresh_to, options => in_one_batch
            );
        END IF;
    END LOOP;
END
$$;
