-- The policies in force after a change. A change names relations and the settings to change of each:
-- {"meter_hourly": {"drop_after": "800 days", "columnstore_after": "never"}}. `never` is null in the table. Omitted settings
-- stay as they are in force, even where telemetry.policy differs. A change without relations applies all of
-- telemetry.policy.
--
-- An interval must have one length: a number without a unit would be seconds, and months are compared as 30 days each but
-- have 28 to 31, so that a guardrail would accept what erases a rollup a day later.

CREATE FUNCTION internal.policy_wanted(wanted jsonb)
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
    given record;
BEGIN
    IF jsonb_typeof(wanted) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'a change of policies is an object of relations' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT string_agg(format('"%s"', named.relation), ', ')
    INTO unknown
    FROM jsonb_object_keys(wanted) AS named (relation)
    WHERE NOT EXISTS (SELECT FROM internal.policy WHERE policy.relation = named.relation);
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION 'no relation with a policy is named %', unknown
            USING
                ERRCODE = 'invalid_parameter_value',
                HINT = 'Relations: ' || (SELECT string_agg(policy.relation, ', ' ORDER BY policy.relation) FROM internal.policy);
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
    FOR given IN
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
        IF given.is_without_unit THEN
            RAISE EXCEPTION '%.% is "%", which ends in a number without a unit', given.relation, given.name, given.value
                USING ERRCODE = 'invalid_parameter_value', HINT = 'Write "800 days", "2 hours" or "90 seconds".';
        END IF;
        BEGIN
            PERFORM given.value::interval;
        EXCEPTION WHEN invalid_datetime_format OR datetime_field_overflow OR interval_field_overflow THEN
            RAISE EXCEPTION '%.% is "%", which is not a length of time', given.relation, given.name, given.value
                USING ERRCODE = 'invalid_parameter_value', HINT = 'Write "800 days", "2 hours" or "90 seconds", or "never".';
        END;
        IF date_trunc('month', given.value::interval) <> interval '0' THEN
            RAISE EXCEPTION '%.% is "%", but months and years are not always of one length',
                given.relation, given.name, given.value
                USING ERRCODE = 'invalid_parameter_value', HINT = 'Give it in days, such as "30 days".';
        END IF;
    END LOOP;
    RETURN QUERY
    SELECT
        base.relation,
        internal.policy_setting(wanted -> base.relation, 'chunk_interval', base.chunk_interval),
        internal.policy_setting(wanted -> base.relation, 'columnstore_after', base.columnstore_after),
        internal.policy_setting(wanted -> base.relation, 'drop_after', base.drop_after),
        internal.policy_setting(wanted -> base.relation, 'refresh_start_offset', base.refresh_start_offset),
        internal.policy_setting(wanted -> base.relation, 'refresh_end_offset', base.refresh_end_offset),
        internal.policy_setting(wanted -> base.relation, 'refresh_every', base.refresh_every)
    FROM (
        SELECT
            policy.relation,
            policy.chunk_interval,
            policy.columnstore_after,
            policy.drop_after,
            policy.refresh_start_offset,
            policy.refresh_end_offset,
            policy.refresh_every
        FROM internal.policy
        WHERE wanted = '{}'
        UNION ALL
        SELECT
            kept.relation,
            kept.chunk_interval,
            kept.columnstore_after,
            kept.drop_after,
            kept.refresh_start_offset,
            kept.refresh_end_offset,
            kept.refresh_every
        FROM internal.policy_in_force AS kept
        WHERE wanted <> '{}'
    ) AS base
    ORDER BY 1;
END
$$;

COMMENT ON FUNCTION internal.policy_wanted(jsonb) IS
'The policies after a change, omitted settings as they are in force: {"relation": {"setting": "interval" or "never"}}. An unknown relation or setting, or a value that is no interval of one length ("800", "3 months"), is an error.';

