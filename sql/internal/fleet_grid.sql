-- What meters drew from the grid, by bucket, meter and vehicle. A feed is a time in which a meter charges one vehicle, or none.
-- Whole hours come from the rollup; partial hours, where the window, a bucket or a feed begins or ends, from the history.
--
-- Written for speed:
-- - plpgsql: TimescaleDB computes the watermark of a continuous aggregate once a statement only where the statement names
--   it. In an inlined function it is computed for every row, 40 times the cost of the sums.
-- - Registers are read only if the window has any.
-- - A meter with one feed is summed before the join with its feed.
-- - work_mem holds the groups of the hash aggregate. The planner misjudges the number of feeds, and would sort every hour
--   for a merge join.
--
-- power_sum_kw_kwh sums energy squared over duration. Divided by the energy it is the mean power weighted by energy: an idle
-- hour does not lower it.

CREATE FUNCTION internal.fleet_grid(window_from timestamptz, window_to timestamptz, bucket text, timezone text)
RETURNS TABLE (
    bucket_from timestamptz,
    meter_id text,
    vehicle_id text,
    readings bigint,
    energy_ac_kwh float8,
    power_sum_kw_kwh float8,
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
    -- Meters that are registers at some time of the window: the rollup has no energy of theirs.
    register_meters CONSTANT text[] := internal.register_devices('meter', window_from, window_to);
    -- Begins of the buckets, sorted for width_bucket: an hour's bucket_start finds its own, an instant less a microsecond too.
    slots CONSTANT timestamptz[] := ARRAY(
        SELECT slot.bucket_from
        FROM internal.buckets(window_from, window_to, bucket, timezone) AS slot
        ORDER BY slot.bucket_from
    );
    -- Hours in which a bucket begins: partial hours.
    cut_hours CONSTANT timestamptz[] := ARRAY(
        SELECT internal.hour_bucket(slot.bucket_from)
        FROM unnest(slots) AS slot (bucket_from)
        WHERE slot.bucket_from <> internal.hour_floor(slot.bucket_from)
    );
    -- Meters with several feeds: their hours are joined with a feed before they are summed.
    shared_meters text[];
    -- Hours of registers that belong to several feeds or buckets.
    apart_meters text[];
    apart_hours timestamptz[];
BEGIN
    shared_meters := ARRAY(
        SELECT part.meter_id
        FROM internal.fleet_feeds(window_from, window_to) AS part
        GROUP BY part.meter_id
        HAVING count(*) > 1
    );
    IF cardinality(register_meters) > 0 THEN
        SELECT array_agg(apart.meter_id), array_agg(apart.bucket_start)
        INTO apart_meters, apart_hours
        FROM (
            SELECT part.meter_id, internal.hour_bucket(edge.instant) AS bucket_start
            FROM internal.fleet_feeds(window_from, window_to) AS part
            CROSS JOIN LATERAL (VALUES (part.feed_from), (part.feed_to)) AS edge (instant)
            WHERE
                part.meter_id = ANY (register_meters)
                AND edge.instant <> internal.hour_floor(edge.instant)
                -- The ends of the window split no hour: only one side of it counts.
                AND edge.instant > window_from
                AND edge.instant < window_to
            UNION
            SELECT register.meter_id, internal.hour_bucket(slot.bucket_from)
            FROM unnest(register_meters) AS register (meter_id)
            CROSS JOIN unnest(slots) AS slot (bucket_from)
            WHERE slot.bucket_from > window_from AND slot.bucket_from <> internal.hour_floor(slot.bucket_from)
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
    ),
    hour AS NOT MATERIALIZED (
        SELECT
            hourly.meter_id,
            hourly.bucket_start,
            hourly.readings,
            CASE WHEN hourly.meter_id <> ALL (register_meters) THEN hourly.energy_ac_sum_kwh END AS energy_ac_kwh
        FROM internal.meter_hourly AS hourly
        WHERE
            hourly.bucket_start > hours_from
            AND hourly.bucket_start <= hours_to
            AND hourly.bucket_start <> ALL (cut_hours)
    )
    SELECT
        slots[piece.slot],
        piece.meter_id,
        piece.vehicle_id,
        sum(piece.readings)::bigint,
        sum(piece.energy_ac_kwh),
        sum(piece.power_sum_kw_kwh),
        bool_or(piece.is_estimated)
    FROM (
        SELECT
            alone.slot,
            alone.meter_id,
            feed.vehicle_id,
            alone.readings,
            alone.energy_ac_kwh,
            alone.power_sum_kw_kwh,
            false AS is_estimated
        FROM (
            SELECT
                width_bucket(hour.bucket_start, slots) AS slot,
                hour.meter_id,
                sum(hour.readings) AS readings,
                sum(hour.energy_ac_kwh) AS energy_ac_kwh,
                sum(hour.energy_ac_kwh * hour.energy_ac_kwh) AS power_sum_kw_kwh
            FROM hour
            WHERE hour.meter_id <> ALL (shared_meters)
            GROUP BY 1, 2
        ) AS alone
        JOIN feed ON feed.meter_id = alone.meter_id
        UNION ALL
        SELECT
            width_bucket(hour.bucket_start, slots),
            feed.meter_id,
            feed.vehicle_id,
            hour.readings,
            hour.energy_ac_kwh,
            hour.energy_ac_kwh * hour.energy_ac_kwh,
            false
        FROM hour
        JOIN feed
            ON feed.meter_id = hour.meter_id
            AND hour.bucket_start > feed.whole_from
            AND hour.bucket_start <= feed.whole_to
        WHERE hour.meter_id = ANY (shared_meters)
        UNION ALL
        SELECT
            slot.number,
            feed.meter_id,
            feed.vehicle_id,
            cut.readings,
            CASE WHEN feed.meter_id <> ALL (register_meters) THEN cut.energy_ac_kwh END,
            CASE
                WHEN feed.meter_id <> ALL (register_meters)
                    THEN cut.energy_ac_kwh ^ 2 / date_part('epoch', edge.cut_to - edge.cut_from) * 3600
            END,
            false
        FROM (
            SELECT part.bucket_from, part.bucket_to, row_number() OVER (ORDER BY part.bucket_from)::integer AS number
            FROM internal.buckets(window_from, window_to, bucket, timezone) AS part
        ) AS slot
        JOIN feed ON feed.feed_from < slot.bucket_to AND feed.feed_to > slot.bucket_from
        CROSS JOIN LATERAL internal.cut_hours(
            greatest(slot.bucket_from, feed.feed_from), least(slot.bucket_to, feed.feed_to)
        ) AS edge
        CROSS JOIN LATERAL (
            SELECT count(*) AS readings, sum(history.energy_ac_kwh) AS energy_ac_kwh
            FROM internal.meter_telemetry_history AS history
            WHERE
                history.meter_id = feed.meter_id
                AND history.recorded_at > edge.cut_from
                AND history.recorded_at <= edge.cut_to
                AND history.recorded_at > window_from
                AND history.recorded_at <= window_to
        ) AS cut
        WHERE cut.readings > 0
        UNION ALL
        SELECT
            width_bucket(counted.instant - interval '1 microsecond', slots),
            feed.meter_id,
            feed.vehicle_id,
            0,
            sum(counted.energy_kwh),
            sum(counted.energy_kwh) ^ 2,
            bool_or(counted.is_estimated)
        FROM internal.register_moments('meter', window_from, window_to, apart_meters, apart_hours) AS counted
        JOIN feed
            ON feed.meter_id = counted.device_id
            AND counted.instant > feed.feed_from
            AND counted.instant <= feed.feed_to
        WHERE cardinality(register_meters) > 0
        GROUP BY 1, 2, 3, internal.hour_bucket(counted.instant)
    ) AS piece
    GROUP BY piece.slot, piece.meter_id, piece.vehicle_id;
END
$$;

COMMENT ON FUNCTION internal.fleet_grid(timestamptz, timestamptz, text, text) IS
'Readings and AC energy (kWh) of every meter in (window_from, window_to], by bucket (hour, day or window) and by the vehicle it fed (null: nobody); power_sum_kw_kwh over energy is the mean power in kW, weighted by energy. Without a reading no row.';
