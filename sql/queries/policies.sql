-- The settings of the profile: without chunks, only retention.
-- name: policies_shown
SELECT
    policy.relation,
    setting.name AS setting,
    coalesce(internal.interval_text(setting.wanted), 'never') AS wanted,
    coalesce(internal.interval_text(setting.in_force), 'never') AS in_force,
    change.changed_at,
    change.changed_by,
    change.changed_through
FROM api.policy
JOIN internal.policy_in_force AS kept USING (relation)
CROSS JOIN LATERAL (
    VALUES
        (1, 'chunk_interval', policy.chunk_interval, kept.chunk_interval),
        (2, 'columnstore_after', policy.columnstore_after, kept.columnstore_after),
        (3, 'drop_after', policy.drop_after, kept.drop_after),
        (4, 'refresh_start_offset', policy.refresh_start_offset, kept.refresh_start_offset),
        (5, 'refresh_end_offset', policy.refresh_end_offset, kept.refresh_end_offset),
        (6, 'refresh_every', policy.refresh_every, kept.refresh_every)
) AS setting (place, name, wanted, in_force)
LEFT JOIN LATERAL (
    SELECT latest.changed_at, latest.changed_by, latest.changed_through
    FROM api.policy_change AS latest
    WHERE latest.relation = policy.relation AND latest.setting = setting.name
    ORDER BY latest.id DESC
    LIMIT 1
) AS change ON true
WHERE
    setting.name = 'drop_after'
    OR (
        (SELECT installation.profile = 'timescale' FROM telemetry.installation)
        AND (
            setting.name IN ('chunk_interval', 'columnstore_after')
            OR num_nonnulls(setting.wanted, setting.in_force) > 0
        )
    )
ORDER BY policy.relation, setting.place;

-- name: policy_plan
SELECT relation, setting, value_now, value_wanted FROM api.policy_plan(%(wanted)s::jsonb);

-- name: policy_effects
SELECT relation, effect, chunks, stored_rows, stored_bytes, range_from, range_to, is_at_least
FROM internal.policy_effects(%(wanted)s::jsonb);

-- name: policy_violations
SELECT message, hint FROM internal.policy_violations(%(wanted)s::jsonb);

-- name: set_policies
CALL api.set_policies(%(wanted)s::jsonb);

-- name: adopt_policies
CALL api.adopt_policies();

-- name: unknown_jobs
SELECT concat_ws(' of ', 'job ' || job_id || ', ' || job, relation)
FROM api.job_health
WHERE NOT is_known
ORDER BY job_id;
