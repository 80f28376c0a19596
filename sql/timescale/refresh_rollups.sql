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
BEGIN
    FOR rollup IN
        SELECT hourly.relation, history.drop_after, hourly.refresh_end_offset
        FROM telemetry.policy AS hourly
        JOIN telemetry.policy AS history
            ON history.relation = replace(hourly.relation, '_hourly', '_telemetry_history')
        WHERE hourly.relation IN ('meter_hourly', 'vehicle_hourly')
        ORDER BY hourly.relation
    LOOP
        refresh_from := greatest(api.hour_floor(range_from), api.hour_ceiling(now() - rollup.drop_after));
        refresh_to := least(api.hour_ceiling(range_to), api.hour_floor(now() - rollup.refresh_end_offset));
        IF refresh_from < refresh_to THEN
            CALL public.refresh_continuous_aggregate(
                format('telemetry.%I', rollup.relation)::regclass, refresh_from, refresh_to
            );
        END IF;
    END LOOP;
END
$$;
