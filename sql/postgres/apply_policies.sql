-- Differs by necessity because there are no background jobs here: retention is what api.upkeep() does with the same rows,
-- the rollups are right at every commit, and there is no columnstore. The call says so.

CREATE PROCEDURE api.apply_policies(relations text[] DEFAULT NULL)
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
    RAISE NOTICE 'postgres profile: drop_after is carried out by api.upkeep(); chunks, columnstore and refresh need TimescaleDB';
END
$$;
