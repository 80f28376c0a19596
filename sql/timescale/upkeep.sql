-- Differs by necessity because here jobs do most of it: retention, columnstore, and the refresh of the policy's window.
-- What they leave is a reading that came later than that window reaches back; its rollups are completed here. One caller
-- at a time: another returns at once. No search_path is set on the procedure: a refresh runs outside a transaction.

CREATE PROCEDURE api.upkeep()
LANGUAGE plpgsql
AS $$
DECLARE
    refresh_to CONSTANT timestamptz := now() - (
        SELECT min(refresh_start_offset) FROM telemetry.policy
    );
BEGIN
    -- Only the owner may refresh. For anybody else the jobs do it: the refresh job within a minute, for readings that came
    -- later than it looks back the upkeep job within an hour.
    IF NOT pg_has_role((SELECT relowner FROM pg_class WHERE oid = 'telemetry.meter_hourly'::regclass), 'USAGE') THEN
        RETURN;
    END IF;
    IF NOT pg_try_advisory_lock(hashtext('api.upkeep')) THEN
        RETURN;
    END IF;
    CALL api.note_upkeep(is_over => false);
    COMMIT;
    CALL api.refresh_rollups(now() - interval '100 years', refresh_to);
    CALL api.note_upkeep(is_over => true);
    COMMIT;
    PERFORM pg_advisory_unlock(hashtext('api.upkeep'));
END
$$;
