-- Who may do what over HTTP. Of a key the hash is kept, not the key.

CREATE TABLE telemetry.access_key (
    key_id text COLLATE "C" NOT NULL,
    secret_sha256 bytea NOT NULL,
    name text NOT NULL,
    scope text NOT NULL,
    device_ids text[],
    id_prefixes text[],
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text,
    expires_at timestamptz NOT NULL DEFAULT 'infinity',
    revoked_at timestamptz,
    revoked_by text,
    last_used_at timestamptz,
    CONSTRAINT access_key_key PRIMARY KEY (key_id),
    CONSTRAINT key_id_is_8_hex_digits CHECK (key_id ~ '^[0-9a-f]{8}$'),
    CONSTRAINT secret_is_hashed CHECK (octet_length(secret_sha256) = 32),
    CONSTRAINT scope_is_known CHECK (scope IN ('device', 'gateway', 'reader', 'operator', 'admin')),
    CONSTRAINT a_device_key_names_devices CHECK ((scope = 'device') = (device_ids IS NOT NULL)),
    CONSTRAINT only_a_gateway_has_prefixes CHECK (id_prefixes IS NULL OR scope = 'gateway')
);

-- Raised by every change of a key, so that services notice it by reading one row.
CREATE TABLE telemetry.access_change (
    is_the_only_row boolean NOT NULL DEFAULT true,
    changed_at timestamptz NOT NULL,
    CONSTRAINT access_change_key PRIMARY KEY (is_the_only_row),
    CONSTRAINT there_is_only_one_row CHECK (is_the_only_row)
);
INSERT INTO telemetry.access_change (changed_at) VALUES (now());
