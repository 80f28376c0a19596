-- Differs by necessity because there are no chunks here: only DELETE and TRUNCATE remove rows. It shows by a rollup of
-- some device that is older than the oldest row left of any.

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
    instant CONSTANT text := CASE WHEN relation_name LIKE '%\_history' THEN 'recorded_at' ELSE 'bucket_start' END;
    oldest timestamptz;
    buckets_gone bigint;
    known_to timestamptz;
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
    EXECUTE format(
        $known$
        SELECT
            (
                SELECT count(*)
                FROM internal.live_%1$s_state AS device
                CROSS JOIN LATERAL (
                    SELECT
                    FROM internal.%2$I AS made
                    WHERE
                        made.%1$s_id = device.%1$s_id
                        AND made.bucket_start >= $1
                        AND made.bucket_start < $2
                        AND made.first_recorded_at < $3
                    LIMIT 2
                ) AS gone
            ),
            (
                SELECT max(newest.bucket_start) + %3$L::interval
                FROM internal.live_%1$s_state AS device
                CROSS JOIN LATERAL (
                    SELECT made.bucket_start
                    FROM internal.%2$I AS made
                    WHERE
                        made.%1$s_id = device.%1$s_id
                        AND made.bucket_start >= $1
                        AND made.bucket_start < $3
                        AND made.first_recorded_at < $3
                    ORDER BY made.bucket_start DESC
                    LIMIT 1
                ) AS newest
            )
        $known$,
        device, rollup, CASE WHEN rollup LIKE '%\_daily' THEN '24 hours' ELSE '1 hour' END
    )
    INTO buckets_gone, known_to
    USING
        coalesce(remembered, '-infinity'),
        -- A missing part of the very first bucket may be a correction; a later edge is ongoing retention.
        CASE
            WHEN remembered IS NOT NULL OR oldest IS NULL THEN coalesce(oldest, 'infinity')
            WHEN rollup LIKE '%\_daily' THEN internal.day_bucket(oldest)
            ELSE internal.hour_bucket(oldest)
        END,
        coalesce(oldest, 'infinity');
    RETURN CASE
        WHEN buckets_gone >= internal.hours_of_retention(remembered) THEN least(oldest, known_to, now())
        ELSE remembered
    END;
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
