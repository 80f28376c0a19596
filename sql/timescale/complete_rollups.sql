-- Differs by necessity because here a reading that came late shows in its rollup only after a refresh.

CREATE PROCEDURE api.complete_rollups(range_from timestamptz, range_to timestamptz)
LANGUAGE plpgsql
AS $$
BEGIN
    CALL api.refresh_rollups(range_from, range_to);
END
$$;
