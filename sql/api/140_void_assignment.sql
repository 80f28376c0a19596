-- An assignment that never was. Its change stays in the record, which a trigger keeps: that is why a role which deletes
-- nothing may call this, with the rights of the owner.

CREATE FUNCTION api.void_assignment(assignment_id bigint)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM telemetry.assignment WHERE id = assignment_id;
END
$$;

COMMENT ON FUNCTION api.void_assignment(bigint) IS
'Takes an assignment away as one that never was; what it said stays in telemetry.assignment_change. Nothing happens where there is none.';
