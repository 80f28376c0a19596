-- From where on the history is whole: what the policy keeps, less what an earlier policy dropped.

CREATE FUNCTION api.history_horizon(relation_name text)
RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT greatest(api.expired_before(policy.drop_after), policy.dropped_before)
    FROM api.policy
    WHERE policy.relation = relation_name
$$;

COMMENT ON FUNCTION api.history_horizon(text) IS
'The instant from which on a history (by its name in schema telemetry) is kept whole; null where nothing was ever dropped. Older readings are refused, older rollups left alone.';
