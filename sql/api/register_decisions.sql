-- What an operator decides about a step of a register stands whatever comes later, until it is withdrawn. Both calls lock the
-- register, judge it anew from that instant on, and record what was decided before.

CREATE FUNCTION api.decide_step(
    kind_of_device text,
    device text,
    at timestamptz,
    decision text,
    first_kwh float8 DEFAULT NULL,
    operator text DEFAULT NULL,
    reason text DEFAULT NULL
)
RETURNS TABLE (outcome text, event_at timestamptz, energy_change_kwh float8, is_pending boolean)
LANGUAGE plpgsql SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM internal.one_of('kind_of_device', kind_of_device, ARRAY['meter', 'vehicle']);
    PERFORM internal.one_of('decision', decision, ARRAY['plain', 'reset', 'rollover', 'glitch', 'exchange']);
    PERFORM internal.check_decision_is_whole(decision, at, first_kwh);
    PERFORM internal.lock_known_device(kind_of_device, device);
    PERFORM internal.check_decision(kind_of_device, device, at, decision, first_kwh);
    RETURN QUERY
    SELECT * FROM internal.apply_decision(kind_of_device, device, at, decision, first_kwh, operator, reason);
END
$$;

COMMENT ON FUNCTION api.decide_step(text, text, timestamptz, text, float8, text, text) IS
'Decides the step of a register (kind_of_device: meter or vehicle) that leads to its reading of an instant: plain (energy flowed), reset (began at 0), rollover (at the modulus), glitch (the reading counts nothing); or exchange: a new meter, which began with first_kwh, is read from the instant on, which may lie 31 days ahead. operator and reason default to the settings energy.operator and energy.reason. Returns the outcome (decided, changed, unchanged), the instant of the reading it is about (null: it is still to come), by how much it changed the energy of the register (kWh; null: not known, since it was being judged anew already), and whether part of the work is left to the backlog. Error 22023: not allowed, with an example; P0002: no such device.';

CREATE FUNCTION api.withdraw_decision(
    kind_of_device text,
    device text,
    at timestamptz,
    operator text DEFAULT NULL,
    reason text DEFAULT NULL
)
RETURNS TABLE (outcome text, event_at timestamptz, energy_change_kwh float8, is_pending boolean)
LANGUAGE plpgsql SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM internal.one_of('kind_of_device', kind_of_device, ARRAY['meter', 'vehicle']);
    PERFORM internal.lock_known_device(kind_of_device, device);
    IF NOT EXISTS (
        SELECT
        FROM telemetry.register_decision_change AS change
        WHERE change.device_type = kind_of_device AND change.device_id = device AND change.decided_for = at
    ) THEN
        RAISE EXCEPTION 'nothing was decided about % % at %', kind_of_device, device, internal.rfc3339(at)
            USING
                ERRCODE = 'no_data_found',
                HINT = coalesce(
                    (
                        SELECT 'Decisions: ' || string_agg(internal.rfc3339(known.decided_for), ', ' ORDER BY known.decided_for)
                        FROM (
                            SELECT decision.decided_for
                            FROM telemetry.register_decision AS decision
                            WHERE decision.device_type = kind_of_device AND decision.device_id = device
                            ORDER BY abs(extract(epoch FROM decision.decided_for - at))
                            LIMIT 3
                        ) AS known
                    ),
                    'There is no decision about this device.'
                );
    END IF;
    RETURN QUERY
    SELECT * FROM internal.apply_decision(kind_of_device, device, at, NULL, NULL, operator, reason);
END
$$;

COMMENT ON FUNCTION api.withdraw_decision(text, text, timestamptz, text, text) IS
'Takes back what was decided about an instant of a register (kind_of_device: meter or vehicle); the rules judge it again. The decision stays in register_decision_change. Returns what api.decide_step returns, the outcome withdrawn, or unchanged where it was withdrawn before. Error P0002: nothing was decided about that instant.';
