-- Differs by necessity because here the rollups are tables, right at every commit; a refresh is needed only after the
-- history was changed by hand. It recomputes each day's hours from the history, device by device by index, then each day
-- from its hours, and commits day by day: a writer waits for one day's work at most. Hours whose history was dropped are
-- left alone, and so are days whose hours were. No search_path is set on the procedure: one with settings of its own
-- cannot commit.

CREATE PROCEDURE api.refresh_rollups(range_from timestamptz, range_to timestamptz)
LANGUAGE plpgsql
AS $$
DECLARE
    refresh_to CONSTANT timestamptz := api.hour_ceiling(least(range_to, now() + interval '1 day'));
    meter_from timestamptz;
    vehicle_from timestamptz;
    day_from timestamptz;
    day_to timestamptz;
BEGIN
    SELECT greatest(
        api.hour_floor(range_from),
        api.hour_floor(min(oldest.recorded_at)),
        api.hour_ceiling(api.history_horizon('meter_telemetry_history')),
        api.hour_ceiling(api.history_horizon('meter_hourly'))
    )
    INTO meter_from
    FROM telemetry.live_meter_state AS device
    CROSS JOIN LATERAL (
        SELECT history.recorded_at
        FROM telemetry.meter_telemetry_history AS history
        WHERE history.meter_id = device.meter_id
        ORDER BY history.recorded_at
        LIMIT 1
    ) AS oldest;

    SELECT greatest(
        api.hour_floor(range_from),
        api.hour_floor(min(oldest.recorded_at)),
        api.hour_ceiling(api.history_horizon('vehicle_telemetry_history')),
        api.hour_ceiling(api.history_horizon('vehicle_hourly'))
    )
    INTO vehicle_from
    FROM telemetry.live_vehicle_state AS device
    CROSS JOIN LATERAL (
        SELECT history.recorded_at
        FROM telemetry.vehicle_telemetry_history AS history
        WHERE history.vehicle_id = device.vehicle_id
        ORDER BY history.recorded_at
        LIMIT 1
    ) AS oldest;

    day_from := meter_from;
    WHILE day_from < refresh_to LOOP
        day_to := least(day_from + interval '24 hours', refresh_to);
        LOCK TABLE telemetry.meter_hourly IN SHARE ROW EXCLUSIVE MODE;

        DELETE FROM telemetry.meter_hourly AS hourly
        USING telemetry.live_meter_state AS device
        WHERE
            hourly.meter_id = device.meter_id
            AND hourly.bucket_start >= day_from
            AND hourly.bucket_start < day_to;

        INSERT INTO telemetry.meter_hourly (
            meter_id, bucket_start, readings,
            energy_ac_sum_kwh, energy_ac_min_kwh, energy_ac_max_kwh, energy_ac_first_kwh, energy_ac_last_kwh,
            first_recorded_at, last_recorded_at,
            voltage_sum_v, voltage_min_v, voltage_max_v
        )
        SELECT
            history.meter_id,
            api.hour_floor(history.recorded_at),
            count(*),
            sum(history.energy_ac_kwh),
            min(history.energy_ac_kwh),
            max(history.energy_ac_kwh),
            (array_agg(history.energy_ac_kwh ORDER BY history.recorded_at))[1],
            (array_agg(history.energy_ac_kwh ORDER BY history.recorded_at DESC))[1],
            min(history.recorded_at),
            max(history.recorded_at),
            sum(history.voltage_v::float8),
            min(history.voltage_v),
            max(history.voltage_v)
        FROM telemetry.live_meter_state AS device
        JOIN telemetry.meter_telemetry_history AS history ON history.meter_id = device.meter_id
        WHERE history.recorded_at >= day_from AND history.recorded_at < day_to
        GROUP BY 1, 2;

        COMMIT;
        day_from := day_to;
    END LOOP;

    day_from := vehicle_from;
    WHILE day_from < refresh_to LOOP
        day_to := least(day_from + interval '24 hours', refresh_to);
        LOCK TABLE telemetry.vehicle_hourly IN SHARE ROW EXCLUSIVE MODE;

        DELETE FROM telemetry.vehicle_hourly AS hourly
        USING telemetry.live_vehicle_state AS device
        WHERE
            hourly.vehicle_id = device.vehicle_id
            AND hourly.bucket_start >= day_from
            AND hourly.bucket_start < day_to;

        INSERT INTO telemetry.vehicle_hourly (
            vehicle_id, bucket_start, readings,
            energy_dc_sum_kwh, energy_dc_min_kwh, energy_dc_max_kwh, energy_dc_first_kwh, energy_dc_last_kwh,
            first_recorded_at, last_recorded_at,
            soc_first_pct, soc_last_pct, soc_min_pct, soc_max_pct,
            battery_temp_sum_c, battery_temp_min_c, battery_temp_max_c
        )
        SELECT
            history.vehicle_id,
            api.hour_floor(history.recorded_at),
            count(*),
            sum(history.energy_dc_kwh),
            min(history.energy_dc_kwh),
            max(history.energy_dc_kwh),
            (array_agg(history.energy_dc_kwh ORDER BY history.recorded_at))[1],
            (array_agg(history.energy_dc_kwh ORDER BY history.recorded_at DESC))[1],
            min(history.recorded_at),
            max(history.recorded_at),
            (array_agg(history.soc_pct ORDER BY history.recorded_at))[1],
            (array_agg(history.soc_pct ORDER BY history.recorded_at DESC))[1],
            min(history.soc_pct),
            max(history.soc_pct),
            sum(history.battery_temp_c::float8),
            min(history.battery_temp_c),
            max(history.battery_temp_c)
        FROM telemetry.live_vehicle_state AS device
        JOIN telemetry.vehicle_telemetry_history AS history ON history.vehicle_id = device.vehicle_id
        WHERE history.recorded_at >= day_from AND history.recorded_at < day_to
        GROUP BY 1, 2;

        COMMIT;
        day_from := day_to;
    END LOOP;

    SELECT greatest(
        api.day_floor(range_from),
        api.day_floor(min(oldest.bucket_start)),
        api.day_ceiling(api.history_horizon('meter_hourly')),
        api.day_ceiling(api.history_horizon('meter_daily'))
    )
    INTO day_from
    FROM telemetry.live_meter_state AS device
    CROSS JOIN LATERAL (
        SELECT hourly.bucket_start
        FROM telemetry.meter_hourly AS hourly
        WHERE hourly.meter_id = device.meter_id
        ORDER BY hourly.bucket_start
        LIMIT 1
    ) AS oldest;

    WHILE day_from < refresh_to LOOP
        day_to := day_from + interval '24 hours';
        LOCK TABLE telemetry.meter_daily IN SHARE ROW EXCLUSIVE MODE;

        DELETE FROM telemetry.meter_daily AS daily
        USING telemetry.live_meter_state AS device
        WHERE daily.meter_id = device.meter_id AND daily.bucket_start = day_from;

        INSERT INTO telemetry.meter_daily (
            meter_id, bucket_start, readings, energy_ac_sum_kwh, energy_ac_min_kwh, energy_ac_max_kwh,
            energy_ac_first_kwh, energy_ac_last_kwh, first_recorded_at, last_recorded_at, voltage_sum_v,
            voltage_min_v, voltage_max_v
        )
        SELECT
            hourly.meter_id,
            day_from,
            sum(hourly.readings)::bigint,
            sum(hourly.energy_ac_sum_kwh),
            min(hourly.energy_ac_min_kwh),
            max(hourly.energy_ac_max_kwh),
            (array_agg(hourly.energy_ac_first_kwh ORDER BY hourly.first_recorded_at))[1],
            (array_agg(hourly.energy_ac_last_kwh ORDER BY hourly.last_recorded_at DESC))[1],
            min(hourly.first_recorded_at),
            max(hourly.last_recorded_at),
            sum(hourly.voltage_sum_v),
            min(hourly.voltage_min_v),
            max(hourly.voltage_max_v)
        FROM telemetry.live_meter_state AS device
        JOIN telemetry.meter_hourly AS hourly ON hourly.meter_id = device.meter_id
        WHERE hourly.bucket_start >= day_from AND hourly.bucket_start < day_to
        GROUP BY 1;

        COMMIT;
        day_from := day_to;
    END LOOP;

    SELECT greatest(
        api.day_floor(range_from),
        api.day_floor(min(oldest.bucket_start)),
        api.day_ceiling(api.history_horizon('vehicle_hourly')),
        api.day_ceiling(api.history_horizon('vehicle_daily'))
    )
    INTO day_from
    FROM telemetry.live_vehicle_state AS device
    CROSS JOIN LATERAL (
        SELECT hourly.bucket_start
        FROM telemetry.vehicle_hourly AS hourly
        WHERE hourly.vehicle_id = device.vehicle_id
        ORDER BY hourly.bucket_start
        LIMIT 1
    ) AS oldest;

    WHILE day_from < refresh_to LOOP
        day_to := day_from + interval '24 hours';
        LOCK TABLE telemetry.vehicle_daily IN SHARE ROW EXCLUSIVE MODE;

        DELETE FROM telemetry.vehicle_daily AS daily
        USING telemetry.live_vehicle_state AS device
        WHERE daily.vehicle_id = device.vehicle_id AND daily.bucket_start = day_from;

        INSERT INTO telemetry.vehicle_daily (
            vehicle_id, bucket_start, readings, energy_dc_sum_kwh, energy_dc_min_kwh, energy_dc_max_kwh,
            energy_dc_first_kwh, energy_dc_last_kwh, first_recorded_at, last_recorded_at, soc_first_pct,
            soc_last_pct, soc_min_pct, soc_max_pct, battery_temp_sum_c, battery_temp_min_c, battery_temp_max_c
        )
        SELECT
            hourly.vehicle_id,
            day_from,
            sum(hourly.readings)::bigint,
            sum(hourly.energy_dc_sum_kwh),
            min(hourly.energy_dc_min_kwh),
            max(hourly.energy_dc_max_kwh),
            (array_agg(hourly.energy_dc_first_kwh ORDER BY hourly.first_recorded_at))[1],
            (array_agg(hourly.energy_dc_last_kwh ORDER BY hourly.last_recorded_at DESC))[1],
            min(hourly.first_recorded_at),
            max(hourly.last_recorded_at),
            (array_agg(hourly.soc_first_pct ORDER BY hourly.first_recorded_at))[1],
            (array_agg(hourly.soc_last_pct ORDER BY hourly.last_recorded_at DESC))[1],
            min(hourly.soc_min_pct),
            max(hourly.soc_max_pct),
            sum(hourly.battery_temp_sum_c),
            min(hourly.battery_temp_min_c),
            max(hourly.battery_temp_max_c)
        FROM telemetry.live_vehicle_state AS device
        JOIN telemetry.vehicle_hourly AS hourly ON hourly.vehicle_id = device.vehicle_id
        WHERE hourly.bucket_start >= day_from AND hourly.bucket_start < day_to
        GROUP BY 1;

        COMMIT;
        day_from := day_to;
    END LOOP;
END
$$;
