-- How late readings come, from a sample: a few devices by index, never a scan. Readings of a file that was imported are
-- left out where its days are known; they say nothing of how late devices report.

CREATE FUNCTION internal.lateness()
RETURNS TABLE (
    relation text,
    readings bigint,
    late_readings bigint,
    late_p50 interval,
    late_p90 interval,
    late_p99 interval
)
LANGUAGE sql STABLE
-- With so many parts, compiling takes longer than running.
SET jit = off
AS $$
    WITH bounds AS (
        SELECT 20 AS devices, now() - interval '31 days' AS sample_from, interval '1 hour' AS late_after
    ),
    meter AS (
        SELECT live.meter_id
        FROM internal.live_meter_state AS live
        ORDER BY md5(live.meter_id)
        LIMIT (SELECT devices FROM bounds)
    ),
    vehicle AS (
        SELECT live.vehicle_id
        FROM internal.live_vehicle_state AS live
        ORDER BY md5(live.vehicle_id)
        LIMIT (SELECT devices FROM bounds)
    ),
    sampled AS (
        SELECT 'meter_telemetry_history' AS relation, history.recorded_at, history.received_at
        FROM meter
        JOIN internal.meter_telemetry_history AS history USING (meter_id)
        WHERE history.recorded_at >= (SELECT sample_from FROM bounds)
        UNION ALL
        SELECT 'vehicle_telemetry_history', history.recorded_at, history.received_at
        FROM vehicle
        JOIN internal.vehicle_telemetry_history AS history USING (vehicle_id)
        WHERE history.recorded_at >= (SELECT sample_from FROM bounds)
    ),
    aged AS (
        SELECT
            sampled.relation,
            sampled.received_at - sampled.recorded_at AS lateness,
            sampled.received_at - sampled.recorded_at > bounds.late_after AS is_late
        FROM sampled
        CROSS JOIN bounds
        WHERE
            NOT EXISTS (
                SELECT
                FROM internal.import_progress AS import
                WHERE sampled.received_at BETWEEN import.started_at AND import.finished_at
            )
    )
    SELECT
        aged.relation,
        count(*),
        count(*) FILTER (WHERE aged.is_late),
        percentile_disc(0.5) WITHIN GROUP (ORDER BY aged.lateness) FILTER (WHERE aged.is_late),
        percentile_disc(0.9) WITHIN GROUP (ORDER BY aged.lateness) FILTER (WHERE aged.is_late),
        percentile_disc(0.99) WITHIN GROUP (ORDER BY aged.lateness) FILTER (WHERE aged.is_late)
    FROM aged
    GROUP BY aged.relation
    ORDER BY aged.relation
$$;

COMMENT ON FUNCTION internal.lateness() IS
'How late the late readings of the last 31 days came (more than an hour after they were taken), from the readings of 20 devices of each kind: half, 9 of 10 and 99 of 100 of them came within so much. Normal: few, and within the columnstore_after of their history. Else set columnstore_after to no less than late_p90: an INSERT into the columnstore works, but costs many times more.';
