-- Differs by necessity because all other guardrails guard what only TimescaleDB has. Here rollups are right at every commit
-- and nothing is refreshed over dropped data.

CREATE FUNCTION api.policy_faults(wanted jsonb)
RETURNS TABLE (fault text, relation text, message text, hint text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog
AS $$
#variable_conflict use_column
BEGIN
    PERFORM api.policy_wanted(wanted);
    RETURN QUERY SELECT found.* FROM api.policy_contradictions(wanted) AS found;
END
$$;
