-- Differs by necessity because there are no continuous aggregates here: the hourly rollup is a table that this statement
-- trigger adds to, in the transaction that keeps the readings. Rows are taken in order of the key, as every writer of
-- this table does, so that concurrent writers never deadlock. A refresh computes the same
-- figures again, from the history.

CREATE OR REPLACE FUNCTION telemetry.keep_meter_hourly()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO telemetry.meter_hourly AS kept (
        meter_id, bucket_start, readings,
        energy_ac_sum_kwh, energy_ac_min_kwh, energy_ac_max_kwh, energy_ac_first_kwh, energy_ac_last_kwh,
        first_recorded_at, last_recorded_at,
        voltage_sum_v, voltage_min_v, voltage_max_v, voltage_square_sum_v2
    )
    SELECT
        meter_id,
        date_trunc('hour', recorded_at - interval '1 microsecond', 'UTC') + interval '1 microsecond',
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
        max(voltage_v),
        sum(voltage_v::float8 * voltage_v::float8)
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
        voltage_max_v = greatest(kept.voltage_max_v, excluded.voltage_max_v),
        voltage_square_sum_v2 = kept.voltage_square_sum_v2 + excluded.voltage_square_sum_v2;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION telemetry.keep_meter_hourly() IS
'Statement trigger of meter_telemetry_history (postgres profile): adds the readings to meter_hourly.';

CREATE OR REPLACE PROCEDURE telemetry.recompute_meter_hourly(
    range_from timestamptz, range_to timestamptz, only_device text
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Of one device, the lock of its live row suffices, which its writers take first.
    IF only_device IS NULL THEN
        LOCK TABLE telemetry.meter_hourly IN SHARE ROW EXCLUSIVE MODE;
    END IF;

    DELETE FROM telemetry.meter_hourly AS hourly
    USING telemetry.live_meter_state AS device
    WHERE
        hourly.meter_id = device.meter_id
        AND (only_device IS NULL OR device.meter_id = only_device)
        AND hourly.bucket_start > range_from
        AND hourly.bucket_start <= range_to;

    INSERT INTO telemetry.meter_hourly (
        meter_id, bucket_start, readings,
        energy_ac_sum_kwh, energy_ac_min_kwh, energy_ac_max_kwh, energy_ac_first_kwh, energy_ac_last_kwh,
        first_recorded_at, last_recorded_at,
        voltage_sum_v, voltage_min_v, voltage_max_v, voltage_square_sum_v2
    )
    SELECT
        history.meter_id,
        internal.hour_bucket(history.recorded_at),
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
        max(history.voltage_v),
        sum(history.voltage_v::float8 * history.voltage_v::float8)
    FROM telemetry.live_meter_state AS device
    JOIN telemetry.meter_telemetry_history AS history ON history.meter_id = device.meter_id
    WHERE
        history.recorded_at > range_from
        AND history.recorded_at <= range_to
        AND (only_device IS NULL OR device.meter_id = only_device)
    GROUP BY 1, 2;
END
$$;

COMMENT ON PROCEDURE telemetry.recompute_meter_hourly(timestamptz, timestamptz, text) IS
'Computes the hours of (range_from, range_to], whole hours (UTC), from meter_telemetry_history again, of one device or (null) of all: then writers wait until it commits (postgres profile).';

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = 'telemetry.meter_telemetry_history'::regclass AND tgname = 'b_keep_meter_hourly'
    ) THEN
        CREATE TRIGGER b_keep_meter_hourly
            AFTER INSERT ON telemetry.meter_telemetry_history
            REFERENCING NEW TABLE AS inserted
            FOR EACH STATEMENT EXECUTE FUNCTION telemetry.keep_meter_hourly();
    END IF;
END
$$;
