-- name: say_who
SELECT
    set_config('energy.operator', coalesce(%(operator)s, ''), true),
    set_config('energy.reason', coalesce(%(reason)s, ''), true);

-- name: lock_assignments_of
SELECT api.lock_assignments_of(%(meters)s, %(vehicles)s);

-- name: add_assignment
INSERT INTO telemetry.assignment (meter_id, vehicle_id, during)
VALUES (%(meter_id)s, %(vehicle_id)s, tstzrange(%(from)s, %(to)s))
ON CONFLICT DO NOTHING
RETURNING id, meter_id, vehicle_id, lower(during), upper(during);

-- name: plug_in
SELECT outcome, id, meter_id, vehicle_id, begins, ends
FROM api.plug_in(%(meter_id)s, %(vehicle_id)s, %(at)s);

-- name: plug_out
SELECT outcome, id, meter_id, vehicle_id, begins, ends
FROM api.plug_out(%(meter_id)s, %(vehicle_id)s, %(at)s);

-- name: hand_over
SELECT outcome, id, meter_id, vehicle_id, begins, ends
FROM api.hand_over(%(meter_id)s, %(vehicle_id)s, %(at)s);

-- name: overlapping_assignments
SELECT id, meter_id, vehicle_id, lower(during), upper(during)
FROM telemetry.assignment
WHERE
    (meter_id = %(meter_id)s OR vehicle_id = %(vehicle_id)s)
    AND during && tstzrange(%(from)s, %(to)s)
    AND id IS DISTINCT FROM %(except_id)s
ORDER BY lower(during), id
-- OVERLAPS_NAMED: enough to act on.
LIMIT 10;

-- name: lock_assignment
SELECT id, meter_id, vehicle_id, lower(during), upper(during)
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
RETURNING id, meter_id, vehicle_id, lower(during), upper(during);

-- name: void_assignment
SELECT api.void_assignment(%(id)s);

-- name: assignment
SELECT id, meter_id, vehicle_id, lower(during), upper(during)
FROM api.assignment
WHERE id = %(id)s;

-- name: changes_of_assignment
SELECT
    id, assignment_id, changed_at, action, database_role, operator, reason,
    old_meter_id, old_vehicle_id, lower(old_during), upper(old_during),
    new_meter_id, new_vehicle_id, lower(new_during), upper(new_during)
FROM api.assignment_change
WHERE assignment_id = %(id)s
ORDER BY id DESC
-- CHANGES_LISTED: the newest ones.
LIMIT 100;

-- name: assignment_changes
SELECT
    id, assignment_id, changed_at, action, database_role, operator, reason,
    old_meter_id, old_vehicle_id, lower(old_during), upper(old_during),
    new_meter_id, new_vehicle_id, lower(new_during), upper(new_during)
FROM api.assignment_change
WHERE id > %(after)s
ORDER BY id
LIMIT %(row_limit)s;

-- name: assignments
SELECT id, meter_id, vehicle_id, lower(during), upper(during)
FROM api.assignment
WHERE
    id > %(after)s
    AND (%(meter_id)s::text IS NULL OR meter_id = %(meter_id)s)
    AND (%(vehicle_id)s::text IS NULL OR vehicle_id = %(vehicle_id)s)
    AND (%(at)s::timestamptz IS NULL OR during @> %(at)s::timestamptz)
    AND (
        (%(from)s::timestamptz IS NULL AND %(to)s::timestamptz IS NULL)
        OR during && tstzrange(%(from)s::timestamptz, %(to)s::timestamptz)
    )
ORDER BY id
LIMIT %(row_limit)s;
