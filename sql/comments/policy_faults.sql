COMMENT ON FUNCTION api.policy_faults(jsonb) IS
'What stands against a change of policies: the guardrail, the relation, a message and what to do; no row where nothing does. Changes nothing.';
