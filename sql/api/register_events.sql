-- Steps of registers that are not plain energy, as the rules judge them or as an operator decided.

CREATE VIEW api.register_event AS
SELECT
    event.device_type,
    event.device_id,
    event.recorded_at,
    event.kind,
    event.before_at,
    event.before_kwh,
    event.kwh,
    event.counted_kwh,
    event.correction_kwh,
    CASE
        WHEN decision.decided_at IS NOT NULL OR event.kind IN ('plain', 'glitch', 'exchange') THEN 'operator'
        ELSE 'rule'
    END AS decided_by,
    decision.operator,
    decision.reason,
    decision.decided_at,
    EXISTS (
        SELECT
        FROM internal.register_backlog AS waiting
        WHERE
            waiting.device_type = event.device_type
            AND waiting.device_id = event.device_id
            AND waiting.judged_before <= event.recorded_at
    ) AS is_pending,
    EXISTS (
        SELECT
        FROM internal.event_to_decide AS guessed
        WHERE
            guessed.device_type = event.device_type
            AND guessed.device_id = event.device_id
            AND guessed.recorded_at = event.recorded_at
    ) AS is_to_decide
FROM internal.register_event AS event
LEFT JOIN LATERAL (
    SELECT known.operator, known.reason, known.decided_at
    FROM internal.register_decision AS known
    WHERE
        known.device_type = event.device_type
        AND known.device_id = event.device_id
        AND known.kind = event.kind
        AND known.decided_for <= event.recorded_at
        AND (
            known.decided_for = event.recorded_at
            -- An announced exchange is about the first reading after it.
            OR (known.kind = 'exchange' AND known.decided_for > coalesce(event.before_at, '-infinity'))
        )
    ORDER BY known.decided_for <> event.recorded_at, known.decided_for
    LIMIT 1
) AS decision ON event.kind IN ('plain', 'reset', 'rollover', 'glitch', 'exchange');

COMMENT ON VIEW api.register_event IS
'Steps of registers and session counters that are not plain energy. Energy over a window is the last value less the value before it plus the corrections of its events. Bound the time, or name a device.';
COMMENT ON COLUMN api.register_event.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN api.register_event.device_id IS 'The device, as it names itself.';
COMMENT ON COLUMN api.register_event.recorded_at IS 'When the reading was taken to which the step leads.';
COMMENT ON COLUMN api.register_event.kind IS
'By the rules: baseline (the first reading), return (to where the register was before), rollover, reset, break (a value that no charger leads to). By an operator: plain, reset, rollover, glitch, exchange.';
COMMENT ON COLUMN api.register_event.before_at IS 'When the reading was taken from which the step leads; null: the first reading.';
COMMENT ON COLUMN api.register_event.before_kwh IS 'Value of the register before the step, kWh; null: the first reading.';
COMMENT ON COLUMN api.register_event.kwh IS 'Value of the register after the step, kWh.';
COMMENT ON COLUMN api.register_event.counted_kwh IS 'Energy that the step counts, kWh.';
COMMENT ON COLUMN api.register_event.correction_kwh IS 'What it counts, less the difference of the two values as they were sent, kWh.';
COMMENT ON COLUMN api.register_event.decided_by IS 'rule or operator.';
COMMENT ON COLUMN api.register_event.operator IS 'Who decided it; null: the rule, or not stated.';
COMMENT ON COLUMN api.register_event.reason IS 'Why; null: the rule, or not stated.';
COMMENT ON COLUMN api.register_event.decided_at IS 'When it was decided; null: the rule.';
COMMENT ON COLUMN api.register_event.is_pending IS 'Whether it is being judged anew.';
COMMENT ON COLUMN api.register_event.is_to_decide IS
'Whether it is for an operator to decide: a reset of a register, or a break, that the rules guessed and no return has undone.';
