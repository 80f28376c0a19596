-- Differs by necessity because here a rollup is a table, which shows its rows.

CREATE PROCEDURE api.open_rollups()
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN;
END
$$;
