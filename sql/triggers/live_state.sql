-- The newest reading of each meter, stored in the transaction that inserts the readings.
-- Rows are taken in order of meter_id, as every writer of this table does, so that concurrent writers never deadlock.
--
-- A register charges while it rises: its newest value is above the previous one, which is in the stored row. The first
-- value of a register is not above any. The current kind of a meter applies to older readings too: following its past
-- would cost every reading, and the next reading corrects it. Whether any meter is a register is looked up first, by
-- index, and the kind of each meter only then.

CREATE OR REPLACE FUNCTION telemetry.keep_live_meter_state()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_register_by_default boolean;
BEGIN
    IF NOT (
        EXISTS (SELECT FROM telemetry.meter WHERE energy_reading = 'register')
        OR EXISTS (SELECT FROM telemetry.fleet_default WHERE device_type = 'meter' AND energy_reading = 'register')
    ) THEN
        INSERT INTO telemetry.live_meter_state AS live (
            meter_id, recorded_at, energy_ac_kwh, voltage_v, received_at, is_charging
        )
        SELECT DISTINCT ON (meter_id)
            meter_id, recorded_at, energy_ac_kwh, voltage_v, received_at, energy_ac_kwh > 0
        FROM inserted
        ORDER BY meter_id, recorded_at DESC
        ON CONFLICT (meter_id) DO UPDATE SET
            recorded_at = excluded.recorded_at,
            energy_ac_kwh = excluded.energy_ac_kwh,
            voltage_v = excluded.voltage_v,
            received_at = excluded.received_at,
            is_charging = excluded.is_charging
        WHERE excluded.recorded_at > live.recorded_at;
        RETURN NULL;
    END IF;

    is_register_by_default := coalesce(
        (
            SELECT fleet.energy_reading = 'register'
            FROM telemetry.fleet_default AS fleet
            WHERE fleet.device_type = 'meter'
            ORDER BY fleet.effective_from DESC
            LIMIT 1
        ),
        false
    );
    IF NOT EXISTS (SELECT FROM inserted GROUP BY meter_id HAVING count(*) > 1) THEN
        INSERT INTO telemetry.live_meter_state AS live (
            meter_id, recorded_at, energy_ac_kwh, voltage_v, received_at, is_charging
        )
        SELECT
            meter_id, recorded_at, energy_ac_kwh, voltage_v, received_at,
            energy_ac_kwh > 0
            AND NOT coalesce(
                (
                    SELECT listed.energy_reading = 'register'
                    FROM telemetry.meter AS listed
                    WHERE listed.meter_id = inserted.meter_id
                ),
                is_register_by_default
            )
        FROM inserted
        ORDER BY meter_id
        ON CONFLICT (meter_id) DO UPDATE SET
            recorded_at = excluded.recorded_at,
            energy_ac_kwh = excluded.energy_ac_kwh,
            voltage_v = excluded.voltage_v,
            received_at = excluded.received_at,
            -- Energy above zero without is_charging is a register's; and zero is never above the stored value.
            is_charging = excluded.is_charging OR excluded.energy_ac_kwh > live.energy_ac_kwh
        WHERE excluded.recorded_at > live.recorded_at;
        RETURN NULL;
    END IF;

    -- Of several readings of one device, the previous one is among them, unless the stored row lies between.
    WITH newest AS MATERIALIZED (
        SELECT
            ranked.*,
            coalesce(
                (
                    SELECT listed.energy_reading = 'register'
                    FROM telemetry.meter AS listed
                    WHERE listed.meter_id = ranked.meter_id
                ),
                is_register_by_default
            ) AS is_register
        FROM (
            SELECT
                inserted.meter_id,
                inserted.recorded_at,
                inserted.energy_ac_kwh,
                inserted.voltage_v,
                inserted.received_at,
                lead(inserted.recorded_at) OVER by_age AS before_at,
                lead(inserted.energy_ac_kwh) OVER by_age AS before_kwh,
                row_number() OVER by_age AS age
            FROM inserted
            WINDOW by_age AS (PARTITION BY inserted.meter_id ORDER BY inserted.recorded_at DESC)
        ) AS ranked
        WHERE ranked.age = 1
    ),
    next_of_live AS MATERIALIZED (
        SELECT newest.meter_id
        FROM newest
        WHERE
            newest.is_register
            AND (
                newest.before_at IS NULL
                OR newest.before_at < (
                    SELECT state.recorded_at
                    FROM telemetry.live_meter_state AS state
                    WHERE state.meter_id = newest.meter_id
                )
            )
    )
    INSERT INTO telemetry.live_meter_state AS live (
        meter_id, recorded_at, energy_ac_kwh, voltage_v, received_at, is_charging
    )
    SELECT
        newest.meter_id,
        newest.recorded_at,
        newest.energy_ac_kwh,
        newest.voltage_v,
        newest.received_at,
        CASE
            WHEN newest.is_register THEN coalesce(newest.energy_ac_kwh > newest.before_kwh, false)
            ELSE newest.energy_ac_kwh > 0
        END
    FROM newest
    ORDER BY newest.meter_id
    ON CONFLICT (meter_id) DO UPDATE SET
        recorded_at = excluded.recorded_at,
        energy_ac_kwh = excluded.energy_ac_kwh,
        voltage_v = excluded.voltage_v,
        received_at = excluded.received_at,
        is_charging = CASE
            WHEN excluded.meter_id IN (SELECT next_of_live.meter_id FROM next_of_live)
            THEN excluded.energy_ac_kwh > live.energy_ac_kwh
            ELSE excluded.is_charging
        END
    WHERE excluded.recorded_at > live.recorded_at;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION telemetry.keep_live_meter_state() IS
