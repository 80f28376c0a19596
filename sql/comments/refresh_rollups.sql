COMMENT ON PROCEDURE api.refresh_rollups(timestamptz, timestamptz) IS
'Completes the hourly rollups for the hours that [range_from, range_to) touches, as far back as the history is kept. CALL it outside a transaction.';
