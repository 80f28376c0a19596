-- Implemented by each profile, with one meaning: sql/timescale/rollups.sql and sql/postgres/rollups.sql.

COMMENT ON PROCEDURE internal.complete_rollups(timestamptz, timestamptz) IS
'Makes readings that came late show in the rollups of the hours that (range_from, range_to] touches; unlike refresh_rollups it computes nothing again that is right already. CALL it outside a transaction, after a load.';

COMMENT ON PROCEDURE internal.open_rollups() IS
'Makes rollups show rows that were written into their tables (internal.rollup_table) and that no refresh has reached (timescale profile; nothing on postgres). A copy calls it, outside a transaction.';

COMMENT ON FUNCTION internal.rollup_table(text) IS
'Name of the table, with its schema, that holds the rows of a rollup: where they are written when nothing is left that they could be made of.';
