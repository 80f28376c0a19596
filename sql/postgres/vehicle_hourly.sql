-- Differs by necessity because there are no continuous aggregates here: the hourly rollup is a table that this statement
-- trigger adds to, in the transaction that inserts the readings. Rows are taken in order of the key, as every writer of
-- this table does, so that concurrent writers never deadlock. A refresh recomputes them from
-- the history.

CREATE OR REPLACE FUNCTION telemetry.keep_vehicle_hourly()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO telemetry.vehicle_hourly AS kept (
        vehicle_id, bucket_start, readings,
        energy_dc_sum_kwh, energy_dc_min_kwh, energy_dc_max_kwh, energy_dc_first_kwh, energy_dc_last_kwh,
        first_recorded_at, last_recorded_at,
        soc_first_pct, soc_last_pct, soc_min_pct, soc_max_pct,
        battery_temp_sum_c, battery_temp_min_c, battery_temp_max_c
    )
    SELECT
        vehicle_id,
        date_trunc('hour', recorded_at - interval '1 microsecond', 'UTC') + interval '1 microsecond',
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
        soc_first_pct = CASE
            WHEN excluded.first_recorded_at < kept.first_recorded_at THEN excluded.soc_first_pct
            ELSE kept.soc_first_pct
        END,
        soc_last_pct = CASE
            WHEN excluded.last_recorded_at > kept.last_recorded_at THEN excluded.soc_last_pct
            ELSE kept.soc_last_pct
        END,
        first_recorded_at = least(kept.first_recorded_at, excluded.first_recorded_at),
        last_recorded_at = greatest(kept.last_recorded_at, excluded.last_recorded_at),
        soc_min_pct = least(kept.soc_min_pct, excluded.soc_min_pct),
        soc_max_pct = greatest(kept.soc_max_pct, excluded.soc_max_pct),
        battery_temp_sum_c = kept.battery_temp_sum_c + excluded.battery_temp_sum_c,
        battery_temp_min_c = least(kept.battery_temp_min_c, excluded.battery_temp_min_c),
        battery_temp_max_c = greatest(kept.battery_temp_max_c, excluded.battery_temp_max_c);
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION telemetry.keep_vehicle_hourly() IS
'Statement trigger of vehicle_telemetry_history (postgres profile): adds the readings to vehicle_hourly.';

CREATE OR REPLACE PROCEDURE telemetry.recompute_vehicle_hourly(
    range_from timestamptz, range_to timestamptz, only_device text
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Of one device, the lock of its live row suffices, which its writers take first.
    IF only_device IS NULL THEN
        LOCK TABLE telemetry.vehicle_hourly IN SHARE ROW EXCLUSIVE MODE;
    END IF;

    DELETE FROM telemetry.vehicle_hourly AS hourly
    USING telemetry.live_vehicle_state AS device
    WHERE
        hourly.vehicle_id = device.vehicle_id
        AND (only_device IS NULL OR device.vehicle_id = only_device)
        AND hourly.bucket_start > range_from
        AND hourly.bucket_start <= range_to;

    INSERT INTO telemetry.vehicle_hourly (
        vehicle_id, bucket_start, readings,
        energy_dc_sum_kwh, energy_dc_min_kwh, energy_dc_max_kwh, energy_dc_first_kwh, energy_dc_last_kwh,
        first_recorded_at, last_recorded_at,
        soc_first_pct, soc_last_pct, soc_min_pct, soc_max_pct,
        battery_temp_sum_c, battery_temp_min_c, battery_temp_max_c
    )
    SELECT
        history.vehicle_id,
        internal.hour_bucket(history.recorded_at),
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
    WHERE
        history.recorded_at > range_from
        AND history.recorded_at <= range_to
        AND (only_device IS NULL OR device.vehicle_id = only_device)
    GROUP BY 1, 2;
END
$$;

COMMENT ON PROCEDURE telemetry.recompute_vehicle_hourly(timestamptz, timestamptz, text) IS
'Computes the hours of (range_from, range_to], whole hours (UTC), from vehicle_telemetry_history again, of one device or (null) of all: then writers wait until it commits (postgres profile).';

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = 'telemetry.vehicle_telemetry_history'::regclass AND tgname = 'b_keep_vehicle_hourly'
    ) THEN
        CREATE TRIGGER b_keep_vehicle_hourly
            AFTER INSERT ON telemetry.vehicle_telemetry_history
            REFERENCING NEW TABLE AS inserted
            FOR EACH STATEMENT EXECUTE FUNCTION telemetry.keep_vehicle_hourly();
    END IF;
END
$$;
