-- name: keys_changed
SELECT changed_at FROM telemetry.access_change;

-- name: valid_keys
SELECT key_id, secret_sha256, name, scope, device_ids, id_prefixes, nullif(expires_at, 'infinity') AS expires_at
FROM telemetry.access_key
WHERE revoked_at IS NULL AND expires_at > now();

-- name: note_keys_used
UPDATE telemetry.access_key
SET last_used_at = date_trunc('minute', now())
WHERE key_id = ANY (%(key_ids)s) AND last_used_at IS DISTINCT FROM date_trunc('minute', now());

-- name: add_key
SELECT api.add_key(
    %(name)s, %(scope)s, device_ids => %(device_ids)s, id_prefixes => %(id_prefixes)s,
    expires_at => coalesce(%(expires_at)s::timestamptz, 'infinity'), created_by => %(operator)s
) AS key;

-- name: rotate_key
SELECT api.rotate_key(%(key_id)s, created_by => %(operator)s) AS key;

-- name: revoke_key
SELECT api.revoke_key(%(key_id)s, revoked_by => %(operator)s);

-- name: keys
SELECT
    key_id, name, scope, device_ids, id_prefixes, created_at, created_by, expires_at, revoked_at, revoked_by, last_used_at
FROM api.access_key
ORDER BY created_at, key_id;

-- name: key
SELECT
    key_id, name, scope, device_ids, id_prefixes, created_at, created_by, expires_at, revoked_at, revoked_by, last_used_at
FROM api.access_key
WHERE key_id = %(key_id)s;
