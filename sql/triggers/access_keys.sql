-- Services read one row to notice that a key was made, changed or revoked; that a key was used is no change.

CREATE OR REPLACE FUNCTION telemetry.note_access_change()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE telemetry.access_change SET changed_at = clock_timestamp();
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION telemetry.note_access_change() IS 'Statement trigger of access_key: writes down that keys changed.';

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = 'telemetry.access_key'::regclass AND tgname = 'note_access_change'
    ) THEN
        CREATE TRIGGER note_access_change
            AFTER INSERT OR DELETE OR TRUNCATE
                OR UPDATE OF secret_sha256, name, scope, device_ids, id_prefixes, expires_at, revoked_at
            ON telemetry.access_key
            FOR EACH STATEMENT EXECUTE FUNCTION telemetry.note_access_change();
    END IF;
END
$$;
