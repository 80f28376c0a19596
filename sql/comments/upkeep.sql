COMMENT ON PROCEDURE api.upkeep() IS
'What no job of the database does by itself: drops what has expired (postgres profile), completes rollups of readings that came later than the refresh job looks back (timescale profile). The service calls it every hour; CALL it outside a transaction.';
