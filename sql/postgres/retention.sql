-- Differs by necessity because there are no chunks here: rows go by DELETE or TRUNCATE alone. That they did shows: a rollup
-- of some device is older than the oldest row that is left of any.

CREATE FUNCTION internal.deleted_before(relation_name text)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog
AS $$
DECLARE
    remembered CONSTANT timestamptz := (SELECT dropped_before FROM internal.policy WHERE policy.relation = relation_name);
    device CONSTANT text := split_part(relation_name, '_', 1);
    rollup CONSTANT text := (
        SELECT policy.relation FROM internal.policy WHERE internal.source_relation(policy.relation) = relation_name
    );
    bucket CONSTANT text := CASE WHEN rollup LIKE '%\_daily' THEN 'day' ELSE 'hour' END;
    instant CONSTANT text := CASE WHEN relation_name LIKE '%\_history' THEN 'recorded_at' ELSE 'bucket_start' END;
    oldest timestamptz;
    is_deleted boolean;
BEGIN
    IF rollup IS NULL THEN
        RETURN remembered;
    END IF;
    EXECUTE format(
        $oldest$
        SELECT min(kept.instant)
        FROM internal.live_%1$s_state AS device
        CROSS JOIN LATERAL (
            SELECT source.%3$I AS instant
            FROM internal.%2$I AS source
            WHERE source.%1$s_id = device.%1$s_id
            ORDER BY source.%3$I
            LIMIT 1
        ) AS kept
        $oldest$,
        device, relation_name, instant
    )
    INTO oldest;
    oldest := coalesce(oldest, internal.newest_known(relation_name));
    EXECUTE format(
        $known$
        SELECT EXISTS (
            SELECT
            FROM internal.live_%1$s_state AS device
            CROSS JOIN LATERAL (
                SELECT made.bucket_start, made.first_recorded_at
                FROM internal.%2$I AS made
                WHERE
                    made.%1$s_id = device.%1$s_id
                    AND made.bucket_start >= coalesce(internal.%3$s_ceiling($1), '-infinity')
                ORDER BY made.bucket_start
                LIMIT 1
            ) AS first
            WHERE
                first.first_recorded_at < $2
                -- That a part of the very first bucket is gone may be a correction; a later edge is retention that goes on.
                AND ($1 IS NOT NULL OR first.bucket_start < internal.%3$s_floor($2))
        )
        $known$,
        device, rollup, bucket
    )
    INTO is_deleted
    USING remembered, oldest;
    RETURN CASE WHEN is_deleted THEN oldest ELSE remembered END;
END
$$;

CREATE FUNCTION internal.already_dropped(relation_name text)
RETURNS timestamptz
LANGUAGE sql STABLE
AS $$
    SELECT internal.deleted_before(relation_name)
$$;

-- Differs by necessity because there are no chunks here: the oldest row is found by index, device by device, of relations
-- that drop anything.

CREATE VIEW internal.retention_lag AS
SELECT
    policy.relation,
    policy.drop_after,
    oldest.instant AS oldest_from,
    now() - oldest.instant - policy.drop_after AS overdue_by,
    interval '1 day' AS normal_lag
FROM telemetry.policy
CROSS JOIN LATERAL (
    SELECT
        CASE policy.relation
            WHEN 'meter_telemetry_history' THEN (
                SELECT min(kept.recorded_at)
                FROM telemetry.live_meter_state AS device
                CROSS JOIN LATERAL (
                    SELECT reading.recorded_at
                    FROM telemetry.meter_telemetry_history AS reading
                    WHERE reading.meter_id = device.meter_id
                    ORDER BY reading.recorded_at
                    LIMIT 1
                ) AS kept
            )
            WHEN 'vehicle_telemetry_history' THEN (
                SELECT min(kept.recorded_at)
                FROM telemetry.live_vehicle_state AS device
                CROSS JOIN LATERAL (
                    SELECT reading.recorded_at
                    FROM telemetry.vehicle_telemetry_history AS reading
                    WHERE reading.vehicle_id = device.vehicle_id
                    ORDER BY reading.recorded_at
                    LIMIT 1
                ) AS kept
            )
            WHEN 'meter_hourly' THEN (
                SELECT min(kept.bucket_start)
                FROM telemetry.live_meter_state AS device
                CROSS JOIN LATERAL (
                    SELECT rollup.bucket_start
                    FROM telemetry.meter_hourly AS rollup
                    WHERE rollup.meter_id = device.meter_id
                    ORDER BY rollup.bucket_start
                    LIMIT 1
                ) AS kept
            )
            WHEN 'vehicle_hourly' THEN (
                SELECT min(kept.bucket_start)
                FROM telemetry.live_vehicle_state AS device
                CROSS JOIN LATERAL (
                    SELECT rollup.bucket_start
                    FROM telemetry.vehicle_hourly AS rollup
                    WHERE rollup.vehicle_id = device.vehicle_id
                    ORDER BY rollup.bucket_start
                    LIMIT 1
                ) AS kept
            )
            WHEN 'meter_daily' THEN (
                SELECT min(kept.bucket_start)
                FROM telemetry.live_meter_state AS device
                CROSS JOIN LATERAL (
                    SELECT rollup.bucket_start
                    FROM telemetry.meter_daily AS rollup
                    WHERE rollup.meter_id = device.meter_id
                    ORDER BY rollup.bucket_start
                    LIMIT 1
                ) AS kept
            )
            WHEN 'vehicle_daily' THEN (
                SELECT min(kept.bucket_start)
                FROM telemetry.live_vehicle_state AS device
                CROSS JOIN LATERAL (
                    SELECT rollup.bucket_start
                    FROM telemetry.vehicle_daily AS rollup
                    WHERE rollup.vehicle_id = device.vehicle_id
                    ORDER BY rollup.bucket_start
                    LIMIT 1
                ) AS kept
            )
        END AS instant
) AS oldest
WHERE policy.drop_after IS NOT NULL;
