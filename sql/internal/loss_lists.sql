-- The devices that losses list, and what these add up to, of one look at the days of all devices.

CREATE FUNCTION internal.losses(window_from timestamptz, window_to timestamptz, below float8, row_limit integer)
RETURNS TABLE (
    is_total boolean,
    place bigint,
    list text,
    device_type text,
    device_id text,
    verdict text,
    cause text,
    energy_ac_kwh float8,
    energy_dc_kwh float8,
    efficiency_ratio float8,
    mean_power_kw float8,
    expected_ratio float8,
    lost_kwh float8,
    lost_beyond_expected_kwh float8,
    since timestamptz,
    meter_readings bigint,
    vehicle_readings bigint,
    meter_coverage float8,
    vehicle_coverage float8,
    listed_devices bigint,
    listed_kwh float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
SET work_mem = '32MB'
SET enable_mergejoin = off
AS $$
    WITH device_day AS MATERIALIZED (
        SELECT day.*
        FROM internal.device_days(window_from, window_to) AS day
    ),
    device AS (
        SELECT
            day.device_type,
            day.device_id,
            sum(day.compared_ac_kwh) AS energy_ac_kwh,
            sum(day.compared_dc_kwh) AS energy_dc_kwh,
            internal.ratio(sum(day.compared_dc_kwh), sum(day.compared_ac_kwh)) AS efficiency_ratio,
            internal.ratio(sum(day.power_sum_kw_kwh), sum(day.compared_ac_kwh)) AS mean_power_kw,
            round(sum(day.compared_meter_readings))::bigint AS meter_readings,
            round(sum(day.compared_vehicle_readings))::bigint AS vehicle_readings
        FROM device_day AS day
        GROUP BY day.device_type, day.device_id
    ),
    judged AS (
        SELECT
            CASE WHEN device.efficiency_ratio > 1 THEN 'data_faults' ELSE device.device_type || 's' END AS list,
            device.device_type,
            device.device_id,
            CASE
                WHEN device.efficiency_ratio > 1 THEN 'data_fault'
                WHEN device.efficiency_ratio < normal.lowest_ratio THEN 'abnormal_loss'
                ELSE 'normal_for_power'
            END AS verdict,
            CASE
                WHEN device.efficiency_ratio > 1 THEN internal.cause_of_ratio(device.efficiency_ratio, device.mean_power_kw)
            END AS cause,
            coalesce(below, greatest(0.85, normal.lowest_ratio)) AS threshold,
            device.energy_ac_kwh,
            device.energy_dc_kwh,
            device.efficiency_ratio,
            device.mean_power_kw,
            normal.expected_ratio,
            device.energy_ac_kwh - device.energy_dc_kwh AS lost_kwh,
            device.meter_readings,
            device.vehicle_readings
        FROM device
        CROSS JOIN LATERAL (
            SELECT
                internal.expected_ratio(device.mean_power_kw) AS expected_ratio,
                internal.lowest_normal_ratio(device.mean_power_kw) AS lowest_ratio
        ) AS normal
        WHERE device.efficiency_ratio IS NOT NULL
        UNION ALL
        SELECT
            'data_faults', day.device_type, day.device_id, min(day.fault_code), min(day.fault_cause),
            NULL,
            CASE day.device_type WHEN 'meter' THEN sum(day.energy_kwh) ELSE sum(day.counterpart_kwh) END,
            CASE day.device_type WHEN 'meter' THEN sum(day.counterpart_kwh) ELSE sum(day.paired_kwh) END,
            NULL,
            NULL,
            NULL,
            NULL,
            round(coalesce(
                CASE day.device_type WHEN 'meter' THEN sum(day.readings) ELSE sum(day.counterpart_readings) END, 0
            ))::bigint,
            round(coalesce(
                CASE day.device_type WHEN 'meter' THEN sum(day.counterpart_readings) ELSE sum(day.paired_readings) END, 0
            ))::bigint
        FROM device_day AS day
        WHERE day.fault_code IS NOT NULL
        GROUP BY day.device_type, day.device_id
        UNION ALL
        SELECT
            'unattributed', 'meter', day.device_id, 'unattributed', NULL,
            NULL,
            sum(day.alone_kwh), NULL, NULL,
            internal.ratio(sum(day.alone_power_sum_kw_kwh), sum(day.alone_kwh)),
            NULL,
            sum(day.alone_kwh),
            round(sum(day.alone_readings))::bigint, NULL
        FROM device_day AS day
        WHERE day.device_type = 'meter' AND day.fault_code IS NULL
        GROUP BY day.device_id
        HAVING sum(day.alone_kwh) >= 1e-9
    ),
    ranked AS (
        SELECT
            judged.*,
            judged.energy_ac_kwh * judged.expected_ratio - judged.energy_dc_kwh AS lost_beyond_expected_kwh,
            row_number() OVER (
                PARTITION BY judged.list ORDER BY amount.kwh DESC, judged.device_id, judged.device_type
            ) AS place,
            count(*) OVER (PARTITION BY judged.list) AS listed_devices,
            amount.kwh,
            sum(amount.kwh) OVER (PARTITION BY judged.list) AS listed_kwh
        FROM judged
        -- Without a ratio, all of it is in doubt.
        CROSS JOIN LATERAL (
            SELECT coalesce(abs(judged.lost_kwh), greatest(judged.energy_ac_kwh, judged.energy_dc_kwh), 0) AS kwh
        ) AS amount
        WHERE
            judged.efficiency_ratio > 1
            OR judged.efficiency_ratio < judged.threshold
            OR judged.list = 'unattributed'
            OR judged.verdict IN ('implausible_power', 'unsteady_register')
    ),
    fed AS (
        SELECT
            CASE side.device_type WHEN 'meter' THEN feed.meter_id ELSE feed.vehicle_id END AS device_id,
            side.device_type,
            feed.vehicle_id IS NULL AS is_unattributed,
            sum(internal.seconds_elapsed(feed.feed_from, feed.feed_to)) AS seconds
        FROM internal.fleet_feeds(window_from, window_to) AS feed
        CROSS JOIN (VALUES ('meter'), ('vehicle')) AS side (device_type)
        WHERE side.device_type = 'meter' OR feed.vehicle_id IS NOT NULL
        GROUP BY 1, 2, 3
    )
    SELECT
        false,
        ranked.place,
        ranked.list,
        ranked.device_type,
        ranked.device_id,
        ranked.verdict,
        ranked.cause,
        ranked.energy_ac_kwh,
        ranked.energy_dc_kwh,
        ranked.efficiency_ratio,
        ranked.mean_power_kw,
        ranked.expected_ratio,
        ranked.lost_kwh,
        ranked.lost_beyond_expected_kwh,
        run.since,
        coalesce(ranked.meter_readings, 0),
        coalesce(ranked.vehicle_readings, 0),
        internal.coverage(ranked.meter_readings, fed.seconds),
        CASE
            WHEN ranked.list <> 'unattributed' THEN internal.coverage(ranked.vehicle_readings, fed.seconds)
        END,
        ranked.listed_devices,
        ranked.listed_kwh
    FROM ranked
    LEFT JOIN fed
        ON fed.is_unattributed = (ranked.list = 'unattributed')
        AND fed.device_type = ranked.device_type
        AND fed.device_id = ranked.device_id
    LEFT JOIN (
        SELECT judged_day.device_type, judged_day.device_id, min(judged_day.bucket_from) AS since
        FROM (
            SELECT
                day.device_type,
                day.device_id,
                day.bucket_from,
                max(day.bucket_from) FILTER (
                    WHERE NOT (
                        day.compared_dc_kwh < ranked.threshold * day.compared_ac_kwh
                        OR (ranked.list = 'data_faults' AND day.compared_dc_kwh > day.compared_ac_kwh)
                    )
                ) OVER (PARTITION BY day.device_type, day.device_id) AS last_otherwise
            FROM ranked
            JOIN device_day AS day ON day.device_type = ranked.device_type AND day.device_id = ranked.device_id
            WHERE ranked.place <= coalesce(row_limit, ranked.listed_devices) AND ranked.list <> 'unattributed' AND day.compared_ac_kwh > 0
        ) AS judged_day
        WHERE judged_day.last_otherwise IS NULL OR judged_day.bucket_from > judged_day.last_otherwise
        GROUP BY judged_day.device_type, judged_day.device_id
    ) AS run ON run.device_type = ranked.device_type AND run.device_id = ranked.device_id
    WHERE ranked.place <= coalesce(row_limit, ranked.listed_devices)
    UNION ALL
    SELECT
        true,
        NULL,
        ranked.list,
        ranked.device_type,
        NULL,
        ranked.verdict,
        NULL,
        sum(ranked.energy_ac_kwh),
        sum(ranked.energy_dc_kwh),
        internal.ratio(
            sum(ranked.energy_dc_kwh) FILTER (WHERE ranked.efficiency_ratio IS NOT NULL),
            sum(ranked.energy_ac_kwh) FILTER (WHERE ranked.efficiency_ratio IS NOT NULL)
        ),
        NULL,
        NULL,
        sum(ranked.lost_kwh),
        sum(ranked.lost_beyond_expected_kwh),
        NULL,
        sum(ranked.meter_readings)::bigint,
        sum(ranked.vehicle_readings)::bigint,
        NULL,
        NULL,
        count(*),
        sum(ranked.kwh)
    FROM ranked
    GROUP BY ranked.list, ranked.device_type, ranked.verdict
$$;

COMMENT ON FUNCTION internal.losses(timestamptz, timestamptz, float8, integer) IS
'The rows of api.losses, and with is_total those of api.loss_totals, so that the days of all devices are looked at once for both.';
