-- name: add_assignment
INSERT INTO telemetry.assignment (meter_id, vehicle_id, during)
VALUES (%(meter_id)s, %(vehicle_id)s, tstzrange(%(from)s, %(to)s))
ON CONFLICT DO NOTHING
RETURNING id, meter_id, vehicle_id, lower(during), upper(during);

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
SET during = tstzrange(%(from)s, %(to)s)
WHERE id = %(id)s
RETURNING id, meter_id, vehicle_id, lower(during), upper(during);

-- name: assignments
SELECT id, meter_id, vehicle_id, lower(during), upper(during)
FROM api.assignment
WHERE
    id > %(after)s
    AND (%(meter_id)s::text IS NULL OR meter_id = %(meter_id)s)
    AND (%(vehicle_id)s::text IS NULL OR vehicle_id = %(vehicle_id)s)
    AND (%(at)s::timestamptz IS NULL OR during @> %(at)s::timestamptz)
ORDER BY id
LIMIT %(row_limit)s;
