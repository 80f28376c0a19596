COMMENT ON PROCEDURE api.open_rollups() IS
'Lets rollups show rows that were written into their tables (api.rollup_table) where no refresh has had a reading yet (timescale profile; nothing is to be done on the other). A copy calls it, outside a transaction.';
