-- Differs by necessity because there are no continuous aggregates here: the daily rollup is a table that this statement
-- trigger adds to, after the one of the hourly rollup and in the transaction that inserts the readings. Rows are taken in
-- order of the key, as every writer of this table does, so that concurrent writers never deadlock. A refresh recomputes
-- them from the hours.

CREATE OR REPLACE FUNCTION telemetry.keep_meter_daily()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO telemetry.meter_daily AS kept (
        meter_id, bucket_start, readings, energy_ac_sum_kwh, energy_ac_min_kwh, energy_ac_max_kwh,
        energy_ac_first_kwh, energy_ac_last_kwh, first_recorded_at, last_recorded_at, voltage_sum_v,
        voltage_min_v, voltage_max_v
    )
    SELECT
        meter_id,
        date_trunc('day', recorded_at - interval '1 microsecond', 'UTC') + interval '1 microsecond',
        count(*),
        sum(energy_ac_kwh),
        min(energy_ac_kwh),
        max(energy_ac_kwh),
        (array_agg(energy_ac_kwh ORDER BY recorded_at))[1],
        (array_agg(energy_ac_kwh ORDER BY recorded_at DESC))[1],
        min(recorded_at),
        max(recorded_at),
        sum(voltage_v::float8),
        min(voltage_v),
        max(voltage_v)
    FROM inserted
    GROUP BY 1, 2
    ORDER BY 1, 2
    ON CONFLICT (meter_id, bucket_start) DO UPDATE SET
        readings = kept.readings + excluded.readings,
        energy_ac_sum_kwh = kept.energy_ac_sum_kwh + excluded.energy_ac_sum_kwh,
        energy_ac_min_kwh = least(kept.energy_ac_min_kwh, excluded.energy_ac_min_kwh),
        energy_ac_max_kwh = greatest(kept.energy_ac_max_kwh, excluded.energy_ac_max_kwh),
        energy_ac_first_kwh = CASE
            WHEN excluded.first_recorded_at < kept.first_recorded_at THEN excluded.energy_ac_first_kwh
            ELSE kept.energy_ac_first_kwh
        END,
        energy_ac_last_kwh = CASE
            WHEN excluded.last_recorded_at > kept.last_recorded_at THEN excluded.energy_ac_last_kwh
            ELSE kept.energy_ac_last_kwh
        END,
        first_recorded_at = least(kept.first_recorded_at, excluded.first_recorded_at),
        last_recorded_at = greatest(kept.last_recorded_at, excluded.last_recorded_at),
        voltage_sum_v = kept.voltage_sum_v + excluded.voltage_sum_v,
        voltage_min_v = least(kept.voltage_min_v, excluded.voltage_min_v),
        voltage_max_v = greatest(kept.voltage_max_v, excluded.voltage_max_v);
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION telemetry.keep_meter_daily() IS
'Statement trigger of meter_telemetry_history (postgres profile): adds the readings to meter_daily.';

CREATE OR REPLACE PROCEDURE telemetry.recompute_meter_daily(
    range_from timestamptz, range_to timestamptz, only_device text
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Of one device, the lock of its live row suffices, which its writers take first.
    IF only_device IS NULL THEN
        LOCK TABLE telemetry.meter_daily IN SHARE ROW EXCLUSIVE MODE;
    END IF;

    DELETE FROM telemetry.meter_daily AS daily
    USING telemetry.live_meter_state AS device
    WHERE
        daily.meter_id = device.meter_id
        AND (only_device IS NULL OR device.meter_id = only_device)
        AND daily.bucket_start > range_from
        AND daily.bucket_start <= range_to;

    INSERT INTO telemetry.meter_daily (
        meter_id, bucket_start, readings, energy_ac_sum_kwh, energy_ac_min_kwh, energy_ac_max_kwh,
        energy_ac_first_kwh, energy_ac_last_kwh, first_recorded_at, last_recorded_at, voltage_sum_v,
        voltage_min_v, voltage_max_v
    )
    SELECT
        hourly.meter_id,
        internal.day_bucket(hourly.bucket_start),
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
    WHERE
        hourly.bucket_start > range_from
        AND hourly.bucket_start <= range_to
        AND (only_device IS NULL OR device.meter_id = only_device)
    GROUP BY 1, 2;
END
$$;

COMMENT ON PROCEDURE telemetry.recompute_meter_daily(timestamptz, timestamptz, text) IS
'Computes the days of (range_from, range_to], whole days (UTC), from meter_hourly again, of one device or (null) of all: then writers wait until it commits (postgres profile).';

DO $$
BEGIN
    -- Where the trigger is new, the table is filled with the earlier days. CREATE TRIGGER keeps writers out until the
    -- transaction ends, so that each of their readings is counted exactly once.
    IF NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = 'telemetry.meter_telemetry_history'::regclass AND tgname = 'c_keep_meter_daily'
    ) THEN
        CREATE TRIGGER c_keep_meter_daily
            AFTER INSERT ON telemetry.meter_telemetry_history
            REFERENCING NEW TABLE AS inserted
            FOR EACH STATEMENT EXECUTE FUNCTION telemetry.keep_meter_daily();

        CALL telemetry.recompute_meter_daily('-infinity', 'infinity', NULL);
    END IF;
END
$$;
