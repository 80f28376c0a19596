COMMENT ON PROCEDURE api.refresh_rollups(timestamptz, timestamptz) IS
'Completes the hourly and daily rollups for the hours and days that [range_from, range_to) touches, as far back as the history is kept. CALL it outside a transaction. On the timescale profile a refresh of the same hours by somebody else is an error (55P03): call it again.';
