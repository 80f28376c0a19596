-- Whether a reading's state of charge can follow from one of the two readings before it, at most an hour older: two, so that
-- the reading after a glitch is not doubted for it. A rise has to be explained by the energy since, in a battery of the
-- listed capacity, else of 10 kWh, which is small for a car; no battery is emptied in less than 12 minutes. Both within the
-- tolerance of internal.soc_tolerance_pct.
--
-- Asked when live state is read: to judge when a reading is kept would cost every reading a look-up. Of a table, so
-- that it is inlined and planned for the hour, and no chunk outside is opened.

CREATE FUNCTION api.soc_is_plausible(vehicle text, at timestamptz)
RETURNS TABLE (is_plausible boolean)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    WITH recent AS MATERIALIZED (
        SELECT
            newest.recorded_at,
            newest.soc_pct,
            newest.energy_dc_kwh,
            row_number() OVER (ORDER BY newest.recorded_at DESC) AS age
        FROM (
            SELECT history.recorded_at, history.soc_pct, history.energy_dc_kwh
            FROM internal.vehicle_telemetry_history AS history
            WHERE
                history.vehicle_id = vehicle
                AND history.recorded_at >= at - interval '1 hour'
                AND history.recorded_at <= at
            ORDER BY history.recorded_at DESC
            LIMIT 3
        ) AS newest
    ),
    kind AS (
        SELECT
            coalesce(bool_or(known.energy_reading <> 'interval'), false) AS is_register,
            coalesce(
                -- A millionth keeps the quotient in the range of float8.
                (
                    SELECT greatest(listed.battery_capacity_kwh, 1e-6)
                    FROM internal.vehicle AS listed
                    WHERE listed.vehicle_id = vehicle
                ),
                10
            ) AS capacity_kwh
        FROM internal.device_kind AS known
        WHERE
            known.device_type = 'vehicle'
            AND known.device_id = vehicle
            AND known.kind_from < at
            AND known.kind_to >= at
    )
    SELECT bool_or(
        newest.soc_pct - before.soc_pct
        BETWEEN -internal.soc_tolerance_pct(500 * date_part('epoch', newest.recorded_at - before.recorded_at) / 3600)
        AND explained.pct + internal.soc_tolerance_pct(explained.pct)
    )
    FROM recent AS newest
    JOIN recent AS before ON before.age > 1
    CROSS JOIN kind
    CROSS JOIN LATERAL (
        SELECT
            100 / kind.capacity_kwh * CASE
                WHEN kind.is_register THEN greatest(0, newest.energy_dc_kwh - before.energy_dc_kwh)
                ELSE (SELECT sum(since.energy_dc_kwh) FROM recent AS since WHERE since.age < before.age)
            END AS pct
    ) AS explained
    WHERE newest.age = 1
$$;

COMMENT ON FUNCTION api.soc_is_plausible(text, timestamptz) IS
'Whether the state of charge of a vehicle''s reading at an instant can follow from one of the two readings before it, at most an hour older: a rise by the energy since, in a battery of the listed capacity or of 10 kWh; a fall by 500 points an hour. Both with 6 points and a fifth to spare. Null where no reading is that near.';
