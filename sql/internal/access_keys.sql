-- Keys of the API, as the functions that change them look them up.

CREATE FUNCTION internal.valid_key(wanted text)
RETURNS telemetry.access_key
LANGUAGE plpgsql
AS $$
DECLARE
    found_key telemetry.access_key;
BEGIN
    SELECT * INTO found_key
    FROM telemetry.access_key AS known
    WHERE known.key_id = wanted AND known.revoked_at IS NULL AND known.expires_at > now();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no valid key %', wanted USING ERRCODE = 'no_data_found', COLUMN = 'key_id';
    END IF;
    RETURN found_key;
END
$$;

COMMENT ON FUNCTION internal.valid_key(text) IS
'A key that is neither revoked nor expired. Error P0002: there is none of this id.';
