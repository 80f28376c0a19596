-- name: policy_plan
SELECT relation, setting, value_now, value_wanted FROM api.policy_plan(%(wanted)s::jsonb);

-- name: policy_effects
SELECT relation, effect, chunks, stored_rows, stored_bytes, range_from, range_to, is_at_least
FROM api.policy_effects(%(wanted)s::jsonb);

-- name: policy_faults
SELECT message, hint FROM api.policy_faults(%(wanted)s::jsonb);

-- name: set_policies
CALL api.set_policies(%(wanted)s::jsonb);
