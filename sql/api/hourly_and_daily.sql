-- The rollups for dashboards that add them up. For a register, the sum in the rollup is no energy: it is null here, and the
-- first and the last value are those of the register. api.vehicle_performance and its like count registers. Their bucket_start
-- is the whole hour or day, a microsecond before that of the rollup.

DO $$
DECLARE
    rollup record;
    -- Without any register, this is checked once and no device is looked up.
    is_register CONSTANT text := $condition$
        (SELECT internal.has_registers(%1$L)) AND EXISTS (
            SELECT
            FROM internal.device_kind AS kind
            WHERE
                kind.device_type = %1$L
                AND kind.device_id = rollup.%1$s_id
                AND kind.energy_reading <> 'interval'
                AND kind.kind_from < rollup.bucket_start - interval '1 microsecond' + interval %2$L
                AND kind.kind_to >= rollup.bucket_start
        )
    $condition$;
BEGIN
    FOR rollup IN
        SELECT made.name, made.shown, made.length, made.beginning
        FROM (
            VALUES
                ('hourly', 'internal.hour_of_bucket', '1 hour', 'whole hour (UTC)'),
                ('daily', 'internal.day_of_bucket', '24 hours', 'midnight (UTC)')
        ) AS made (name, shown, length, beginning)
    LOOP
        EXECUTE format($view$
            CREATE VIEW api.meter_%1$s AS
            SELECT
                rollup.meter_id,
                %4$s(rollup.bucket_start) AS bucket_start,
                rollup.readings,
                CASE WHEN NOT (%2$s) THEN rollup.energy_ac_sum_kwh END AS energy_ac_kwh,
                rollup.energy_ac_first_kwh AS first_value_kwh,
                rollup.energy_ac_last_kwh AS last_value_kwh,
                rollup.first_recorded_at,
                rollup.last_recorded_at,
                rollup.voltage_sum_v / rollup.readings AS voltage_mean_v,
                rollup.voltage_min_v,
                rollup.voltage_max_v
            FROM internal.meter_%1$s AS rollup;

            COMMENT ON VIEW api.meter_%1$s IS
            'What each meter drew and the voltage it saw, by the bucket of its %1$s rollup.';
            COMMENT ON COLUMN api.meter_%1$s.meter_id IS 'The meter, as it names itself.';
            COMMENT ON COLUMN api.meter_%1$s.energy_ac_kwh IS
            'AC energy, kWh; null where the meter is a register at some time of the bucket: see api.meter_energy.';
            COMMENT ON COLUMN api.meter_%1$s.voltage_mean_v IS 'Mean of the voltages, V.';
            COMMENT ON COLUMN api.meter_%1$s.voltage_min_v IS 'Lowest voltage, V.';
            COMMENT ON COLUMN api.meter_%1$s.voltage_max_v IS 'Highest voltage, V.';

            CREATE VIEW api.vehicle_%1$s AS
            SELECT
                rollup.vehicle_id,
                %4$s(rollup.bucket_start) AS bucket_start,
                rollup.readings,
                CASE WHEN NOT (%3$s) THEN rollup.energy_dc_sum_kwh END AS energy_dc_kwh,
                rollup.energy_dc_first_kwh AS first_value_kwh,
                rollup.energy_dc_last_kwh AS last_value_kwh,
                rollup.first_recorded_at,
                rollup.last_recorded_at,
                rollup.soc_first_pct,
                rollup.soc_last_pct,
                rollup.soc_min_pct,
                rollup.soc_max_pct,
                rollup.battery_temp_sum_c / rollup.readings AS battery_temp_mean_c,
                rollup.battery_temp_min_c,
                rollup.battery_temp_max_c
            FROM internal.vehicle_%1$s AS rollup;

            COMMENT ON VIEW api.vehicle_%1$s IS
            'What reached the battery of each vehicle, its state of charge and temperature, by the bucket of its %1$s rollup.';
            COMMENT ON COLUMN api.vehicle_%1$s.vehicle_id IS 'The vehicle, as it names itself.';
            COMMENT ON COLUMN api.vehicle_%1$s.energy_dc_kwh IS
            'DC energy, kWh; null where the vehicle is a register at some time of the bucket: see api.vehicle_performance.';
            COMMENT ON COLUMN api.vehicle_%1$s.soc_first_pct IS 'State of charge of the first reading, percent.';
            COMMENT ON COLUMN api.vehicle_%1$s.soc_last_pct IS 'State of charge of the last reading, percent.';
            COMMENT ON COLUMN api.vehicle_%1$s.soc_min_pct IS 'Lowest state of charge, percent.';
            COMMENT ON COLUMN api.vehicle_%1$s.soc_max_pct IS 'Highest state of charge, percent.';
            COMMENT ON COLUMN api.vehicle_%1$s.battery_temp_mean_c IS 'Mean of the battery temperatures, degrees C.';
            COMMENT ON COLUMN api.vehicle_%1$s.battery_temp_min_c IS 'Lowest battery temperature, degrees C.';
            COMMENT ON COLUMN api.vehicle_%1$s.battery_temp_max_c IS 'Highest battery temperature, degrees C.';
        $view$,
            rollup.name,
            format(is_register, 'meter', rollup.length),
            format(is_register, 'vehicle', rollup.length),
            rollup.shown
        );
        EXECUTE (
            SELECT string_agg(
                format('COMMENT ON COLUMN api.%s_%s.%s IS %L', device.name, rollup.name, shown.name, shown.words), ';'
            )
            FROM (VALUES ('meter'), ('vehicle')) AS device (name)
            CROSS JOIN (
                VALUES
                    ('bucket_start', format('The %s the bucket begins with; its readings are stamped after it, the last ones with its end.', rollup.beginning)),
                    ('readings', 'Readings in the bucket.'),
                    ('first_value_kwh', 'kWh value of the first reading, as it was sent: of a register, what it showed.'),
                    ('last_value_kwh', 'kWh value of the last reading, as it was sent.'),
                    ('first_recorded_at', 'When the first reading of the bucket was taken.'),
                    ('last_recorded_at', 'When the last reading of the bucket was taken.')
            ) AS shown (name, words)
        );
    END LOOP;
END
$$;
