-- Keys of the API: made, rotated, revoked, listed. The key itself is answered once and kept nowhere.

CREATE FUNCTION api.add_key(
    name text,
    scope text,
    device_ids text[] DEFAULT NULL,
    id_prefixes text[] DEFAULT NULL,
    expires_at timestamptz DEFAULT 'infinity',
    created_by text DEFAULT NULL
)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    key_id CONSTANT text := left(replace(gen_random_uuid()::text, '-', ''), 8);
    -- Each has 122 random bits.
    secret CONSTANT text := replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
    key CONSTANT text := format('ev_%s_%s', key_id, secret);
BEGIN
    PERFORM internal.one_of('scope', scope, ARRAY['device', 'gateway', 'reader', 'operator', 'admin']);
    IF trim(coalesce(name, '')) = '' THEN
        RAISE EXCEPTION 'name is missing: say what uses the key, such as ''depot north'''
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'name';
    END IF;
    IF (scope = 'device') <> (coalesce(cardinality(device_ids), 0) > 0) THEN
        RAISE EXCEPTION 'device_ids must come with scope device, and with it must name a device, such as M-101'
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'device_ids';
    END IF;
    IF scope <> 'gateway' AND cardinality(id_prefixes) > 0 THEN
        RAISE EXCEPTION 'id_prefixes must come with scope gateway: % has none', scope
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'id_prefixes';
    END IF;
    IF expires_at <= now() THEN
        RAISE EXCEPTION 'expires_at must be in the future, such as %', internal.rfc3339(date_trunc('hour', now()) + interval '365 days')
            USING ERRCODE = 'invalid_parameter_value', COLUMN = 'expires_at';
    END IF;
    INSERT INTO telemetry.access_key (
        key_id, secret_sha256, name, scope, device_ids, id_prefixes, expires_at, created_by
    )
    VALUES (
        key_id, sha256(convert_to(key, 'UTF8')), trim(name), scope, nullif(device_ids, '{}'), nullif(id_prefixes, '{}'),
        expires_at, created_by
    );
    RETURN key;
END
$$;

COMMENT ON FUNCTION api.add_key(text, text, text[], text[], timestamptz, text) IS
'Makes a key and returns it, once: ev_<key_id>_<secret>. scope: device (with device_ids), gateway (with id_prefixes, or for any device), reader, operator, admin. Error 22023: not allowed, with an example.';

CREATE FUNCTION api.rotate_key(key_id text, overlap interval DEFAULT '1 day', created_by text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    old telemetry.access_key;
BEGIN
    old := internal.valid_key(key_id);
    UPDATE telemetry.access_key AS known
    SET expires_at = least(known.expires_at, now() + overlap)
    WHERE known.key_id = old.key_id;
    RETURN api.add_key(old.name, old.scope, old.device_ids, old.id_prefixes, old.expires_at, created_by);
END
$$;

COMMENT ON FUNCTION api.rotate_key(text, interval, text) IS
'Makes a key like another one, and returns it; the old one stays valid for the overlap, so that its users change at their time. Error P0002: there is no such key that is valid.';

CREATE FUNCTION api.revoke_key(key_id text, revoked_by text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    old CONSTANT telemetry.access_key := internal.valid_key(key_id);
BEGIN
    UPDATE telemetry.access_key AS known
    SET revoked_at = now(), revoked_by = revoke_key.revoked_by
    WHERE known.key_id = old.key_id;
END
$$;

COMMENT ON FUNCTION api.revoke_key(text, text) IS
'Makes a key invalid for good, within two seconds in every service. Error P0002: there is no such key that is valid.';

CREATE VIEW api.access_key AS
SELECT
    known.key_id,
    known.name,
    known.scope,
    known.device_ids,
    known.id_prefixes,
    known.created_at,
    known.created_by,
    nullif(known.expires_at, 'infinity') AS expires_at,
    known.revoked_at,
    known.revoked_by,
    known.last_used_at
FROM internal.access_key AS known;

COMMENT ON VIEW api.access_key IS 'Keys with which devices and people use the API, without what they are checked by.';
COMMENT ON COLUMN api.access_key.key_id IS 'The part of the key that may be shown.';
COMMENT ON COLUMN api.access_key.name IS 'What people call it.';
COMMENT ON COLUMN api.access_key.scope IS 'device, gateway, reader, operator or admin.';
COMMENT ON COLUMN api.access_key.device_ids IS 'Of scope device, the ids that it speaks for.';
COMMENT ON COLUMN api.access_key.id_prefixes IS 'Of scope gateway, what the ids that it speaks for begin with; null: any.';
COMMENT ON COLUMN api.access_key.created_at IS 'When it was made.';
COMMENT ON COLUMN api.access_key.created_by IS 'Who made it; null: not stated.';
COMMENT ON COLUMN api.access_key.expires_at IS 'From when on it is not valid; null: never.';
COMMENT ON COLUMN api.access_key.revoked_at IS 'When it was revoked; null: it was not.';
COMMENT ON COLUMN api.access_key.revoked_by IS 'Who revoked it; null: not stated.';
COMMENT ON COLUMN api.access_key.last_used_at IS 'The minute in which it was last used; null: never.';
