COMMENT ON PROCEDURE api.complete_rollups(timestamptz, timestamptz) IS
'Makes readings that came late show in the rollups of the hours that [range_from, range_to) touches; unlike refresh_rollups it computes nothing again that is right already. CALL it outside a transaction, after a load.';
