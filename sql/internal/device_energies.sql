-- The energies of a fleet, or of some devices, by bucket, device and counterpart: of meters (AC) by the vehicle they fed, of vehicles
-- (DC) by the meter that fed them. A stretch is a time in which a device has one counterpart, or none; the stretches of a device
-- make up the window. Whole hours come from the rollup;
-- partial hours, where the window, a bucket or a stretch begins or ends, from the history, or by their share of the rollup
-- where that is gone.
--
-- Written for speed:
-- - plpgsql: registers, buckets and stretches are arrays that the planner knows.
-- - Registers are read only if the window has any.
-- - A device with one stretch is summed before the join with its stretch.
-- - work_mem holds the groups of the hash aggregate. The planner misjudges the number of stretches, and would sort every hour
--   for a merge join.
--
-- power_sum_kw_kwh sums energy squared over duration. Divided by the energy it is the mean power weighted by energy: an idle
-- hour does not lower it.

CREATE TYPE internal.device_stretch AS (
    device_id text,
    counterpart_id text,
    stretch_from timestamptz,
    stretch_to timestamptz
);

COMMENT ON TYPE internal.device_stretch IS
'A time of a meter or vehicle with one counterpart: the vehicle it fed, or the meter that fed it; null: none.';

CREATE FUNCTION internal.device_energies(
    kind_of_device text,
    window_from timestamptz,
    window_to timestamptz,
    bucket text,
    timezone text,
    only_devices text[] DEFAULT NULL
)
RETURNS TABLE (
    bucket_from timestamptz,
    device_id text,
    counterpart_id text,
    readings float8,
    energy_kwh float8,
    power_sum_kw_kwh float8,
    measured_sum float8,
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
    -- Hours before it are known from their rollups alone.
    kept_from CONSTANT timestamptz := internal.kept_from(kind_of_device);
    -- Devices that are registers at some time of the window: the rollup has no energy of theirs.
    registers CONSTANT text[] := internal.registers_among(kind_of_device, window_from, window_to, only_devices);
    -- Begins of the buckets, sorted for width_bucket: an hour's bucket_start finds its own, an instant less a microsecond too.
    slots CONSTANT timestamptz[] := ARRAY(
        SELECT slot.bucket_from
        FROM internal.buckets(window_from, window_to, bucket, timezone) AS slot
        ORDER BY slot.bucket_from
    );
    -- Hours in which a bucket begins, which is partial hours; the window's own ends are ends of stretches too.
    cut_hours CONSTANT timestamptz[] := ARRAY(
        SELECT internal.hour_bucket(slot.bucket_from)
        FROM unnest(slots) AS slot (bucket_from)
        WHERE slot.bucket_from > window_from AND slot.bucket_from <> internal.hour_floor(slot.bucket_from)
    );
    stretches internal.device_stretch[];
    -- Devices with several stretches: their hours are joined with one before they are summed.
    shared text[];
    -- Hours of registers that belong to several stretches or buckets.
    apart_devices text[] := '{}';
    apart_hours timestamptz[] := '{}';
BEGIN
    IF only_devices IS NOT NULL THEN
        stretches := ARRAY(
            SELECT (one.device_id, part.counterpart_id, part.part_from, part.part_to)::internal.device_stretch
            FROM unnest(only_devices) AS one (device_id)
            CROSS JOIN LATERAL (
                SELECT drawn.vehicle_id, drawn.part_from, drawn.part_to
                FROM internal.meter_parts(one.device_id, window_from, window_to) AS drawn
                WHERE kind_of_device = 'meter'
                UNION ALL
                SELECT charged.meter_id, charged.part_from, charged.part_to
                FROM internal.vehicle_parts(one.device_id, window_from, window_to) AS charged
                WHERE kind_of_device = 'vehicle'
            ) AS part (counterpart_id, part_from, part_to)
        );
    ELSIF kind_of_device = 'meter' THEN
        stretches := ARRAY(
            SELECT (feed.meter_id, feed.vehicle_id, feed.feed_from, feed.feed_to)::internal.device_stretch
            FROM internal.fleet_feeds(window_from, window_to) AS feed
        );
    ELSE
        stretches := ARRAY(
            SELECT (part.vehicle_id, part.meter_id, part.part_from, part.part_to)::internal.device_stretch
            FROM internal.fleet_parts(window_from, window_to) AS part
        );
    END IF;
    shared := ARRAY(
        SELECT part.device_id
        FROM unnest(stretches) AS part
        GROUP BY part.device_id
        HAVING count(*) > 1
    );
    IF cardinality(registers) > 0 THEN
        SELECT array_agg(apart.device_id), array_agg(apart.bucket_start)
        INTO apart_devices, apart_hours
        FROM (
            SELECT part.device_id, internal.hour_bucket(edge.instant) AS bucket_start
            FROM unnest(stretches) AS part
            CROSS JOIN LATERAL (VALUES (part.stretch_from), (part.stretch_to)) AS edge (instant)
            WHERE
                part.device_id = ANY (registers)
                AND edge.instant <> internal.hour_floor(edge.instant)
                -- The ends of the window split no hour: only one side of it counts.
                AND edge.instant > window_from
                AND edge.instant < window_to
            UNION
            SELECT register.device_id, internal.hour_bucket(slot.bucket_from)
            FROM unnest(registers) AS register (device_id)
            CROSS JOIN unnest(slots) AS slot (bucket_from)
            WHERE slot.bucket_from > window_from AND slot.bucket_from <> internal.hour_floor(slot.bucket_from)
        ) AS apart;
    END IF;
    RETURN QUERY
    WITH stretch AS MATERIALIZED (
        SELECT
            part.device_id,
            part.counterpart_id,
            part.stretch_from,
            part.stretch_to,
            edge.whole_from,
            edge.whole_to,
            edge.whole_from <> part.stretch_from OR edge.whole_to <> part.stretch_to AS has_cut
        FROM unnest(stretches) AS part
        CROSS JOIN LATERAL (
            SELECT internal.hour_ceiling(part.stretch_from), internal.hour_floor(part.stretch_to)
        ) AS edge (whole_from, whole_to)
    ),
    hour AS NOT MATERIALIZED (
        SELECT
            hourly.device_id,
            hourly.bucket_start,
            hourly.readings,
            CASE WHEN hourly.device_id <> ALL (registers) THEN hourly.energy_sum_kwh END AS energy_kwh,
            hourly.measured_sum
        FROM internal.device_hourly AS hourly
        WHERE
            hourly.device_type = kind_of_device
            AND (only_devices IS NULL OR hourly.device_id = ANY (only_devices))
            AND hourly.bucket_start > hours_from
            AND hourly.bucket_start <= hours_to
            AND hourly.bucket_start <> ALL (cut_hours)
    ),
    register AS MATERIALIZED (
        SELECT piece.*
        -- Of all registers at once, or of each.
        FROM unnest(CASE WHEN only_devices IS NULL THEN ARRAY[NULL] ELSE registers END) AS one (device_id)
        CROSS JOIN LATERAL internal.energy_pieces(
            kind_of_device, window_from, window_to, one.device_id, apart_devices, apart_hours
        ) AS piece
        WHERE cardinality(registers) > 0
    ),
    cut AS NOT MATERIALIZED (
        -- Where buckets begin with whole hours, those at the ends of stretches; each lies in one bucket.
        SELECT
            width_bucket(edge.cut_from, slots) AS number,
            stretch.device_id,
            stretch.counterpart_id,
            edge.cut_from,
            edge.cut_to
        FROM stretch
        CROSS JOIN LATERAL internal.cut_hours(stretch.stretch_from, stretch.stretch_to) AS edge
        WHERE cardinality(cut_hours) = 0 AND stretch.has_cut
        UNION ALL
        SELECT slot.number, stretch.device_id, stretch.counterpart_id, edge.cut_from, edge.cut_to
        FROM (
            SELECT part.bucket_from, part.bucket_to, row_number() OVER (ORDER BY part.bucket_from)::integer AS number
            FROM internal.buckets(window_from, window_to, bucket, timezone) AS part
        ) AS slot
        JOIN stretch ON stretch.stretch_from < slot.bucket_to AND stretch.stretch_to > slot.bucket_from
        CROSS JOIN LATERAL internal.cut_hours(
            greatest(slot.bucket_from, stretch.stretch_from), least(slot.bucket_to, stretch.stretch_to)
        ) AS edge
        WHERE cardinality(cut_hours) > 0
    )
    SELECT
        slots[piece.slot],
        piece.device_id,
        piece.counterpart_id,
        sum(piece.readings),
        sum(piece.energy_kwh),
        sum(piece.power_sum_kw_kwh),
        sum(piece.measured_sum),
        bool_or(piece.is_estimated)
    FROM (
        SELECT
            alone.slot,
            alone.device_id,
            stretch.counterpart_id,
            alone.readings,
            alone.energy_kwh,
            alone.power_sum_kw_kwh,
            alone.measured_sum,
            false AS is_estimated
        FROM (
            SELECT
                width_bucket(hour.bucket_start, slots) AS slot,
                hour.device_id,
                sum(hour.readings)::float8 AS readings,
                sum(hour.energy_kwh) AS energy_kwh,
                sum(hour.energy_kwh * hour.energy_kwh) AS power_sum_kw_kwh,
                sum(hour.measured_sum) AS measured_sum
            FROM hour
            WHERE hour.device_id <> ALL (shared)
            GROUP BY 1, 2
        ) AS alone
        JOIN stretch ON stretch.device_id = alone.device_id
        UNION ALL
        SELECT
            width_bucket(hour.bucket_start, slots),
            stretch.device_id,
            stretch.counterpart_id,
            hour.readings::float8,
            hour.energy_kwh,
            hour.energy_kwh * hour.energy_kwh,
            hour.measured_sum,
            false
        FROM hour
        JOIN stretch
            ON stretch.device_id = hour.device_id
            AND hour.bucket_start > stretch.whole_from
            AND hour.bucket_start <= stretch.whole_to
        WHERE hour.device_id = ANY (shared)
        UNION ALL
        SELECT
            cut.number,
            cut.device_id,
            cut.counterpart_id,
            part.readings,
            CASE WHEN cut.device_id <> ALL (registers) THEN part.energy_kwh END,
            CASE
                WHEN cut.device_id <> ALL (registers)
                    THEN part.energy_kwh ^ 2 / date_part('epoch', cut.cut_to - cut.cut_from) * 3600
            END,
            part.measured_sum,
            false
        FROM cut
        CROSS JOIN LATERAL (
            SELECT
                count(*)::float8 AS readings,
                sum(history.energy_kwh) AS energy_kwh,
                sum(history.measured) AS measured_sum
            FROM internal.device_reading AS history
            WHERE
                history.device_type = kind_of_device
                AND history.device_id = cut.device_id
                AND history.recorded_at > cut.cut_from
                AND history.recorded_at <= cut.cut_to
                AND history.recorded_at > greatest(window_from, kept_from)
                AND history.recorded_at <= window_to
        ) AS part
        WHERE part.readings > 0
        UNION ALL
        SELECT
            cut.number,
            cut.device_id,
            cut.counterpart_id,
            hourly.readings * share.of_hour,
            CASE WHEN cut.device_id <> ALL (registers) THEN hourly.energy_sum_kwh * share.of_hour END,
            CASE WHEN cut.device_id <> ALL (registers) THEN hourly.energy_sum_kwh ^ 2 * share.of_hour END,
            hourly.measured_sum * share.of_hour,
            true
        FROM cut
        JOIN internal.device_hourly AS hourly
            ON hourly.device_id = cut.device_id
            AND hourly.bucket_start = internal.hour_bucket(cut.cut_to)
        CROSS JOIN LATERAL (SELECT date_part('epoch', cut.cut_to - cut.cut_from) / 3600) AS share (of_hour)
        WHERE
            kept_from > window_from
            AND hourly.device_type = kind_of_device
            AND (only_devices IS NULL OR hourly.device_id = ANY (only_devices))
            AND hourly.bucket_start > internal.hour_floor(window_from)
            AND hourly.bucket_start < least(kept_from, window_to)
        UNION ALL
        SELECT
            width_bucket(register.bucket_start, slots),
            register.device_id,
            stretch.counterpart_id,
            0,
            register.energy_kwh,
            register.energy_kwh ^ 2,
            NULL,
            register.is_estimated
        FROM register
        JOIN stretch
            ON stretch.device_id = register.device_id
            AND stretch.whole_from < register.bucket_start
            AND stretch.whole_to > register.bucket_start
        WHERE register.source = 'rollup' AND register.bucket_start > kept_from
        UNION ALL
        -- What is left of an hour for a stretch and a bucket, in several pieces.
        SELECT
            counted.slot,
            counted.device_id,
            counted.counterpart_id,
            0,
            sum(counted.energy_kwh),
            sum(counted.energy_kwh) ^ 2,
            NULL,
            bool_or(counted.is_estimated)
        FROM (
            SELECT
                width_bucket(register.piece_to - interval '1 microsecond', slots) AS slot,
                register.device_id,
                stretch.counterpart_id,
                register.bucket_start,
                register.energy_kwh,
                register.is_estimated
            FROM register
            JOIN stretch
                ON stretch.device_id = register.device_id
                AND stretch.stretch_from < register.piece_to
                AND stretch.stretch_to >= register.piece_to
            WHERE register.source = 'history'
            UNION ALL
            -- Only a rollup whose history is gone reaches into several stretches or buckets.
            SELECT
                slot.number,
                stretch.device_id,
                stretch.counterpart_id,
                register.bucket_start,
                register.energy_kwh * share.of_piece,
                register.is_estimated OR share.of_piece < 1
            FROM register
            JOIN stretch
                ON stretch.device_id = register.device_id
                AND stretch.stretch_from < register.piece_to
                AND stretch.stretch_to > register.piece_from
            CROSS JOIN LATERAL generate_series(
                width_bucket(greatest(register.piece_from, stretch.stretch_from), slots),
                width_bucket(least(register.piece_to, stretch.stretch_to) - interval '1 microsecond', slots)
            ) AS slot (number)
            CROSS JOIN LATERAL (
                SELECT
                    date_part(
                        'epoch',
                        least(register.piece_to, stretch.stretch_to, coalesce(slots[slot.number + 1], window_to))
                        - greatest(register.piece_from, stretch.stretch_from, slots[slot.number])
                    )
                    / date_part('epoch', register.piece_to - register.piece_from)
            ) AS share (of_piece)
            WHERE register.bucket_start < kept_from
        ) AS counted
        GROUP BY counted.slot, counted.device_id, counted.counterpart_id, counted.bucket_start
    ) AS piece
    GROUP BY piece.slot, piece.device_id, piece.counterpart_id;
END
$$;

COMMENT ON FUNCTION internal.device_energies(text, timestamptz, timestamptz, text, text, text[]) IS
'Readings and energy (kWh) of every meter (AC) or vehicle (DC; kind_of_device), or of the ones named, in (window_from, window_to], by bucket (of internal.buckets) and by the vehicle it fed, or the meter that fed it (null: none); power_sum_kw_kwh over energy is the mean power in kW, weighted by energy; measured_sum over readings is the mean voltage (V) of a meter, the mean battery temperature (degrees C) of a vehicle. Without a reading no row.';
