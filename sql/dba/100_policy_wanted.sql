-- The policies that the database would carry out after a change. A change names relations, and of each the settings that
-- change: {"meter_hourly": {"drop_after": "800 days", "columnstore_after": "never"}}. `never` is null in the table. What is
-- not named of these relations is what telemetry.policy says; the other relations stay as they are. A change that names no
-- relation is to carry out all of telemetry.policy.
--
-- An interval has to say one length and no other: a number without a unit would be seconds, and months are compared as 30
-- days each but are 28 to 31 where they count, so that a guardrail would let pass what erases a rollup a day later.

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
    said record;
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
    FOR said IN
        SELECT
            named.relation,
            setting.name,
            setting.value,
            setting.value ~ '(^|\s)[-+]?[0-9.]+(e[-+]?[0-9]+)?\s*$' AS is_without_unit
        FROM jsonb_each(wanted) AS named (relation, settings)
        CROSS JOIN LATERAL jsonb_each_text(named.settings) AS setting (name, value)
        WHERE setting.value <> 'never'
        ORDER BY named.relation, setting.name
    LOOP
        IF said.is_without_unit THEN
            RAISE EXCEPTION '%.% is "%", which ends in a number without a unit', said.relation, said.name, said.value
                USING ERRCODE = 'invalid_parameter_value', HINT = 'Write "800 days", "2 hours" or "90 seconds".';
        END IF;
        IF date_trunc('month', said.value::interval) <> interval '0' THEN
            RAISE EXCEPTION '%.% is "%", but months and years are not always of one length',
                said.relation, said.name, said.value
                USING ERRCODE = 'invalid_parameter_value', HINT = 'Say it in days.';
        END IF;
    END LOOP;
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
    WHERE wanted = '{}' OR wanted ? policy.relation
    UNION ALL
    SELECT
        kept.relation,
        kept.chunk_interval,
        kept.columnstore_after,
        kept.drop_after,
        kept.refresh_start_offset,
        kept.refresh_end_offset,
        kept.refresh_every
    FROM api.policy_in_force AS kept
    WHERE wanted <> '{}' AND NOT wanted ? kept.relation
    ORDER BY 1;
END
$$;

COMMENT ON FUNCTION api.policy_wanted(jsonb) IS
'The policies as a change would leave them, of relations that it does not name as the database carries them out: {"relation": {"setting": "interval" or "never"}}. An unknown relation or setting, or what is no interval of one length ("800", "3 months"), is an error.';

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
