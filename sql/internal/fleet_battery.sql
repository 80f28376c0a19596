-- The battery's side of the fleet, by bucket and vehicle, as internal.fleet_grid has the grid's and in plpgsql for its reasons.

CREATE FUNCTION internal.fleet_battery(window_from timestamptz, window_to timestamptz, bucket text, timezone text)
RETURNS TABLE (
    bucket_from timestamptz,
    vehicle_id text,
    readings bigint,
    energy_dc_kwh float8,
    is_estimated boolean
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10000
SET search_path = pg_catalog
SET plan_cache_mode = force_custom_plan
SET jit = off
SET work_mem = '32MB'
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    hours_from CONSTANT timestamptz := internal.hour_ceiling(window_from);
    hours_to CONSTANT timestamptz := internal.hour_bucket(internal.hour_floor(window_to));
    register_vehicles CONSTANT text[] := internal.register_devices('vehicle', window_from, window_to);
    -- Where the buckets begin; that of an hour is found in it by bisection, that of an instant a microsecond before it. Hours in
    -- which one begins are read apart.
    slots CONSTANT timestamptz[] := ARRAY(
        SELECT slot.bucket_from
        FROM internal.buckets(window_from, window_to, bucket, timezone) AS slot
        ORDER BY slot.bucket_from
    );
    cut_hours CONSTANT timestamptz[] := ARRAY(
        SELECT internal.hour_bucket(slot.bucket_from)
        FROM unnest(slots) AS slot (bucket_from)
        WHERE slot.bucket_from <> internal.hour_floor(slot.bucket_from)
    );
    apart_vehicles text[];
    apart_hours timestamptz[];
BEGIN
    SELECT array_agg(register.vehicle_id), array_agg(internal.hour_bucket(slot.bucket_from))
    INTO apart_vehicles, apart_hours
    FROM unnest(register_vehicles) AS register (vehicle_id)
    CROSS JOIN unnest(slots) AS slot (bucket_from)
    -- A cut by the window does not split the part within it.
    WHERE slot.bucket_from > window_from AND slot.bucket_from <> internal.hour_floor(slot.bucket_from);
    RETURN QUERY
    SELECT
        slots[piece.slot],
        piece.vehicle_id,
        sum(piece.readings)::bigint,
        sum(piece.energy_dc_kwh),
        bool_or(piece.is_estimated)
    FROM (
        SELECT
            width_bucket(hourly.bucket_start, slots) AS slot,
            hourly.vehicle_id,
            hourly.readings,
            CASE
                WHEN hourly.vehicle_id <> ALL (register_vehicles) THEN hourly.energy_dc_sum_kwh
            END AS energy_dc_kwh,
            false AS is_estimated
        FROM internal.vehicle_hourly AS hourly
        WHERE
            hourly.bucket_start > hours_from
            AND hourly.bucket_start <= hours_to
            AND hourly.bucket_start <> ALL (cut_hours)
        UNION ALL
        SELECT
            slot.number,
            live.vehicle_id,
            cut.readings,
            CASE WHEN live.vehicle_id <> ALL (register_vehicles) THEN cut.energy_dc_kwh END,
            false
        FROM (
            SELECT part.bucket_from, part.bucket_to, row_number() OVER (ORDER BY part.bucket_from)::integer AS number
            FROM internal.buckets(window_from, window_to, bucket, timezone) AS part
        ) AS slot
        CROSS JOIN LATERAL internal.cut_hours(slot.bucket_from, slot.bucket_to) AS edge
        CROSS JOIN internal.live_vehicle_state AS live
        CROSS JOIN LATERAL (
            SELECT count(*) AS readings, sum(history.energy_dc_kwh) AS energy_dc_kwh
            FROM internal.vehicle_telemetry_history AS history
            WHERE
                history.vehicle_id = live.vehicle_id
                AND history.recorded_at > edge.cut_from
                AND history.recorded_at <= edge.cut_to
                AND history.recorded_at > window_from
                AND history.recorded_at <= window_to
        ) AS cut
        WHERE cut.readings > 0
        UNION ALL
        SELECT
            width_bucket(counted.instant - interval '1 microsecond', slots),
            counted.device_id,
            0,
            counted.energy_kwh,
            counted.is_estimated
        FROM internal.register_moments('vehicle', window_from, window_to, apart_vehicles, apart_hours) AS counted
        WHERE cardinality(register_vehicles) > 0
    ) AS piece
    GROUP BY piece.slot, piece.vehicle_id;
END
$$;

COMMENT ON FUNCTION internal.fleet_battery(timestamptz, timestamptz, text, text) IS
'Readings and DC energy (kWh) of every vehicle in (window_from, window_to], by bucket (hour, day or window). Without a reading no row.';

-- What arrived in vehicles while a meter fed them, by bucket, meter and vehicle: the other side of a meter's ratio, as
-- internal.fleet_grid has the first, and in plpgsql for its reasons.

CREATE FUNCTION internal.fleet_fed_battery(window_from timestamptz, window_to timestamptz, bucket text, timezone text)
RETURNS TABLE (
    bucket_from timestamptz,
    meter_id text,
    vehicle_id text,
    readings bigint,
    energy_dc_kwh float8
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10000
SET search_path = pg_catalog
SET plan_cache_mode = force_custom_plan
SET jit = off
SET work_mem = '32MB'
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    hours_from CONSTANT timestamptz := internal.hour_ceiling(window_from);
    hours_to CONSTANT timestamptz := internal.hour_bucket(internal.hour_floor(window_to));
    register_vehicles CONSTANT text[] := internal.register_devices('vehicle', window_from, window_to);
    -- Where the buckets begin; that of an hour is found in it by bisection, that of an instant a microsecond before it. Hours in
    -- which one begins are read apart.
    slots CONSTANT timestamptz[] := ARRAY(
        SELECT slot.bucket_from
        FROM internal.buckets(window_from, window_to, bucket, timezone) AS slot
        ORDER BY slot.bucket_from
    );
    cut_hours CONSTANT timestamptz[] := ARRAY(
        SELECT internal.hour_bucket(slot.bucket_from)
        FROM unnest(slots) AS slot (bucket_from)
        WHERE slot.bucket_from <> internal.hour_floor(slot.bucket_from)
    );
    apart_vehicles text[];
    apart_hours timestamptz[];
BEGIN
    IF cardinality(register_vehicles) > 0 THEN
        SELECT array_agg(apart.vehicle_id), array_agg(apart.bucket_start)
        INTO apart_vehicles, apart_hours
        FROM (
            SELECT part.vehicle_id, internal.hour_bucket(edge.instant) AS bucket_start
            FROM internal.fleet_feeds(window_from, window_to) AS part
            CROSS JOIN LATERAL (VALUES (part.feed_from), (part.feed_to)) AS edge (instant)
            WHERE part.vehicle_id = ANY (register_vehicles) AND edge.instant <> internal.hour_floor(edge.instant)
            UNION
            SELECT register.vehicle_id, cut.bucket_start
            FROM unnest(register_vehicles) AS register (vehicle_id)
            CROSS JOIN unnest(cut_hours) AS cut (bucket_start)
        ) AS apart;
    END IF;
    RETURN QUERY
    WITH feed AS MATERIALIZED (
        SELECT
            part.meter_id,
            part.vehicle_id,
            part.feed_from,
            part.feed_to,
            internal.hour_ceiling(part.feed_from) AS whole_from,
            internal.hour_floor(part.feed_to) AS whole_to
        FROM internal.fleet_feeds(window_from, window_to) AS part
        WHERE part.vehicle_id IS NOT NULL
    )
    SELECT
        slots[piece.slot],
        piece.meter_id,
        piece.vehicle_id,
        sum(piece.readings)::bigint,
        sum(piece.energy_dc_kwh)
    FROM (
        SELECT
            width_bucket(hourly.bucket_start, slots) AS slot,
            feed.meter_id,
            feed.vehicle_id,
            hourly.readings,
            CASE
                WHEN hourly.vehicle_id <> ALL (register_vehicles) THEN hourly.energy_dc_sum_kwh
            END AS energy_dc_kwh
        FROM internal.vehicle_hourly AS hourly
        JOIN feed
            ON feed.vehicle_id = hourly.vehicle_id
            AND hourly.bucket_start > feed.whole_from
            AND hourly.bucket_start <= feed.whole_to
        WHERE
            hourly.bucket_start > hours_from
            AND hourly.bucket_start <= hours_to
            AND hourly.bucket_start <> ALL (cut_hours)
        UNION ALL
        SELECT
            slot.number,
            feed.meter_id,
            feed.vehicle_id,
            cut.readings,
            CASE WHEN feed.vehicle_id <> ALL (register_vehicles) THEN cut.energy_dc_kwh END
        FROM (
            SELECT part.bucket_from, part.bucket_to, row_number() OVER (ORDER BY part.bucket_from)::integer AS number
            FROM internal.buckets(window_from, window_to, bucket, timezone) AS part
        ) AS slot
        JOIN feed ON feed.feed_from < slot.bucket_to AND feed.feed_to > slot.bucket_from
        CROSS JOIN LATERAL internal.cut_hours(
            greatest(slot.bucket_from, feed.feed_from), least(slot.bucket_to, feed.feed_to)
        ) AS edge
        CROSS JOIN LATERAL (
            SELECT count(*) AS readings, sum(history.energy_dc_kwh) AS energy_dc_kwh
            FROM internal.vehicle_telemetry_history AS history
            WHERE
                history.vehicle_id = feed.vehicle_id
                AND history.recorded_at > edge.cut_from
                AND history.recorded_at <= edge.cut_to
                AND history.recorded_at > window_from
                AND history.recorded_at <= window_to
        ) AS cut
        WHERE cut.readings > 0
        UNION ALL
        SELECT width_bucket(counted.instant - interval '1 microsecond', slots), feed.meter_id, feed.vehicle_id, 0, counted.energy_kwh
        FROM internal.register_moments('vehicle', window_from, window_to, apart_vehicles, apart_hours) AS counted
        JOIN feed
            ON feed.vehicle_id = counted.device_id
            AND counted.instant > feed.feed_from
            AND counted.instant <= feed.feed_to
        WHERE cardinality(register_vehicles) > 0
    ) AS piece
    GROUP BY piece.slot, piece.meter_id, piece.vehicle_id;
END
$$;

COMMENT ON FUNCTION internal.fleet_fed_battery(timestamptz, timestamptz, text, text) IS
'Readings and DC energy (kWh) of vehicles while a meter fed them, in (window_from, window_to], by bucket (hour, day or window), meter and vehicle. Without a reading no row.';
