-- Comments on tables and columns that migrations create.

COMMENT ON TABLE telemetry.access_key IS 'Keys with which devices and people use the API, by hash; a revoked one stays.';
COMMENT ON COLUMN telemetry.access_key.key_id IS 'The part of the key that may be shown: ev_<key_id>_<secret>.';
COMMENT ON COLUMN telemetry.access_key.secret_sha256 IS 'SHA-256 of the whole key, whose secret has 244 random bits.';
COMMENT ON COLUMN telemetry.access_key.name IS 'What people call it.';
COMMENT ON COLUMN telemetry.access_key.scope IS
'device (readings and plug events of its devices), gateway (of devices by prefix, or any), reader (answers), operator (assignments, devices, corrections too), admin (all).';
COMMENT ON COLUMN telemetry.access_key.device_ids IS 'Of scope device, the ids that it speaks for.';
COMMENT ON COLUMN telemetry.access_key.id_prefixes IS 'Of scope gateway, what the ids that it speaks for begin with; null: any.';
COMMENT ON COLUMN telemetry.access_key.created_at IS 'When it was made.';
COMMENT ON COLUMN telemetry.access_key.created_by IS 'Who made it; null: not stated.';
COMMENT ON COLUMN telemetry.access_key.expires_at IS 'From when on it is not valid; infinity: never.';
COMMENT ON COLUMN telemetry.access_key.revoked_at IS 'When it was revoked; null: it was not.';
COMMENT ON COLUMN telemetry.access_key.revoked_by IS 'Who revoked it; null: not stated.';
COMMENT ON COLUMN telemetry.access_key.last_used_at IS 'The minute in which it was last used; null: never.';

COMMENT ON TABLE telemetry.access_change IS 'One row: when a key was last made, changed or revoked. Written by a trigger.';
COMMENT ON COLUMN telemetry.access_change.is_the_only_row IS 'Always true; as the key, it keeps the table at one row.';
COMMENT ON COLUMN telemetry.access_change.changed_at IS 'When a key was last changed.';
