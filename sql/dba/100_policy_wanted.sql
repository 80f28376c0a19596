-- What telemetry.policy would be after a change. A change names relations, and of each the settings that change:
-- {"meter_hourly": {"drop_after": "800 days", "columnstore_after": "never"}}. `never` is null in the table.

CREATE FUNCTION api.policy_wanted(wanted jsonb)
RETURNS TABLE (
    relation text,
    chunk_interval interval,
    columnstore_after interval,
    drop_after interval,
    refresh_start_offset interval,
    refresh_end_offset interval,
    refresh_every interval
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog
AS $$
DECLARE
    unknown text;
BEGIN
    IF jsonb_typeof(wanted) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'a change of policies is an object of relations' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT string_agg(format('"%s"', named.relation), ', ')
    INTO unknown
    FROM jsonb_object_keys(wanted) AS named (relation)
    WHERE NOT EXISTS (SELECT FROM api.policy WHERE policy.relation = named.relation);
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION 'no relation with a policy is named %', unknown
            USING
                ERRCODE = 'invalid_parameter_value',
                HINT = 'Relations: ' || (SELECT string_agg(policy.relation, ', ' ORDER BY policy.relation) FROM api.policy);
    END IF;
    SELECT string_agg(format('%s.%s', named.relation, setting.name), ', ')
    INTO unknown
    FROM jsonb_each(wanted) AS named (relation, settings)
    CROSS JOIN LATERAL jsonb_object_keys(
        CASE WHEN jsonb_typeof(named.settings) = 'object' THEN named.settings ELSE '{"": ""}' END
    ) AS setting (name)
    WHERE setting.name NOT IN (
        'chunk_interval', 'columnstore_after', 'drop_after', 'refresh_start_offset', 'refresh_end_offset', 'refresh_every'
    );
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION 'no such setting: %', unknown
            USING
                ERRCODE = 'invalid_parameter_value',
                HINT = 'Settings: chunk_interval, columnstore_after, drop_after, refresh_start_offset, refresh_end_offset, refresh_every.';
    END IF;
    RETURN QUERY
    SELECT
        policy.relation,
        api.policy_setting(wanted -> policy.relation, 'chunk_interval', policy.chunk_interval),
        api.policy_setting(wanted -> policy.relation, 'columnstore_after', policy.columnstore_after),
        api.policy_setting(wanted -> policy.relation, 'drop_after', policy.drop_after),
        api.policy_setting(wanted -> policy.relation, 'refresh_start_offset', policy.refresh_start_offset),
        api.policy_setting(wanted -> policy.relation, 'refresh_end_offset', policy.refresh_end_offset),
        api.policy_setting(wanted -> policy.relation, 'refresh_every', policy.refresh_every)
    FROM api.policy
    ORDER BY policy.relation;
END
$$;

COMMENT ON FUNCTION api.policy_wanted(jsonb) IS
'The rows of telemetry.policy as a change would leave them: {"relation": {"setting": "interval" or "never"}}. An unknown relation or setting, or what is no interval, is an error.';

CREATE FUNCTION api.policy_setting(settings jsonb, setting text, value_now interval)
RETURNS interval
LANGUAGE sql STABLE
AS $$
    SELECT CASE
        WHEN settings ->> setting IS NULL THEN value_now
        WHEN settings ->> setting <> 'never' THEN (settings ->> setting)::interval
    END
$$;

COMMENT ON FUNCTION api.policy_setting(jsonb, text, interval) IS
'One setting of a wanted policy: what is wanted, null where that is "never", what it is now where it is not named.';
