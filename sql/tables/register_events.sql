-- Comments on tables and columns that migrations create.

COMMENT ON TABLE telemetry.register_event IS
'Steps of registers that are not plain energy, judged when the reading was kept. Energy of a register over a window is its value at the end minus that at the beginning plus the corrections in between. Events outlive the history.';
COMMENT ON COLUMN telemetry.register_event.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN telemetry.register_event.device_id IS 'The device, as it names itself.';
COMMENT ON COLUMN telemetry.register_event.recorded_at IS 'When the reading was taken to which the step leads.';
COMMENT ON COLUMN telemetry.register_event.kind IS
'baseline (the first reading), return (to where the register was before), rollover, reset, break (a value that no charger leads to), or what an operator decided: plain, reset, rollover, glitch, exchange.';
COMMENT ON COLUMN telemetry.register_event.before_at IS 'When the reading was taken from which the step leads; null: the first reading.';
COMMENT ON COLUMN telemetry.register_event.before_kwh IS 'Value of the register before the step, kWh; null: the first reading.';
COMMENT ON COLUMN telemetry.register_event.kwh IS 'Value of the register after the step, kWh.';
COMMENT ON COLUMN telemetry.register_event.counted_kwh IS 'Energy that the step counts, kWh.';
COMMENT ON COLUMN telemetry.register_event.correction_kwh IS 'What it counts, less the difference of the two values as they were sent, kWh.';
COMMENT ON COLUMN telemetry.register_event.open_event_at IS 'The event that a return may still undo after this one, by its instant; null: none.';
COMMENT ON COLUMN telemetry.register_event.open_counted_kwh IS 'What was counted since that event, it included, kWh.';
COMMENT ON COLUMN telemetry.register_event.open_has_moved IS 'Whether the register has moved since that event.';

COMMENT ON TABLE telemetry.register_decision IS
'What operators decided about steps of registers; it stands whatever comes later. Written by api.decide_step.';
COMMENT ON COLUMN telemetry.register_decision.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN telemetry.register_decision.device_id IS 'The device, as it names itself.';
COMMENT ON COLUMN telemetry.register_decision.decided_for IS
'The instant of the reading to which the step leads; of an exchange, when it took place: it is about the first reading from then on.';
COMMENT ON COLUMN telemetry.register_decision.kind IS
'plain (energy flowed), reset (to zero), rollover (at the modulus), glitch (the reading counts nothing), exchange (of the meter).';
COMMENT ON COLUMN telemetry.register_decision.first_kwh IS 'Of an exchange, the value with which the new meter began, kWh.';
COMMENT ON COLUMN telemetry.register_decision.decided_at IS 'When it was decided.';
COMMENT ON COLUMN telemetry.register_decision.database_role IS 'The database role that wrote it.';
COMMENT ON COLUMN telemetry.register_decision.operator IS 'Who decided it, as the request says; null: the request does not.';
COMMENT ON COLUMN telemetry.register_decision.reason IS 'Why, as the request says; null: the request does not.';

COMMENT ON TABLE telemetry.register_backlog IS
'Registers whose readings are being judged anew, in parts, by api.judge_backlog.';
COMMENT ON COLUMN telemetry.register_backlog.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN telemetry.register_backlog.device_id IS 'The device, as it names itself.';
COMMENT ON COLUMN telemetry.register_backlog.judged_before IS 'Events before this instant are right; those from it on wait.';
COMMENT ON COLUMN telemetry.register_backlog.since IS 'Since when it waits.';
COMMENT ON COLUMN telemetry.register_backlog.is_judged_at_commit IS
'Whether the transaction that added the row judges it before it commits.';

COMMENT ON TABLE telemetry.register_decision_change IS
'Every decision about a step of a register that was made, changed or withdrawn. Written by a trigger.';
COMMENT ON COLUMN telemetry.register_decision_change.id IS 'Number, counted up.';
COMMENT ON COLUMN telemetry.register_decision_change.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN telemetry.register_decision_change.device_id IS 'The device, as it names itself.';
COMMENT ON COLUMN telemetry.register_decision_change.decided_for IS 'The instant that the decision is about.';
COMMENT ON COLUMN telemetry.register_decision_change.changed_at IS 'When it was changed.';
COMMENT ON COLUMN telemetry.register_decision_change.action IS 'decided, changed or withdrawn.';
COMMENT ON COLUMN telemetry.register_decision_change.old_kind IS 'What was decided before; null: nothing.';
COMMENT ON COLUMN telemetry.register_decision_change.old_first_kwh IS 'Of an exchange, the first value of the new meter as decided before, kWh.';
COMMENT ON COLUMN telemetry.register_decision_change.new_kind IS 'What is decided since; null: nothing.';
COMMENT ON COLUMN telemetry.register_decision_change.new_first_kwh IS 'Of an exchange, the first value of the new meter as decided since, kWh.';
COMMENT ON COLUMN telemetry.register_decision_change.database_role IS 'The database role that changed it.';
COMMENT ON COLUMN telemetry.register_decision_change.operator IS 'Who changed it, as the request says; null: the request does not.';
COMMENT ON COLUMN telemetry.register_decision_change.reason IS 'Why, as the request says; null: the request does not.';

COMMENT ON TABLE telemetry.judging_run IS 'One row, or none: when api.judge_backlog last judged a part.';
COMMENT ON COLUMN telemetry.judging_run.is_the_only_row IS 'Always true; as the key, it keeps the table at one row.';
COMMENT ON COLUMN telemetry.judging_run.judged_at IS 'When the newest part was judged.';
