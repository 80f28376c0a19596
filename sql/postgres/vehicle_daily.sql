-- Differs by necessity because there are no continuous aggregates here: the daily rollup is a table that this statement
-- trigger adds to, after the one of the hourly rollup and in the transaction that inserts the readings. Rows are taken in
-- order of the key, as every writer of this table does, so that concurrent writers never deadlock. A refresh recomputes
-- them from the hours.

CREATE OR REPLACE FUNCTION telemetry.keep_vehicle_daily()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO telemetry.vehicle_daily AS kept (
        vehicle_id, bucket_start, readings, energy_dc_sum_kwh, energy_dc_min_kwh, energy_dc_max_kwh,
        energy_dc_first_kwh, energy_dc_last_kwh, first_recorded_at, last_recorded_at, soc_first_pct,
        soc_last_pct, soc_min_pct, soc_max_pct, battery_temp_sum_c, battery_temp_min_c, battery_temp_max_c
    )
    SELECT
        vehicle_id,
        date_trunc('day', recorded_at - interval '1 microsecond', 'UTC') + interval '1 microsecond',
        count(*),
        sum(energy_dc_kwh),
        min(energy_dc_kwh),
        max(energy_dc_kwh),
        (array_agg(energy_dc_kwh ORDER BY recorded_at))[1],
        (array_agg(energy_dc_kwh ORDER BY recorded_at DESC))[1],
        min(recorded_at),
        max(recorded_at),
        (array_agg(soc_pct ORDER BY recorded_at))[1],
        (array_agg(soc_pct ORDER BY recorded_at DESC))[1],
        min(soc_pct),
        max(soc_pct),
        sum(battery_temp_c::float8),
        min(battery_temp_c),
        max(battery_temp_c)
    FROM inserted
    GROUP BY 1, 2
    ORDER BY 1, 2
    ON CONFLICT (vehicle_id, bucket_start) DO UPDATE SET
        readings = kept.readings + excluded.readings,
        energy_dc_sum_kwh = kept.energy_dc_sum_kwh + excluded.energy_dc_sum_kwh,
        energy_dc_min_kwh = least(kept.energy_dc_min_kwh, excluded.energy_dc_min_kwh),
        energy_dc_max_kwh = greatest(kept.energy_dc_max_kwh, excluded.energy_dc_max_kwh),
        energy_dc_first_kwh = CASE
            WHEN excluded.first_recorded_at < kept.first_recorded_at THEN excluded.energy_dc_first_kwh
            ELSE kept.energy_dc_first_kwh
        END,
        energy_dc_last_kwh = CASE
            WHEN excluded.last_recorded_at > kept.last_recorded_at THEN excluded.energy_dc_last_kwh
            ELSE kept.energy_dc_last_kwh
        END,
        first_recorded_at = least(kept.first_recorded_at, excluded.first_recorded_at),
        last_recorded_at = greatest(kept.last_recorded_at, excluded.last_recorded_at),
        soc_first_pct = CASE
            WHEN excluded.first_recorded_at < kept.first_recorded_at THEN excluded.soc_first_pct
            ELSE kept.soc_first_pct
        END,
        soc_last_pct = CASE
            WHEN excluded.last_recorded_at > kept.last_recorded_at THEN excluded.soc_last_pct
            ELSE kept.soc_last_pct
        END,
        soc_min_pct = least(kept.soc_min_pct, excluded.soc_min_pct),
        soc_max_pct = greatest(kept.soc_max_pct, excluded.soc_max_pct),
        battery_temp_sum_c = kept.battery_temp_sum_c + excluded.battery_temp_sum_c,
        battery_temp_min_c = least(kept.battery_temp_min_c, excluded.battery_temp_min_c),
        battery_temp_max_c = greatest(kept.battery_temp_max_c, excluded.battery_temp_max_c);
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION telemetry.keep_vehicle_daily() IS
'Statement trigger of vehicle_telemetry_history (postgres profile): adds the readings to vehicle_daily.';

CREATE OR REPLACE PROCEDURE telemetry.recompute_vehicle_daily(
    range_from timestamptz, range_to timestamptz, only_device text
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Of one device, the lock of its live row suffices, which its writers take first.
    IF only_device IS NULL THEN
        LOCK TABLE telemetry.vehicle_daily IN SHARE ROW EXCLUSIVE MODE;
    END IF;

    DELETE FROM telemetry.vehicle_daily AS daily
    USING telemetry.live_vehicle_state AS device
    WHERE
        daily.vehicle_id = device.vehicle_id
        AND (only_device IS NULL OR device.vehicle_id = only_device)
        AND daily.bucket_start > range_from
        AND daily.bucket_start <= range_to;

    INSERT INTO telemetry.vehicle_daily (
        vehicle_id, bucket_start, readings, energy_dc_sum_kwh, energy_dc_min_kwh, energy_dc_max_kwh,
        energy_dc_first_kwh, energy_dc_last_kwh, first_recorded_at, last_recorded_at, soc_first_pct,
        soc_last_pct, soc_min_pct, soc_max_pct, battery_temp_sum_c, battery_temp_min_c, battery_temp_max_c
    )
    SELECT
        hourly.vehicle_id,
        internal.day_bucket(hourly.bucket_start),
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
    WHERE
        hourly.bucket_start > range_from
        AND hourly.bucket_start <= range_to
        AND (only_device IS NULL OR device.vehicle_id = only_device)
    GROUP BY 1, 2;
END
$$;

COMMENT ON PROCEDURE telemetry.recompute_vehicle_daily(timestamptz, timestamptz, text) IS
'Computes the days of (range_from, range_to], whole days (UTC), from vehicle_hourly again, of one device or (null) of all: then writers wait until it commits (postgres profile).';

DO $$
BEGIN
    -- Where the trigger is new, the table is filled with the earlier days. CREATE TRIGGER keeps writers out until the
    -- transaction ends, so that each of their readings is counted exactly once.
    IF NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = 'telemetry.vehicle_telemetry_history'::regclass AND tgname = 'c_keep_vehicle_daily'
    ) THEN
        CREATE TRIGGER c_keep_vehicle_daily
            AFTER INSERT ON telemetry.vehicle_telemetry_history
            REFERENCING NEW TABLE AS inserted
            FOR EACH STATEMENT EXECUTE FUNCTION telemetry.keep_vehicle_daily();

        CALL telemetry.recompute_vehicle_daily('-infinity', 'infinity', NULL);
    END IF;
END
$$;
