-- Differs by necessity because here a reading that came late shows in its rollup only after a refresh.

CREATE PROCEDURE api.complete_rollups(range_from timestamptz, range_to timestamptz)
LANGUAGE plpgsql
AS $$
BEGIN
    -- Only the owner may refresh. For anybody else the jobs do it: the refresh job within a minute, for readings that came
    -- later than it looks back the upkeep job within an hour.
    IF NOT pg_has_role((SELECT relowner FROM pg_class WHERE oid = 'telemetry.meter_hourly'::regclass), 'USAGE') THEN
        RETURN;
    END IF;
    CALL api.refresh_rollups(range_from, range_to);
END
$$;
