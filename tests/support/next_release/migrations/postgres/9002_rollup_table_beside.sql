-- Differs by necessity because here the rollup is a table. It would take a column, but hours that are there would have to be
-- written anew while readings are added to them: so a table is made beside it, kept by a trigger of its own from now on,
-- and filled by parts.

CREATE TABLE telemetry.meter_hourly_next (LIKE telemetry.meter_hourly INCLUDING ALL);

ALTER TABLE telemetry.meter_hourly_next ADD COLUMN voltage_square_sum_v2 float8;

CREATE FUNCTION telemetry.keep_meter_hourly_next()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO telemetry.meter_hourly_next AS kept (
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

CREATE TRIGGER c_keep_meter_hourly_next
    AFTER INSERT ON telemetry.meter_telemetry_history
    REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION telemetry.keep_meter_hourly_next();

-- Called again and again by the DBA, a day (UTC) or more at a time, outside a transaction. A part is a hundred meters of it: while
-- one is written, the trigger waits; so what is read is what it adds to, and no reading counts twice or not at all.
CREATE PROCEDURE telemetry.fill_meter_hourly_next(range_from timestamptz, range_to timestamptz)
LANGUAGE plpgsql
AS $$
DECLARE
    meters_per_part CONSTANT integer := 100;
    meters text[];
    after_meter text := '';
BEGIN
    LOOP
        meters := ARRAY(
            SELECT meter_id
            FROM telemetry.live_meter_state
            WHERE meter_id > after_meter
            ORDER BY meter_id
            LIMIT meters_per_part
        );
        EXIT WHEN meters = '{}';
        LOCK TABLE telemetry.meter_hourly_next IN SHARE ROW EXCLUSIVE MODE;
        DELETE FROM telemetry.meter_hourly_next
        WHERE meter_id = ANY (meters) AND bucket_start > range_from AND bucket_start <= range_to;
        INSERT INTO telemetry.meter_hourly_next (
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
        FROM telemetry.meter_telemetry_history
        WHERE meter_id = ANY (meters) AND recorded_at > range_from AND recorded_at <= range_to
        GROUP BY 1, 2;
        COMMIT;
        after_meter := meters[cardinality(meters)];
    END LOOP;
END
$$;
