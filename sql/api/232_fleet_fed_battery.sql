-- What arrived in vehicles while a meter fed them, by bucket, meter and vehicle: the other side of a meter's ratio, as
-- api.fleet_grid has the first.

CREATE FUNCTION api.fleet_fed_battery(window_from timestamptz, window_to timestamptz, bucket text, timezone text)
RETURNS TABLE (
    bucket_from timestamptz,
    meter_id text,
    vehicle_id text,
    readings bigint,
    energy_dc_kwh float8
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
        WHERE part.vehicle_id IS NOT NULL
    )
    SELECT
        piece.bucket_from,
        piece.meter_id,
        piece.vehicle_id,
        sum(piece.readings)::bigint,
        sum(piece.energy_dc_kwh)
    FROM (
        SELECT slot_hour.bucket_from, feed.meter_id, feed.vehicle_id, hourly.readings, hourly.energy_dc_kwh
        FROM api.vehicle_hours(window_from, window_to) AS hourly
        JOIN slot_hour ON slot_hour.bucket_start = hourly.bucket_start
        JOIN feed
            ON feed.vehicle_id = hourly.vehicle_id
            AND hourly.bucket_start >= feed.whole_from
            AND hourly.bucket_start < feed.whole_to
        UNION ALL
        SELECT slot.bucket_from, feed.meter_id, feed.vehicle_id, cut.readings, cut.energy_dc_kwh
        FROM slot
        JOIN feed ON feed.feed_from < slot.bucket_to AND feed.feed_to > slot.bucket_from
        CROSS JOIN LATERAL api.cut_hours(
            greatest(slot.bucket_from, feed.feed_from), least(slot.bucket_to, feed.feed_to)
        ) AS edge
        CROSS JOIN LATERAL api.vehicle_cut(
            feed.vehicle_id, edge.cut_from, edge.cut_to, window_from, window_to
        ) AS cut
        WHERE cut.readings > 0
    ) AS piece
    GROUP BY piece.bucket_from, piece.meter_id, piece.vehicle_id
$$;

COMMENT ON FUNCTION api.fleet_fed_battery(timestamptz, timestamptz, text, text) IS
'Readings and DC energy (kWh) of vehicles while a meter fed them, in [window_from, window_to), by bucket (hour, day or window), meter and vehicle. Without a reading no row.';
