-- Comments on tables and columns that migrations create.

COMMENT ON TABLE telemetry.assignment IS
'Which meter fed which vehicle, when. A meter feeds one vehicle at a time, a vehicle draws from one meter at a time.';
COMMENT ON COLUMN telemetry.assignment.id IS 'Number of the assignment.';
COMMENT ON COLUMN telemetry.assignment.meter_id IS 'The meter that fed.';
COMMENT ON COLUMN telemetry.assignment.vehicle_id IS 'The vehicle that was fed.';
COMMENT ON COLUMN telemetry.assignment.during IS 'From when to when (unbounded while it lasts); its energy is that of the readings stamped after the first and up to the second.';

COMMENT ON TABLE telemetry.assignment_change IS
'Every change of an assignment: values before and after, when, by whom and why. Written by a trigger; in SQL, SET energy.operator and SET energy.reason give author and reason.';
COMMENT ON COLUMN telemetry.assignment_change.id IS 'Number of the change.';
COMMENT ON COLUMN telemetry.assignment_change.assignment_id IS 'The assignment; it may be there no longer.';
COMMENT ON COLUMN telemetry.assignment_change.changed_at IS 'When it was changed, by the clock of the database.';
COMMENT ON COLUMN telemetry.assignment_change.action IS
'created, changed, or voided: a wrong one taken away, which a DELETE is too.';
COMMENT ON COLUMN telemetry.assignment_change.old_meter_id IS 'The meter before; null: it was created.';
COMMENT ON COLUMN telemetry.assignment_change.old_vehicle_id IS 'The vehicle before; null: it was created.';
COMMENT ON COLUMN telemetry.assignment_change.old_during IS 'The time before; null: it was created.';
COMMENT ON COLUMN telemetry.assignment_change.new_meter_id IS 'The meter from then on; null: it was voided.';
COMMENT ON COLUMN telemetry.assignment_change.new_vehicle_id IS 'The vehicle from then on; null: it was voided.';
COMMENT ON COLUMN telemetry.assignment_change.new_during IS 'The time from then on; null: it was voided.';
COMMENT ON COLUMN telemetry.assignment_change.database_role IS 'The role that was logged in; the service has one too.';
COMMENT ON COLUMN telemetry.assignment_change.operator IS
'Who asked for it: the header X-Operator of a request, or the setting energy.operator of a session; null: not given.';
COMMENT ON COLUMN telemetry.assignment_change.reason IS
'Why: the parameter reason of a request, or the setting energy.reason of a session; null: not given.';

COMMENT ON COLUMN telemetry.assignment.assumed_end IS
'The end that a plug-in or hand-over gave it because no plug-out was reported; it counts while it is the end of during. Null: reported, corrected, or open.';

COMMENT ON TABLE telemetry.unmatched_plug_out IS
'Plug-outs that ended nothing when they came: each ends the plug-in before it that comes later. Written by api.plug_out.';
COMMENT ON COLUMN telemetry.unmatched_plug_out.id IS 'Number of the plug-out.';
COMMENT ON COLUMN telemetry.unmatched_plug_out.meter_id IS 'The meter that was unplugged from.';
COMMENT ON COLUMN telemetry.unmatched_plug_out.vehicle_id IS 'The vehicle that was unplugged; null: any.';
COMMENT ON COLUMN telemetry.unmatched_plug_out.plugged_out_at IS 'When, as the event says.';
COMMENT ON COLUMN telemetry.unmatched_plug_out.assignment_id IS 'The assignment that it ended later; null: it still waits.';
COMMENT ON COLUMN telemetry.unmatched_plug_out.noted_at IS 'When it came, by the clock of the database.';
COMMENT ON COLUMN telemetry.unmatched_plug_out.database_role IS 'The role that was logged in; the service has one too.';
COMMENT ON COLUMN telemetry.unmatched_plug_out.operator IS 'Who sent it, as in assignment_change.';
COMMENT ON COLUMN telemetry.unmatched_plug_out.reason IS 'Why, as in assignment_change.';

COMMENT ON TABLE telemetry.plug_event_default IS
'What the fleet does with plug-outs that nobody reported: one row, or none for the default. Written by api.set_plug_event_default.';
COMMENT ON COLUMN telemetry.plug_event_default.is_only IS 'True: there is one row.';
COMMENT ON COLUMN telemetry.plug_event_default.close_by_next_plug_in IS
'Whether the next plug-in of the meter or the vehicle ends an open assignment; false, the default: it is rejected.';
COMMENT ON COLUMN telemetry.plug_event_default.changed_at IS 'When it was set, by the clock of the database.';
COMMENT ON COLUMN telemetry.plug_event_default.database_role IS 'The role that was logged in; the service has one too.';
COMMENT ON COLUMN telemetry.plug_event_default.operator IS 'Who set it, as in assignment_change.';
