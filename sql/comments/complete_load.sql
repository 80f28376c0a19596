COMMENT ON PROCEDURE api.complete_load(timestamptz, timestamptz) IS
'What a load of old readings calls when it is over with [range_from, range_to): completes the rollups there, and moves to the columnstore the chunks that end within it and are old enough (timescale profile; nothing on postgres). CALL it outside a transaction.';