'Statement trigger of meter_telemetry_history: keeps live_meter_state at the newest reading by recorded_at, and whether it charges: energy above zero, or a register that rose.';

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = 'telemetry.meter_telemetry_history'::regclass AND tgname = 'a_keep_live_meter_state'
    ) THEN
        CREATE TRIGGER a_keep_live_meter_state
            AFTER INSERT ON telemetry.meter_telemetry_history
            REFERENCING NEW TABLE AS inserted
            FOR EACH STATEMENT EXECUTE FUNCTION telemetry.keep_live_meter_state();
    END IF;
END
$$;

-- The newest reading of each vehicle, stored in the transaction that inserts the readings.
-- Rows are taken in order of vehicle_id, as every writer of this table does, so that concurrent writers never deadlock.
--
-- A register charges while it rises: its newest value is above the previous one, which is in the stored row. The first
-- value of a register is not above any. The current kind of a vehicle applies to older readings too: following its past
-- would cost every reading, and the next reading corrects it. Whether any vehicle is a register is looked up first, by
-- index, and the kind of each vehicle only then.

CREATE OR REPLACE FUNCTION telemetry.keep_live_vehicle_state()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_register_by_default boolean;
BEGIN
    IF NOT (
        EXISTS (SELECT FROM telemetry.vehicle WHERE energy_reading = 'register')
        OR EXISTS (SELECT FROM telemetry.fleet_default WHERE device_type = 'vehicle' AND energy_reading = 'register')
    ) THEN
        INSERT INTO telemetry.live_vehicle_state AS live (
            vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c, received_at, is_charging
        )
        SELECT DISTINCT ON (vehicle_id)
            vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c, received_at, energy_dc_kwh > 0
        FROM inserted
        ORDER BY vehicle_id, recorded_at DESC
        ON CONFLICT (vehicle_id) DO UPDATE SET
            recorded_at = excluded.recorded_at,
            soc_pct = excluded.soc_pct,
            energy_dc_kwh = excluded.energy_dc_kwh,
            battery_temp_c = excluded.battery_temp_c,
            received_at = excluded.received_at,
            is_charging = excluded.is_charging
        WHERE excluded.recorded_at > live.recorded_at;
        RETURN NULL;
    END IF;

    is_register_by_default := coalesce(
        (
            SELECT fleet.energy_reading = 'register'
            FROM telemetry.fleet_default AS fleet
            WHERE fleet.device_type = 'vehicle'
            ORDER BY fleet.effective_from DESC
            LIMIT 1
        ),
        false
    );
    IF NOT EXISTS (SELECT FROM inserted GROUP BY vehicle_id HAVING count(*) > 1) THEN
        INSERT INTO telemetry.live_vehicle_state AS live (
            vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c, received_at, is_charging
        )
        SELECT
            vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c, received_at,
            energy_dc_kwh > 0
            AND NOT coalesce(
                (
                    SELECT listed.energy_reading = 'register'
                    FROM telemetry.vehicle AS listed
                    WHERE listed.vehicle_id = inserted.vehicle_id
                ),
                is_register_by_default
            )
        FROM inserted
        ORDER BY vehicle_id
        ON CONFLICT (vehicle_id) DO UPDATE SET
            recorded_at = excluded.recorded_at,
            soc_pct = excluded.soc_pct,
            energy_dc_kwh = excluded.energy_dc_kwh,
            battery_temp_c = excluded.battery_temp_c,
            received_at = excluded.received_at,
            -- Energy above zero without is_charging is a register's; and zero is never above the stored value.
            is_charging = excluded.is_charging OR excluded.energy_dc_kwh > live.energy_dc_kwh
        WHERE excluded.recorded_at > live.recorded_at;
        RETURN NULL;
    END IF;

    -- Of several readings of one device, the previous one is among them, unless the stored row lies between.
    WITH newest AS MATERIALIZED (
        SELECT
            ranked.*,
            coalesce(
                (
                    SELECT listed.energy_reading = 'register'
                    FROM telemetry.vehicle AS listed
                    WHERE listed.vehicle_id = ranked.vehicle_id
                ),
                is_register_by_default
            ) AS is_register
        FROM (
            SELECT
                inserted.vehicle_id,
                inserted.recorded_at,
                inserted.soc_pct,
                inserted.energy_dc_kwh,
                inserted.battery_temp_c,
                inserted.received_at,
                lead(inserted.recorded_at) OVER by_age AS before_at,
                lead(inserted.energy_dc_kwh) OVER by_age AS before_kwh,
                row_number() OVER by_age AS age
            FROM inserted
            WINDOW by_age AS (PARTITION BY inserted.vehicle_id ORDER BY inserted.recorded_at DESC)
        ) AS ranked
        WHERE ranked.age = 1
    ),
    next_of_live AS MATERIALIZED (
        SELECT newest.vehicle_id
        FROM newest
        WHERE
            newest.is_register
            AND (
                newest.before_at IS NULL
                OR newest.before_at < (
                    SELECT state.recorded_at
                    FROM telemetry.live_vehicle_state AS state
                    WHERE state.vehicle_id = newest.vehicle_id
                )
            )
    )
    INSERT INTO telemetry.live_vehicle_state AS live (
        vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c, received_at, is_charging
    )
    SELECT
        newest.vehicle_id,
        newest.recorded_at,
        newest.soc_pct,
        newest.energy_dc_kwh,
        newest.battery_temp_c,
        newest.received_at,
        CASE
            WHEN newest.is_register THEN coalesce(newest.energy_dc_kwh > newest.before_kwh, false)
            ELSE newest.energy_dc_kwh > 0
        END
    FROM newest
    ORDER BY newest.vehicle_id
    ON CONFLICT (vehicle_id) DO UPDATE SET
        recorded_at = excluded.recorded_at,
        soc_pct = excluded.soc_pct,
        energy_dc_kwh = excluded.energy_dc_kwh,
        battery_temp_c = excluded.battery_temp_c,
        received_at = excluded.received_at,
        is_charging = CASE
            WHEN excluded.vehicle_id IN (SELECT next_of_live.vehicle_id FROM next_of_live)
            THEN excluded.energy_dc_kwh > live.energy_dc_kwh
            ELSE excluded.is_charging
        END
    WHERE excluded.recorded_at > live.recorded_at;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION telemetry.keep_live_vehicle_state() IS
'Statement trigger of vehicle_telemetry_history: keeps live_vehicle_state at the newest reading by recorded_at, and whether it charges: energy above zero, or a register that rose.';

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = 'telemetry.vehicle_telemetry_history'::regclass AND tgname = 'a_keep_live_vehicle_state'
    ) THEN
        CREATE TRIGGER a_keep_live_vehicle_state
            AFTER INSERT ON telemetry.vehicle_telemetry_history
            REFERENCING NEW TABLE AS inserted
            FOR EACH STATEMENT EXECUTE FUNCTION telemetry.keep_live_vehicle_state();
    END IF;
END
$$;
