-- The grid's side of the fleet, by bucket, meter and vehicle fed. Whole hours come from the rollup and belong to the
-- stretch that holds them; hours that the window, a bucket or an assignment cuts come from the history, device by device.
--
-- power_sum is the sum of energy squared over duration: divided by the energy it is the mean power, weighted by energy,
-- of the hours; idle hours do not lower it, an hour half used counts as half the power.

CREATE FUNCTION api.fleet_grid(window_from timestamptz, window_to timestamptz, bucket text, timezone text)
RETURNS TABLE (
    bucket_from timestamptz,
    meter_id text,
    vehicle_id text,
    readings bigint,
    energy_ac_kwh float8,
    power_sum_kw_kwh float8,
    is_estimated boolean
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10000
AS $$
    WITH slot AS MATERIALIZED (
        SELECT part.bucket_from, part.bucket_to
        FROM api.buckets(window_from, window_to, bucket, timezone) AS part
    ),
    slot_hour AS MATERIALIZED (
        SELECT whole.bucket_start, slot.bucket_from
        FROM slot
        CROSS JOIN LATERAL api.whole_hours(slot.bucket_from, slot.bucket_to) AS whole
    ),
    feed AS MATERIALIZED (
        SELECT
            part.meter_id,
            part.vehicle_id,
            part.feed_from,
            part.feed_to,
            api.hour_ceiling(part.feed_from) AS whole_from,
            api.hour_floor(part.feed_to) AS whole_to
        FROM api.fleet_feeds(window_from, window_to) AS part
    )
    SELECT
        piece.bucket_from,
        piece.meter_id,
        piece.vehicle_id,
        sum(piece.readings)::bigint,
        sum(piece.energy_ac_kwh),
        sum(piece.energy_ac_kwh * piece.energy_ac_kwh / piece.duration_h),
        bool_or(piece.is_estimated)
    FROM (
        SELECT
            slot_hour.bucket_from,
            feed.meter_id,
            feed.vehicle_id,
            hourly.readings,
            hourly.energy_ac_kwh,
            1 AS duration_h,
            hourly.is_estimated
        FROM api.meter_hours(window_from, window_to) AS hourly
        JOIN slot_hour ON slot_hour.bucket_start = hourly.bucket_start
        JOIN feed
            ON feed.meter_id = hourly.meter_id
            AND hourly.bucket_start >= feed.whole_from
            AND hourly.bucket_start < feed.whole_to
        UNION ALL
        SELECT
            slot.bucket_from,
            feed.meter_id,
            feed.vehicle_id,
            cut.readings,
            cut.energy_ac_kwh,
            date_part('epoch', edge.cut_to - edge.cut_from) / 3600,
            cut.is_estimated
        FROM slot
        JOIN feed ON feed.feed_from < slot.bucket_to AND feed.feed_to > slot.bucket_from
        CROSS JOIN LATERAL api.cut_hours(
            greatest(slot.bucket_from, feed.feed_from), least(slot.bucket_to, feed.feed_to)
        ) AS edge
        CROSS JOIN LATERAL api.meter_cut(
            feed.meter_id, edge.cut_from, edge.cut_to, window_from, window_to
        ) AS cut
        WHERE cut.readings > 0
    ) AS piece
    GROUP BY piece.bucket_from, piece.meter_id, piece.vehicle_id
$$;

COMMENT ON FUNCTION api.fleet_grid(timestamptz, timestamptz, text, text) IS
'Readings and AC energy (kWh) of every meter in [window_from, window_to), by bucket (hour, day or window) and by the vehicle it fed (null: nobody); power_sum_kw_kwh over energy is the mean power in kW, weighted by energy. Without a reading no row.';
