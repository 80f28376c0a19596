-- Who writes assignments of a device waits here for whoever does the same, until that one commits: so what is looked up
-- after this is what the next statement finds, and two that hand over the same meter come one after the other. The
-- constraints of the table would keep them apart too, but with a deadlock now and then.
--
-- The locks are of 256 numbers that devices share (DEVICE_LOCKS), and are taken in order: a transaction holds no more
-- than so many, and no two wait for each other.

CREATE FUNCTION api.lock_assignments_of(meters text[], vehicles text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('telemetry.assignment'), bucket.number)
    FROM (
        SELECT DISTINCT hashtext(device) & 255 AS number
        FROM (
            SELECT 'meter ' || meter AS device FROM unnest(meters) AS meter
            UNION ALL
            SELECT 'vehicle ' || vehicle FROM unnest(vehicles) AS vehicle
        ) AS named
        WHERE device IS NOT NULL
        ORDER BY 1
    ) AS bucket;
END
$$;

COMMENT ON FUNCTION api.lock_assignments_of(text[], text[]) IS
'Waits until nobody else writes assignments of these meters and vehicles, and keeps others waiting until the transaction ends.';
