-- A vehicle's performance bucket by bucket. Every bucket of the window has its row; a bucket in which nothing is known
-- has nulls. The energies are those of internal.device_energies, and add up to the window.

CREATE FUNCTION api.vehicle_series(
    vehicle text,
    window_from timestamptz,
    window_to timestamptz,
    bucket text,
    timezone text
)
RETURNS TABLE (
    bucket_from timestamptz,
    bucket_to timestamptz,
    energy_ac_kwh float8,
    energy_dc_kwh float8,
    energy_dc_elsewhere_kwh float8,
    efficiency_ratio float8,
    battery_temp_mean_c float8,
    meter_readings bigint,
    vehicle_readings bigint,
    meter_coverage float8,
    vehicle_coverage float8,
    spanned_ac_kwh float8,
    spanned_dc_kwh float8,
    is_estimated boolean,
    is_pending boolean,
    energy_ac_reason text,
    energy_dc_reason text,
    efficiency_reason text
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 24
AS $$
    WITH slot AS MATERIALIZED (
        SELECT part.bucket_from, part.bucket_to
        FROM internal.buckets(window_from, window_to, bucket, timezone) AS part
    ),
    stretch AS MATERIALIZED (
        SELECT
            slot.bucket_from,
            feed.meter_id,
            greatest(slot.bucket_from, feed.feed_from) AS stretch_from,
            least(slot.bucket_to, feed.feed_to) AS stretch_to
        FROM slot
        JOIN internal.vehicle_feeds(vehicle, window_from, window_to) AS feed
            ON feed.feed_from < slot.bucket_to AND feed.feed_to > slot.bucket_from
    ),
    meter AS MATERIALIZED (
        SELECT DISTINCT stretch.meter_id
        FROM stretch
    ),
    implausible AS MATERIALIZED (
        SELECT own.recorded_at
        FROM internal.implausible_readings('vehicle', window_from, window_to, ARRAY[vehicle]) AS own
        UNION ALL
        SELECT drawn.recorded_at
        FROM internal.implausible_readings(
            'meter', window_from, window_to, ARRAY(SELECT meter.meter_id FROM meter)
        ) AS drawn
        JOIN stretch
            ON stretch.meter_id = drawn.device_id
            AND drawn.recorded_at > stretch.stretch_from
            AND drawn.recorded_at <= stretch.stretch_to
    ),
    -- Mostly none: a look at the window spares one at each bucket.
    unsteady AS MATERIALIZED (
        SELECT 'vehicle' AS device_type, own.device_id
        FROM internal.unsteady_registers('vehicle', window_from, window_to, ARRAY[vehicle]) AS own
        UNION ALL
        SELECT 'meter', grid.device_id
        FROM internal.unsteady_registers(
            'meter', window_from, window_to, ARRAY(SELECT meter.meter_id FROM meter)
        ) AS grid
    ),
    fault AS MATERIALIZED (
        SELECT found.bucket_from, min(found.code) AS code
        FROM (
            SELECT slot.bucket_from, 'implausible_power' AS code
            FROM slot
            JOIN implausible ON implausible.recorded_at > slot.bucket_from AND implausible.recorded_at <= slot.bucket_to
            UNION ALL
            SELECT side.bucket_from, 'unsteady_register'
            FROM (
                SELECT device_type, device_id, every.bucket_from, every.side_from, every.side_to
                FROM unsteady
                JOIN (
                    SELECT 'vehicle', vehicle, slot.bucket_from, slot.bucket_from, slot.bucket_to
                    FROM slot
                    UNION ALL
                    SELECT 'meter', stretch.meter_id, stretch.bucket_from, stretch.stretch_from, stretch.stretch_to
                    FROM stretch
                ) AS every (device_type, device_id, bucket_from, side_from, side_to) USING (device_type, device_id)
                OFFSET 0
            ) AS side
            CROSS JOIN LATERAL internal.unsteady_registers(
                side.device_type, side.side_from, side.side_to, ARRAY[side.device_id]
            )
        ) AS found
        GROUP BY found.bucket_from
    )
    SELECT
        slot.bucket_from,
        slot.bucket_to,
        grid.energy_ac_kwh,
        battery.energy_dc_kwh,
        internal.elsewhere(battery.readings, battery.energy_dc_kwh, battery.fed_readings, battery.fed_energy_dc_kwh),
        CASE WHEN fault.code IS NULL THEN internal.ratio(battery.fed_energy_dc_kwh, grid.energy_ac_kwh) END,
        battery.battery_temp_sum_c / nullif(battery.readings, 0),
        round(coalesce(grid.readings, 0))::bigint,
        round(coalesce(battery.readings, 0))::bigint,
        internal.coverage(coalesce(grid.readings, 0), fed.seconds),
        internal.coverage(coalesce(battery.readings, 0), internal.seconds_elapsed(slot.bucket_from, slot.bucket_to)),
        coalesce(spanned.energy_ac_kwh, 0),
        coalesce(spanned.energy_dc_kwh, 0),
        coalesce(grid.is_estimated, false)
        OR coalesce(battery.is_estimated, false)
        OR coalesce(greatest(spanned.energy_ac_kwh, spanned.energy_dc_kwh) >= 1e-9, false),
        CASE
            WHEN (SELECT internal.is_vehicle_pending(vehicle, window_from, window_to))
                THEN internal.is_vehicle_pending(vehicle, slot.bucket_from, slot.bucket_to)
            ELSE false
        END,
        reason.energy_ac,
        reason.energy_dc,
        coalesce(
            fault.code,
            internal.ratio_reason(
                grid.energy_ac_kwh,
                battery.fed_energy_dc_kwh,
                reason.energy_ac,
                CASE WHEN battery.energy_dc_kwh IS NULL THEN reason.energy_dc
                    WHEN battery.fed_readings > 0 AND battery.fed_energy_dc_kwh IS NULL THEN 'baseline_missing' END
            )
        )
    FROM slot
    LEFT JOIN (
        SELECT
            stretch.bucket_from,
            sum(internal.seconds_elapsed(stretch.stretch_from, stretch.stretch_to)) AS seconds
        FROM stretch
        GROUP BY stretch.bucket_from
    ) AS fed ON fed.bucket_from = slot.bucket_from
    LEFT JOIN (
        SELECT
            drawn.bucket_from,
            sum(drawn.readings) AS readings,
            sum(drawn.energy_kwh) AS energy_ac_kwh,
            bool_or(drawn.is_estimated) AS is_estimated
        FROM internal.device_energies(
            'meter', window_from, window_to, bucket, timezone, ARRAY(SELECT meter.meter_id FROM meter)
        ) AS drawn
        WHERE drawn.counterpart_id = vehicle
        GROUP BY drawn.bucket_from
    ) AS grid ON grid.bucket_from = slot.bucket_from
    LEFT JOIN (
        SELECT
            charged.bucket_from,
            sum(charged.readings) AS readings,
            sum(charged.energy_kwh) AS energy_dc_kwh,
            sum(charged.measured_sum) AS battery_temp_sum_c,
            sum(charged.readings) FILTER (WHERE charged.counterpart_id IS NOT NULL) AS fed_readings,
            sum(charged.energy_kwh) FILTER (WHERE charged.counterpart_id IS NOT NULL) AS fed_energy_dc_kwh,
            bool_or(charged.is_estimated) AS is_estimated
        FROM internal.device_energies(
            'vehicle', window_from, window_to, bucket, timezone, ARRAY[vehicle]
        ) AS charged
        GROUP BY charged.bucket_from
    ) AS battery ON battery.bucket_from = slot.bucket_from
    LEFT JOIN (
        SELECT
            within.bucket_from,
            coalesce(sum(step.energy_kwh) FILTER (WHERE step.device_type = 'meter'), 0) AS energy_ac_kwh,
            coalesce(sum(step.energy_kwh) FILTER (WHERE step.device_type = 'vehicle'), 0) AS energy_dc_kwh
        FROM internal.vehicle_spanned(vehicle, window_from, window_to) AS step
        JOIN slot AS within ON step.recorded_at > within.bucket_from AND step.recorded_at <= within.bucket_to
        GROUP BY within.bucket_from
    ) AS spanned ON spanned.bucket_from = slot.bucket_from
    LEFT JOIN fault ON fault.bucket_from = slot.bucket_from
    CROSS JOIN LATERAL (
        SELECT
            CASE
                WHEN fed.seconds IS NULL THEN 'no_assignment'
                WHEN coalesce(grid.readings, 0) = 0 THEN 'no_readings'
                WHEN grid.energy_ac_kwh IS NULL THEN 'baseline_missing'
            END AS energy_ac,
            CASE
                WHEN coalesce(battery.readings, 0) = 0 THEN 'no_readings'
                WHEN battery.energy_dc_kwh IS NULL THEN 'baseline_missing'
            END AS energy_dc
    ) AS reason
    ORDER BY slot.bucket_from
$$;

COMMENT ON FUNCTION api.vehicle_series(text, timestamptz, timestamptz, text, text) IS
'api.vehicle_performance for every bucket (hour, day, week, month, year) of (window_from, window_to] by the clock of a time zone, in order: energies (kWh), ratio, mean battery temperature (degrees C), reading counts, coverages, whether any energy is estimated; null where nothing is known, and the reasons why.';
