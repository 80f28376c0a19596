-- name: correct_readings
SELECT api.correct_readings(
    %(device_type)s, %(device_id)s, %(from)s, %(to)s, %(action)s, %(reason)s,
    factor => %(factor)s, readings => %(readings)s, operator => %(operator)s
) AS id;

-- name: undo_correction
SELECT api.undo_correction(%(id)s, %(reason)s, operator => %(operator)s) AS id;

-- name: correction
SELECT
    id, action, device_type, device_id, corrected_from, corrected_to, factor, undoes, undone_by, corrected_at,
    database_role, operator, reason, readings_before, readings_after, energy_before_kwh, energy_after_kwh, is_pending
FROM api.correction
WHERE id = %(id)s;

-- name: corrections
SELECT
    id, action, device_type, device_id, corrected_from, corrected_to, factor, undoes, undone_by, corrected_at,
    database_role, operator, reason, readings_before, readings_after, energy_before_kwh, energy_after_kwh, is_pending
FROM api.correction
WHERE
    (%(before)s::bigint IS NULL OR id < %(before)s)
    AND (%(device_type)s::text IS NULL OR (device_type = %(device_type)s AND device_id = %(device_id)s))
ORDER BY id DESC
LIMIT %(row_limit)s;

-- name: corrected_readings
SELECT recorded_at, was, became
FROM api.corrected_reading
WHERE correction_id = %(id)s AND recorded_at > coalesce(%(after)s::timestamptz, '-infinity')
ORDER BY recorded_at
LIMIT %(row_limit)s;
