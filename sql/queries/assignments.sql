-- name: set_author
SELECT
    set_config('energy.operator', coalesce(%(operator)s, ''), true) AS operator,
    set_config('energy.reason', coalesce(%(reason)s, ''), true) AS reason;

-- name: lock_assignments_of
SELECT internal.lock_assignments_of(%(meters)s, %(vehicles)s);

-- name: add_assignment
INSERT INTO telemetry.assignment (meter_id, vehicle_id, during)
VALUES (%(meter_id)s, %(vehicle_id)s, tstzrange(%(from)s, %(to)s))
ON CONFLICT DO NOTHING
RETURNING id, meter_id, vehicle_id, lower(during) AS begins, upper(during) AS ends;

-- name: plug_in
SELECT outcome, id, meter_id, vehicle_id, begins, ends, replaced_end
FROM api.plug_in(%(meter_id)s, %(vehicle_id)s, %(at)s, %(clock_tolerance)s);

-- name: plug_out
SELECT outcome, id, meter_id, vehicle_id, begins, ends, replaced_end
FROM internal.plug_out(%(meter_id)s, %(vehicle_id)s, %(at)s, %(clock_tolerance)s, %(may_wait)s);

-- name: hand_over
SELECT outcome, id, meter_id, vehicle_id, begins, ends, replaced_end
FROM api.hand_over(%(meter_id)s, %(vehicle_id)s, %(at)s, %(clock_tolerance)s);

-- name: overlapping_assignments
SELECT id, meter_id, vehicle_id, lower(during) AS begins, upper(during) AS ends
FROM internal.assignments_of(%(meter_id)s, %(vehicle_id)s, tstzrange(%(from)s, %(to)s))
WHERE id IS DISTINCT FROM %(except_id)s
ORDER BY lower(during), id
-- OVERLAPS_NAMED: enough to act on.
LIMIT 10;

-- name: lock_assignment
SELECT id, meter_id, vehicle_id, lower(during) AS begins, upper(during) AS ends
FROM telemetry.assignment
WHERE id = %(id)s
FOR UPDATE;

-- name: change_assignment
UPDATE telemetry.assignment
SET
    meter_id = %(meter_id)s,
    vehicle_id = %(vehicle_id)s,
    during = tstzrange(%(from)s, %(to)s)
WHERE id = %(id)s
RETURNING id, meter_id, vehicle_id, lower(during) AS begins, upper(during) AS ends;

-- name: void_assignment
SELECT api.void_assignment(%(id)s);

-- name: assignment
SELECT id, meter_id, vehicle_id, lower(during) AS begins, upper(during) AS ends
FROM api.assignment
WHERE id = %(id)s;

-- name: changes_of_assignment
SELECT
    id, assignment_id, changed_at, action, database_role, operator, reason,
    old_meter_id, old_vehicle_id, lower(old_during) AS old_begins, upper(old_during) AS old_ends,
    new_meter_id, new_vehicle_id, lower(new_during) AS new_begins, upper(new_during) AS new_ends
FROM api.assignment_change
WHERE assignment_id = %(id)s
ORDER BY id DESC
-- CHANGES_LISTED: the newest ones.
LIMIT 100;

-- name: assignment_changes
SELECT
    id, assignment_id, changed_at, action, database_role, operator, reason,
    old_meter_id, old_vehicle_id, lower(old_during) AS old_begins, upper(old_during) AS old_ends,
    new_meter_id, new_vehicle_id, lower(new_during) AS new_begins, upper(new_during) AS new_ends
FROM api.assignment_change
WHERE id > %(after)s
ORDER BY id
LIMIT %(row_limit)s;

-- name: assignments
SELECT id, meter_id, vehicle_id, lower(during) AS begins, upper(during) AS ends
FROM api.assignment
WHERE id > %(after)s AND during && tstzrange(%(from)s, %(to)s)
ORDER BY id
LIMIT %(row_limit)s;

-- name: assignments_of_meter
-- In the order of the index over both columns, which no other index has: a plan cannot read other meters' assignments.
SELECT id, meter_id, vehicle_id, lower(during) AS begins, upper(during) AS ends
FROM api.assignment
WHERE (meter_id, id) > (%(meter_id)s, %(after)s) AND meter_id <= %(meter_id)s
ORDER BY meter_id, id
LIMIT %(row_limit)s;

-- name: assignments_of_vehicle
SELECT id, meter_id, vehicle_id, lower(during) AS begins, upper(during) AS ends
FROM api.assignment
WHERE
    (vehicle_id, id) > (%(vehicle_id)s, %(after)s)
    AND vehicle_id <= %(vehicle_id)s
    AND (%(meter_id)s::text IS NULL OR meter_id = %(meter_id)s)
ORDER BY vehicle_id, id
LIMIT %(row_limit)s;

-- name: assignments_in_force
-- At an instant, or of a device within a range of time: found by that first. Left to itself, the planner may read all
-- there are in order of id, in the hope of meeting enough that fit; but those lie together, most often at the end.
WITH in_force AS MATERIALIZED (
    SELECT id, meter_id, vehicle_id, during
    FROM api.assignment
    WHERE
        (%(meter_id)s::text IS NULL OR meter_id = %(meter_id)s)
        AND (%(vehicle_id)s::text IS NULL OR vehicle_id = %(vehicle_id)s)
        AND during && CASE
            WHEN %(at)s::timestamptz IS NULL THEN tstzrange(%(from)s, %(to)s)
            ELSE tstzrange(%(at)s, %(at)s, '[]')
        END
)
SELECT id, meter_id, vehicle_id, lower(during) AS begins, upper(during) AS ends
FROM in_force
WHERE id > %(after)s AND during && tstzrange(%(from)s, %(to)s)
ORDER BY id
LIMIT %(row_limit)s;

-- name: waiting_plug_outs
-- One row without a plug-out where none is on the page.
WITH listed AS MATERIALIZED (
    SELECT id, meter_id, vehicle_id, plugged_out_at, noted_at, database_role, operator, reason
    FROM api.waiting_plug_out
    WHERE
        (%(meter_id)s::text IS NULL OR meter_id = %(meter_id)s)
        AND (%(vehicle_id)s::text IS NULL OR vehicle_id = %(vehicle_id)s)
)
SELECT
    page.id, page.meter_id, page.vehicle_id, page.plugged_out_at, page.noted_at, page.database_role, page.operator,
    page.reason, counted.total, counted.left_over
FROM (
    SELECT count(*) AS total, count(*) FILTER (WHERE listed.id > %(after)s) AS left_over
    FROM listed
) AS counted
LEFT JOIN (
    SELECT listed.*
    FROM listed
    WHERE listed.id > %(after)s
    ORDER BY listed.id
    LIMIT %(row_limit)s
) AS page ON true
ORDER BY page.id;
