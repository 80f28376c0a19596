COMMENT ON TABLE telemetry.assignment IS
'Which meter fed which vehicle, when. A meter feeds one vehicle at a time, a vehicle draws from one meter at a time.';
COMMENT ON COLUMN telemetry.assignment.id IS 'Number of the assignment.';
COMMENT ON COLUMN telemetry.assignment.meter_id IS 'The meter that fed.';
COMMENT ON COLUMN telemetry.assignment.vehicle_id IS 'The vehicle that was fed.';
COMMENT ON COLUMN telemetry.assignment.during IS 'From when (included) to when (not included; unbounded while it lasts).';
