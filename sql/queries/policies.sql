-- name: policy_plan
SELECT relation, setting, value_now, value_wanted FROM api.policy_plan(%(wanted)s::jsonb);

-- name: policy_effects
SELECT relation, effect, chunks, stored_rows, stored_bytes, range_from, range_to, is_at_least
FROM internal.policy_effects(%(wanted)s::jsonb);

-- name: policy_faults
SELECT message, hint FROM internal.policy_faults(%(wanted)s::jsonb);

-- name: set_policies
CALL api.set_policies(%(wanted)s::jsonb);

-- name: adopt_policies
CALL api.adopt_policies();

-- name: unknown_jobs
SELECT concat_ws(' of ', 'job ' || job_id || ', ' || job, relation)
FROM api.job_health
WHERE NOT is_known
ORDER BY job_id;
