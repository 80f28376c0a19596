-- The assignments of a meter and those of a vehicle that touch a span of time. Asked for one side after the other: with
-- OR between them, the planner may prefer to read whatever is in force at that time, of all devices.

CREATE FUNCTION api.assignments_of(meter text, vehicle text, span tstzrange)
RETURNS TABLE (id bigint, meter_id text, vehicle_id text, during tstzrange)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 2
AS $$
    SELECT fed.id, fed.meter_id, fed.vehicle_id, fed.during
    FROM api.assignment AS fed
    WHERE fed.meter_id = meter AND fed.during && span
    UNION
    SELECT drawn.id, drawn.meter_id, drawn.vehicle_id, drawn.during
    FROM api.assignment AS drawn
    WHERE drawn.vehicle_id = vehicle AND drawn.during && span
$$;

COMMENT ON FUNCTION api.assignments_of(text, text, tstzrange) IS
'Assignments of a meter, and those of a vehicle, that are in force at some time of a span.';
