-- One row a device over a window, for lists that are sorted and paged, and for totals of groups and sites. Every device is there that
-- is registered or ever sent a reading; one that was silent in the window has nulls.

CREATE FUNCTION internal.hours_in_use(kind_of_device text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (device_id text, hours bigint)
LANGUAGE sql STABLE ROWS 10000
AS $$
    SELECT hourly.device_id, count(*)
    FROM internal.device_hourly AS hourly
    WHERE
        hourly.device_type = kind_of_device
        AND hourly.bucket_start > internal.hour_ceiling(window_from)
        AND hourly.bucket_start <= internal.hour_bucket(internal.hour_floor(window_to))
        AND hourly.energy_sum_kwh >= internal.least_flow_kw()
        -- Hashed, which an array of a subquery is not.
        AND hourly.device_id NOT IN (
            SELECT register.device_id
            FROM unnest(
                internal.register_devices(
                    kind_of_device, internal.hour_ceiling(window_from), internal.hour_floor(window_to)
                )
            ) AS register (device_id)
        )
    GROUP BY hourly.device_id
    UNION ALL
    SELECT counted.device_id, count(*)
    FROM internal.register_hours(
        kind_of_device, internal.hour_ceiling(window_from), internal.hour_floor(window_to)
    ) AS counted
    WHERE counted.energy_kwh >= internal.least_flow_kw()
    GROUP BY counted.device_id
$$;

COMMENT ON FUNCTION internal.hours_in_use(text, timestamptz, timestamptz) IS
'In how many whole hours (UTC) of (window_from, window_to] at least 0.1 kWh flowed through a meter or into a vehicle (kind_of_device); no row for none.';

CREATE FUNCTION internal.device_figures(kind_of_device text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    device_id text,
    name text,
    place_name text,
    energy_ac_kwh float8,
    energy_dc_kwh float8,
    energy_alone_kwh float8,
    compared_ac_kwh float8,
    compared_dc_kwh float8,
    efficiency_ratio float8,
    verdict text,
    mean_power_kw float8,
    lost_kwh float8,
    lost_beyond_expected_kwh float8,
    measured_mean float8,
    sessions bigint,
    hours_in_use bigint,
    readings bigint,
    coverage float8,
    is_estimated boolean
)
LANGUAGE sql STABLE ROWS 10000
AS $$
    SELECT
        known.device_id,
        listed.name,
        listed.place_name,
        CASE kind_of_device WHEN 'meter' THEN figure.energy_kwh ELSE figure.counterpart_kwh END,
        CASE kind_of_device WHEN 'meter' THEN figure.counterpart_kwh ELSE figure.energy_kwh END,
        internal.elsewhere(figure.readings, figure.energy_kwh, figure.paired_readings, figure.paired_kwh),
        figure.compared_ac_kwh,
        figure.compared_dc_kwh,
        compared.ratio,
        coalesce(
            figure.fault_code,
            CASE
                WHEN compared.ratio > 1 THEN 'data_fault'
                WHEN compared.ratio < internal.lowest_normal_ratio(compared.power_kw) THEN 'abnormal_loss'
                WHEN compared.ratio IS NOT NULL THEN 'normal'
            END
        ),
        compared.power_kw,
        CASE WHEN compared.ratio IS NOT NULL THEN figure.compared_ac_kwh - figure.compared_dc_kwh END,
        figure.compared_ac_kwh * internal.expected_ratio(compared.power_kw) - figure.compared_dc_kwh,
        figure.measured_sum / nullif(figure.readings, 0),
        coalesce(stay.sessions, 0),
        coalesce(used.hours, 0),
        coalesce(round(figure.readings)::bigint, 0),
        internal.coverage(coalesce(figure.readings, 0), internal.seconds_elapsed(window_from, window_to)),
        coalesce(figure.is_estimated, false)
    FROM (
        SELECT live.meter_id AS device_id FROM internal.live_meter_state AS live WHERE kind_of_device = 'meter'
        UNION
        SELECT live.vehicle_id FROM internal.live_vehicle_state AS live WHERE kind_of_device = 'vehicle'
        UNION
        SELECT registered.device_id FROM internal.listed_device AS registered WHERE registered.device_type = kind_of_device
    ) AS known
    LEFT JOIN internal.listed_device AS listed
        ON listed.device_type = kind_of_device
        AND listed.device_id = known.device_id
    LEFT JOIN (
        SELECT
            day.device_id,
            sum(day.readings) AS readings,
            sum(day.energy_kwh) AS energy_kwh,
            sum(day.measured_sum) AS measured_sum,
            sum(day.paired_readings) AS paired_readings,
            sum(day.paired_kwh) AS paired_kwh,
            sum(day.counterpart_kwh) AS counterpart_kwh,
            sum(day.compared_ac_kwh) AS compared_ac_kwh,
            sum(day.compared_dc_kwh) AS compared_dc_kwh,
            sum(day.power_sum_kw_kwh) AS power_sum_kw_kwh,
            min(day.fault_code) AS fault_code,
            bool_or(day.is_estimated) AS is_estimated
        FROM internal.device_days(window_from, window_to) AS day
        WHERE day.device_type = kind_of_device
        GROUP BY day.device_id
    ) AS figure ON figure.device_id = known.device_id
    LEFT JOIN internal.hours_in_use(kind_of_device, window_from, window_to) AS used ON used.device_id = known.device_id
    LEFT JOIN (
        SELECT
            CASE kind_of_device WHEN 'meter' THEN stay.meter_id ELSE stay.vehicle_id END AS device_id,
            count(*) AS sessions
        FROM internal.session_stays(window_from, window_to, NULL, NULL) AS stay
        GROUP BY 1
    ) AS stay ON stay.device_id = known.device_id
    CROSS JOIN LATERAL (
        SELECT
            internal.ratio(figure.compared_dc_kwh, figure.compared_ac_kwh) AS ratio,
            internal.ratio(figure.power_sum_kw_kwh, figure.compared_ac_kwh) AS power_kw
    ) AS compared
$$;

COMMENT ON FUNCTION internal.device_figures(text, timestamptz, timestamptz) IS
'Every meter or vehicle (kind_of_device) over (window_from, window_to], with its name and its site or group: AC and DC energy (of a meter the DC of the vehicles it fed, of a vehicle the AC drawn for it), what it drew for nobody or got elsewhere (alone), the energies compared and their ratio (kWh), a verdict, mean power (kW, weighted by energy), mean voltage (V) or battery temperature (degrees C), sessions, hours in use, readings and coverage.';
