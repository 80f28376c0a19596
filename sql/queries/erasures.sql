-- name: forget_device
SELECT relation, row_count FROM api.forget_device(%(device_type)s, %(device_id)s, operator => %(operator)s);

-- name: erasures
SELECT id, device_type, erased_at, database_role, operator
FROM api.erasure
WHERE %(before)s::bigint IS NULL OR id < %(before)s
ORDER BY id DESC
LIMIT %(row_limit)s;
