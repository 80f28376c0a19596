-- The battery's side of the fleet, by bucket and vehicle, as api.fleet_grid has the grid's.

CREATE FUNCTION api.fleet_battery(window_from timestamptz, window_to timestamptz, bucket text, timezone text)
RETURNS TABLE (
    bucket_from timestamptz,
    vehicle_id text,
    readings bigint,
    energy_dc_kwh float8,
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
    )
    SELECT
        piece.bucket_from,
        piece.vehicle_id,
        sum(piece.readings)::bigint,
        sum(piece.energy_dc_kwh),
        bool_or(piece.is_estimated)
    FROM (
        SELECT slot_hour.bucket_from, hourly.vehicle_id, hourly.readings, hourly.energy_dc_kwh, hourly.is_estimated
        FROM api.vehicle_hours(window_from, window_to) AS hourly
        JOIN slot_hour ON slot_hour.bucket_start = hourly.bucket_start
        UNION ALL
        SELECT slot.bucket_from, live.vehicle_id, cut.readings, cut.energy_dc_kwh, cut.is_estimated
        FROM slot
        CROSS JOIN LATERAL api.cut_hours(slot.bucket_from, slot.bucket_to) AS edge
        CROSS JOIN api.live_vehicle_state AS live
        CROSS JOIN LATERAL api.vehicle_cut(
            live.vehicle_id, edge.cut_from, edge.cut_to, window_from, window_to
        ) AS cut
        WHERE cut.readings > 0
    ) AS piece
    GROUP BY piece.bucket_from, piece.vehicle_id
$$;

COMMENT ON FUNCTION api.fleet_battery(timestamptz, timestamptz, text, text) IS
'Readings and DC energy (kWh) of every vehicle in [window_from, window_to), by bucket (hour, day or window). Without a reading no row.';
