-- The power of readings: a reading's energy over the time in which it flowed, which is that since the device's previous reading. So a reading
-- a quarter of an hour gives the mean of that quarter, and one after a gap the mean of the gap.
--
-- A register that shows whole kWh, or one that is read from a cache, stands still while energy flows: after a standstill, a step
-- took the time since the value moved last, 20 minutes at most. Of a step that an event makes up for nobody knows the time.

CREATE FUNCTION internal.longest_standstill()
RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT interval '20 minutes' $$;

COMMENT ON FUNCTION internal.longest_standstill() IS
'How long a register is taken to stand still while energy flows: a kWh at 3.7 kW takes 16 minutes, caches last 15.';

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
    flow_from timestamptz,
    stands boolean,
    energy_kwh float8,
    power_kw float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 500
AS $$
    SELECT
        timed.recorded_at,
        timed.previous_at,
        timed.flow_from,
        timed.stands,
        timed.energy_kwh,
        -- Jitter of a register is no power.
        greatest(0, timed.energy_kwh / date_part('epoch', timed.recorded_at - timed.flow_from) * 3600)
    FROM (
        SELECT
            step.recorded_at,
            step.previous_at,
            step.energy_kwh,
            step.is_register AND step.energy_kwh = 0 AS stands,
            CASE
                WHEN step.is_event THEN NULL
                WHEN
                    step.is_register
                    AND step.energy_kwh <> 0
                    AND lag(step.energy_kwh) OVER in_time = 0
                    -- The first step after a rest took long only where the value stands still again.
                    AND (
                        lead(step.energy_kwh) OVER in_time = 0
                        OR max(step.recorded_at) FILTER (WHERE step.energy_kwh <> 0) OVER (
                            in_time ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                        ) >= step.recorded_at - internal.longest_standstill()
                    )
                    THEN least(
                        step.previous_at,
                        greatest(
                            max(step.recorded_at) FILTER (WHERE step.energy_kwh <> 0) OVER (
                                in_time ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                            ),
                            step.recorded_at - internal.longest_standstill()
                        )
                    )
                ELSE step.previous_at
            END AS flow_from
        FROM (
            SELECT
                reading.recorded_at,
                lag(reading.recorded_at) OVER earlier AS previous_at,
                coalesce(period.energy_reading, 'interval') <> 'interval' AS is_register,
                coalesce(event.kind NOT IN ('reset', 'rollover', 'plain'), false) AS is_event,
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
                    WHERE
                        (SELECT internal.has_registers(kind_of_device))
                        AND internal.has_registers(kind_of_device, device)
                    OFFSET 0
                ) AS register
                CROSS JOIN LATERAL internal.device_periods(
                    kind_of_device, powers_from - internal.longest_standstill(), powers_to, device
                ) AS kind
            ) AS period ON reading.recorded_at > period.counted_from AND reading.recorded_at <= period.counted_to
            LEFT JOIN internal.register_event AS event
                ON event.device_type = kind_of_device
                AND event.device_id = device
                AND event.recorded_at = reading.recorded_at
                AND event.recorded_at > powers_from - internal.longest_standstill()
                AND event.recorded_at <= powers_to
            WHERE
                reading.device_type = kind_of_device
                AND reading.device_id = device
                -- From the reading before, and of a register from its standstill before.
                AND reading.recorded_at >= least(
                    CASE
                        WHEN (SELECT internal.has_registers(kind_of_device))
                            THEN powers_from - internal.longest_standstill()
                        ELSE powers_from
                    END,
                    (
                        SELECT before.recorded_at
                        FROM internal.device_reading AS before
                        WHERE
                            before.device_type = kind_of_device
                            AND before.device_id = device
                            AND before.recorded_at > powers_from - internal.longest_step()
                            AND before.recorded_at <= powers_from
                            AND before.recorded_at > internal.earlier(within_from, 24)
                            AND before.recorded_at <= within_to
                        ORDER BY before.recorded_at DESC
                        LIMIT 1
                    )
                )
                -- No more than that: but a bound that a look-up gives is none for the batches of a columnstore.
                AND reading.recorded_at > powers_from - internal.longest_step()
                AND reading.recorded_at <= powers_to
                AND reading.recorded_at > internal.earlier(within_from, 24)
                AND reading.recorded_at <= within_to
            WINDOW earlier AS (ORDER BY reading.recorded_at)
        ) AS step
        WINDOW in_time AS (ORDER BY step.recorded_at)
    ) AS timed
    -- What comes before only tells since when.
    WHERE timed.recorded_at > powers_from
$$;

COMMENT ON FUNCTION internal.reading_powers(text, text, timestamptz, timestamptz, timestamptz, timestamptz) IS
'Each reading of a meter or vehicle (kind_of_device) in (powers_from, powers_to] while its history is kept: the previous reading (previous_at, null: none within a day), its energy (kWh) and mean power (kW) since flow_from, null where that is not known; whether it is that of a register that stands still. within_from and within_to are planning bounds that hold the time.';

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

CREATE FUNCTION internal.power_now(kind_of_device text, device text, newest_at timestamptz, as_of timestamptz)
RETURNS TABLE (power_kw float8)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT CASE
        WHEN moved.recorded_at = newest_at THEN moved.power_kw
        -- A register that stood still before its last step goes on at its power, for as long as that took.
        WHEN
            moved.flow_from < moved.previous_at
            AND newest_at - moved.recorded_at <= moved.recorded_at - moved.flow_from
            THEN moved.power_kw
        ELSE 0
    END
    -- A sub-select in an argument would keep the function from being inlined: it would be planned for each device.
    FROM (
        SELECT
            newest_at - CASE
                WHEN (SELECT internal.has_registers(kind_of_device)) THEN 2 * internal.longest_standstill()
                ELSE interval '1 microsecond'
            END AS powers_from
        WHERE newest_at >= as_of - internal.silent_after()
        OFFSET 0
    ) AS heard
    CROSS JOIN LATERAL internal.reading_powers(
        kind_of_device,
        device,
        heard.powers_from,
        newest_at,
        internal.earlier(as_of, 2),
        internal.earlier(as_of, -1)
    ) AS moved
    -- The newest that does not stand still, of a register at rest any.
    ORDER BY moved.stands, moved.recorded_at DESC
    LIMIT 1
$$;

COMMENT ON FUNCTION internal.power_now(text, text, timestamptz, timestamptz) IS
'The power (kW) of a meter or vehicle (kind_of_device) at as_of by its newest reading, taken at newest_at: null where there was none within a day before, and where it is silent.';