CREATE FUNCTION internal.policy_setting(settings jsonb, setting text, value_now interval)
RETURNS interval
LANGUAGE sql STABLE
AS $$
    SELECT CASE
        WHEN settings ->> setting IS NULL THEN value_now
        WHEN settings ->> setting <> 'never' THEN (settings ->> setting)::interval
    END
$$;

COMMENT ON FUNCTION internal.policy_setting(jsonb, text, interval) IS
'One setting of a wanted policy: the wanted value, null for "never", the value in force where it is omitted.';

-- Guardrails of both profiles. The postgres profile never refreshes over dropped data, and rejects what would be wrong on
-- the other one too, so that a file of policies means the same on both, and a copy finds policies it can apply.

CREATE FUNCTION internal.policy_contradictions(wanted jsonb)
RETURNS TABLE (guardrail text, relation text, message text, hint text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog
AS $$
#variable_conflict use_column
DECLARE
    longest CONSTANT interval := interval '36500 days';
BEGIN
    -- Each setting by itself. Settings that do not change are not checked.
    RETURN QUERY
    SELECT
        CASE WHEN change.wanted > longest THEN 'interval_is_too_long' ELSE 'interval_is_too_short' END,
        plan.relation,
        format(
            '%s.%s would be %s, but %s is the %s it can be',
            plan.relation,
            change.setting,
            internal.interval_text(change.wanted),
            internal.interval_text(CASE WHEN change.wanted > longest THEN longest ELSE change.shortest END),
            CASE WHEN change.wanted > longest THEN 'longest' ELSE 'shortest' END
        ),
        CASE
            WHEN change.wanted > longest THEN 'What is kept for ever is "never" dropped.'
            ELSE format('A setting that is not named stays as it is: %s.', coalesce(internal.interval_text(change.kept), 'never'))
        END
    FROM internal.policy_wanted(wanted) AS plan
    JOIN internal.policy_in_force AS kept ON kept.relation = plan.relation
    CROSS JOIN LATERAL (
        VALUES
            ('chunk_interval', plan.chunk_interval, kept.chunk_interval, interval '1 hour'),
            ('columnstore_after', plan.columnstore_after, kept.columnstore_after, interval '1 hour'),
            ('drop_after', plan.drop_after, kept.drop_after, interval '1 hour'),
            ('refresh_start_offset', plan.refresh_start_offset, kept.refresh_start_offset, interval '3 hours'),
            ('refresh_end_offset', plan.refresh_end_offset, kept.refresh_end_offset, interval '1 hour'),
            ('refresh_every', plan.refresh_every, kept.refresh_every, interval '10 seconds')
    ) AS change (setting, wanted, kept, shortest)
    WHERE
        change.wanted IS DISTINCT FROM change.kept
        AND (change.wanted < change.shortest OR change.wanted > longest);
    IF FOUND THEN
        -- The checks below compute with them.
        RETURN;
    END IF;

    RETURN QUERY
    SELECT
        'chunk_interval_is_given',
        plan.relation,
        format('%s: chunks are always of some length, and chunk_interval cannot be "never"', plan.relation),
        'A chunk_interval that is not named stays as it is.'::text
    FROM internal.policy_wanted(wanted) AS plan
    WHERE plan.chunk_interval IS NULL;
    IF FOUND THEN
        RETURN;
    END IF;

    -- The settings of a relation together, by the constraints of the table, whose comments are the messages.
    RETURN QUERY EXECUTE (
        SELECT string_agg(
            format(
                'SELECT %L, plan.relation, plan.relation || %L, %L FROM internal.policy_wanted($1) AS plan WHERE (%s) IS FALSE',
                rule.conname,
                ': ' || obj_description(rule.oid, 'pg_constraint'),
                'A setting that is not named stays as it is.',
                pg_get_expr(rule.conbin, rule.conrelid)
            ),
            ' UNION ALL '
        )
        FROM pg_constraint AS rule
        JOIN pg_class AS named ON named.oid = rule.conrelid AND named.relname = 'policy'
        JOIN pg_namespace AS schema ON schema.oid = named.relnamespace AND schema.nspname = 'telemetry'
        WHERE rule.contype = 'c'
    )
    USING wanted;
    IF FOUND THEN
        RETURN;
    END IF;

    RETURN QUERY
    SELECT
        'drop_inside_the_refresh_window',
        source.relation,
        format(
            '%s would be dropped after %s, but the refresh of %s looks back %s: what came late would be dropped before it shows',
            source.relation, internal.interval_text(source.drop_after), rollup.relation, internal.interval_text(rollup.refresh_start_offset)
        ),
        format('Make drop_after of %s longer than refresh_start_offset of %s.', source.relation, rollup.relation)
    FROM internal.policy_wanted(wanted) AS rollup
    JOIN internal.policy_in_force AS rollup_kept ON rollup_kept.relation = rollup.relation
    JOIN internal.policy_wanted(wanted) AS source ON source.relation = internal.source_relation(rollup.relation)
    JOIN internal.policy_in_force AS kept ON kept.relation = source.relation
    WHERE
        source.drop_after <= rollup.refresh_start_offset
        AND (source.drop_after, rollup.refresh_start_offset)
            IS DISTINCT FROM (kept.drop_after, rollup_kept.refresh_start_offset);

    RETURN QUERY
    SELECT
        'drop_inside_the_refresh_window',
        plan.relation,
        format(
            '%s would be dropped after %s, but its refresh looks back %s: it would write again what was dropped',
            plan.relation, internal.interval_text(plan.drop_after), internal.interval_text(plan.refresh_start_offset)
        ),
        'Make drop_after longer than refresh_start_offset.'::text
    FROM internal.policy_wanted(wanted) AS plan
    JOIN internal.policy_in_force AS kept ON kept.relation = plan.relation
    WHERE
        plan.drop_after <= plan.refresh_start_offset
        AND (plan.drop_after, plan.refresh_start_offset)
            IS DISTINCT FROM (kept.drop_after, kept.refresh_start_offset);
END
$$;

COMMENT ON FUNCTION internal.policy_contradictions(jsonb) IS
'Those of internal.policy_violations that both storage profiles reject: settings that contradict each other.';

-- Implemented by each profile, with one meaning: sql/timescale/policies.sql and sql/postgres/policies.sql.

COMMENT ON FUNCTION internal.policy_effects(jsonb) IS
'What a change of policies would do to existing data: by relation and effect (drop, columnstore) the chunks, rows, bytes, range of time, and whether there are more rows than that, because the rollup that counts the readings is behind; no row where nothing would happen. Chunks and bytes are null on the postgres profile. Changes nothing.';

COMMENT ON FUNCTION internal.policy_violations(jsonb) IS
'Guardrails that reject a change of policies: the guardrail, the relation, a message and what to do; no row where none does. Changes nothing.';

COMMENT ON VIEW internal.policy_in_force IS
'The policies in force, by the chunk intervals and jobs of the database (postgres profile: telemetry.policy itself). Normal: equal to telemetry.policy; api.policy_plan() lists differences.';
COMMENT ON COLUMN internal.policy_in_force.relation IS 'Name of the relation in schema telemetry.';
COMMENT ON COLUMN internal.policy_in_force.chunk_interval IS 'Time range of its next chunk.';
COMMENT ON COLUMN internal.policy_in_force.columnstore_after IS 'Age at which a chunk goes to the columnstore; null: never.';
COMMENT ON COLUMN internal.policy_in_force.drop_after IS 'Age at which data is dropped; null: never.';
COMMENT ON COLUMN internal.policy_in_force.refresh_start_offset IS 'How far back its refresh job looks; null: it has none.';
COMMENT ON COLUMN internal.policy_in_force.refresh_end_offset IS 'Age at which its refresh job materialises a bucket.';
COMMENT ON COLUMN internal.policy_in_force.refresh_every IS 'How often its refresh job runs.';
