-- The power between two readings: a reading's energy over the time since the device's previous one. So a reading a quarter of an
-- hour gives the mean of that quarter, and one after a gap the mean of the gap. The step of a register counts as its event does.

CREATE FUNCTION internal.reading_powers(
    kind_of_device text,
    device text,
    powers_from timestamptz,
    powers_to timestamptz,
    within_from timestamptz,
    within_to timestamptz
)
RETURNS TABLE (
    recorded_at timestamptz,
    previous_at timestamptz,
    energy_kwh float8,
    power_kw float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 500
AS $$
    SELECT
        step.recorded_at,
        step.previous_at,
        step.energy_kwh,
        step.energy_kwh / date_part('epoch', step.recorded_at - step.previous_at) * 3600
    FROM (
        SELECT
            reading.recorded_at,
            lag(reading.recorded_at) OVER earlier AS previous_at,
            CASE
                WHEN coalesce(period.energy_reading, 'interval') = 'interval' THEN reading.energy_kwh
                WHEN event.kind = 'baseline' THEN NULL
                ELSE
                    reading.energy_kwh - lag(reading.energy_kwh) OVER earlier + coalesce(event.correction_kwh, 0)
            END AS energy_kwh
        FROM internal.device_reading AS reading
        LEFT JOIN (
            -- Asked of registers only: the call takes longer than all the rest.
            SELECT kind.energy_reading, kind.counted_from, kind.counted_to
            FROM (
                SELECT
                WHERE (SELECT internal.has_registers(kind_of_device)) AND internal.has_registers(kind_of_device, device)
                OFFSET 0
            ) AS register
            CROSS JOIN LATERAL internal.device_periods(kind_of_device, powers_from, powers_to, device) AS kind
        ) AS period ON reading.recorded_at > period.counted_from AND reading.recorded_at <= period.counted_to
        LEFT JOIN internal.register_event AS event
            ON event.device_type = kind_of_device
            AND event.device_id = device
            AND event.recorded_at = reading.recorded_at
            AND event.recorded_at > powers_from
            AND event.recorded_at <= powers_to
        WHERE
            reading.device_type = kind_of_device
            AND reading.device_id = device
            AND reading.recorded_at >= coalesce(
                (
                    SELECT before.recorded_at
                    FROM internal.device_reading AS before
                    WHERE
                        before.device_type = kind_of_device
                        AND before.device_id = device
                        AND before.recorded_at > powers_from - internal.longest_step()
                        AND before.recorded_at <= powers_from
                        AND before.recorded_at > within_from - internal.longest_step()
                        AND before.recorded_at <= within_to
                    ORDER BY before.recorded_at DESC
                    LIMIT 1
                ),
                powers_from
            )
            AND reading.recorded_at <= powers_to
            AND reading.recorded_at > within_from - internal.longest_step()
            AND reading.recorded_at <= within_to
        WINDOW earlier AS (ORDER BY reading.recorded_at)
    ) AS step
    WHERE step.recorded_at > powers_from
$$;

COMMENT ON FUNCTION internal.reading_powers(text, text, timestamptz, timestamptz, timestamptz, timestamptz) IS
'Each reading of a meter or vehicle (kind_of_device) in (powers_from, powers_to] while its history is kept: its energy (kWh) and its mean power (kW) since the previous reading (previous_at, null: none within a day, then the power is not known either). within_from and within_to are planning bounds that hold the time.';

-- From which power on energy is taken to flow: a charger that stands by draws a few watts.

CREATE FUNCTION internal.least_flow_kw()
RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT 0.1::float8 $$;

COMMENT ON FUNCTION internal.least_flow_kw() IS
'The mean AC power (kW) from which a charge is taken to go on; less is the charger''s own.';

CREATE FUNCTION internal.silent_after()
RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT interval '30 minutes' $$;

COMMENT ON FUNCTION internal.silent_after() IS
'How old the newest reading of a device may be that charges: meters that send one a quarter of an hour, a little late, are not silent.';

CREATE FUNCTION internal.power_now(kind_of_device text, device text, newest_at timestamptz)
RETURNS TABLE (power_kw float8)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT reading.power_kw
    FROM (SELECT WHERE newest_at >= now() - internal.silent_after() OFFSET 0) AS heard
    CROSS JOIN LATERAL internal.reading_powers(
        kind_of_device,
        device,
        newest_at - interval '1 microsecond',
        newest_at,
        now() - internal.silent_after(),
        now() + interval '1 hour'
    ) AS reading
$$;

COMMENT ON FUNCTION internal.power_now(text, text, timestamptz) IS
'The power (kW) of the newest reading of a meter or vehicle (kind_of_device), taken at newest_at: its energy over the time since the one before, null where there was none within a day; no row for a silent device.';
