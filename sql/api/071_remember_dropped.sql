-- A rollup row is computed anew only while all that it was made of is there. What the policy drops is known by the policy;
-- what somebody else dropped is written down before a refresh, because a late reading could fill the gap that tells of it.

CREATE PROCEDURE api.remember_dropped()
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE telemetry.policy
    SET dropped_before = seen.dropped_before
    FROM (
        SELECT policy.relation, api.already_dropped(policy.relation) AS dropped_before
        FROM telemetry.policy
    ) AS seen
    WHERE
        policy.relation = seen.relation
        AND seen.dropped_before > greatest(api.expired_before(policy.drop_after), policy.dropped_before, '-infinity');
END
$$;

COMMENT ON PROCEDURE api.remember_dropped() IS
'Writes down in telemetry.policy up to where data is gone that the policy keeps; every refresh calls it first.';
