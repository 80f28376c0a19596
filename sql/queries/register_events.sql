-- name: register_events
SELECT
    device_type, device_id, recorded_at, kind, before_at, before_kwh, kwh, counted_kwh, correction_kwh,
    decided_by, operator, reason, decided_at, is_pending, is_to_decide
FROM api.register_event
WHERE
    (recorded_at, device_type, device_id)
        > (coalesce(%(after_at)s::timestamptz, '-infinity'), %(after_type)s::text, %(after_id)s::text COLLATE "C")
    AND recorded_at > coalesce(%(from)s::timestamptz, '-infinity')
    AND recorded_at <= coalesce(%(to)s::timestamptz, 'infinity')
    AND (%(kind)s::text IS NULL OR kind = %(kind)s)
    AND (%(to_decide)s::boolean IS NULL OR is_to_decide = %(to_decide)s)
ORDER BY recorded_at, device_type, device_id
LIMIT %(row_limit)s;

-- name: register_events_of_device
SELECT
    device_type, device_id, recorded_at, kind, before_at, before_kwh, kwh, counted_kwh, correction_kwh,
    decided_by, operator, reason, decided_at, is_pending, is_to_decide
FROM api.register_event
WHERE
    device_type = %(device_type)s
    AND device_id = %(device_id)s
    AND recorded_at > coalesce(greatest(%(after_at)s::timestamptz, %(from)s::timestamptz), '-infinity')
    AND recorded_at <= coalesce(%(to)s::timestamptz, 'infinity')
    AND (%(kind)s::text IS NULL OR kind = %(kind)s)
    AND (%(to_decide)s::boolean IS NULL OR is_to_decide = %(to_decide)s)
ORDER BY recorded_at
LIMIT %(row_limit)s;

-- name: register_events_counted
SELECT count(*) AS events
FROM (
    SELECT
    FROM api.register_event
    WHERE
        (%(device_type)s::text IS NULL OR (device_type = %(device_type)s AND device_id = %(device_id)s))
        AND recorded_at > coalesce(%(from)s::timestamptz, '-infinity')
        AND recorded_at <= coalesce(%(to)s::timestamptz, 'infinity')
        AND (%(kind)s::text IS NULL OR kind = %(kind)s)
        AND (%(to_decide)s::boolean IS NULL OR is_to_decide = %(to_decide)s)
    LIMIT %(most)s
) AS listed;

-- name: register_event
SELECT
    device_type, device_id, recorded_at, kind, before_at, before_kwh, kwh, counted_kwh, correction_kwh,
    decided_by, operator, reason, decided_at, is_pending, is_to_decide
FROM api.register_event
WHERE device_type = %(device_type)s AND device_id = %(device_id)s AND recorded_at = %(at)s;

-- name: decide_step
SELECT outcome, event_at, energy_change_kwh, is_pending
FROM api.decide_step(
    %(device_type)s, %(device_id)s, %(at)s, %(decision)s, %(first_kwh)s, %(operator)s, %(reason)s
);

-- name: withdraw_decision
SELECT outcome, event_at, energy_change_kwh, is_pending
FROM api.withdraw_decision(%(device_type)s, %(device_id)s, %(at)s, %(operator)s, %(reason)s);

-- name: register_decision
SELECT device_type, device_id, decided_for, kind, first_kwh, decided_at, database_role, operator, reason
FROM api.register_decision
WHERE device_type = %(device_type)s AND device_id = %(device_id)s AND decided_for = %(at)s;

-- name: register_decisions
SELECT device_type, device_id, decided_for, kind, first_kwh, decided_at, database_role, operator, reason
FROM api.register_decision
WHERE
    (device_type, device_id, decided_for)
        > (%(after_type)s::text, %(after_id)s::text COLLATE "C", coalesce(%(after_at)s::timestamptz, '-infinity'))
    AND (%(device_type)s::text IS NULL OR (device_type = %(device_type)s AND device_id = %(device_id)s))
ORDER BY device_type, device_id, decided_for
LIMIT %(row_limit)s;

-- name: register_decision_changes
SELECT
    id, device_type, device_id, decided_for, changed_at, action, database_role, operator, reason,
    old_kind, old_first_kwh, new_kind, new_first_kwh
FROM api.register_decision_change
WHERE id > %(after)s
ORDER BY id
LIMIT %(row_limit)s;

-- name: registers_waiting
SELECT count(*) AS registers FROM internal.register_backlog;

-- name: try_to_judge
SELECT pg_try_advisory_lock(hashtext('api.judge_backlog')) AS is_alone;

-- name: judge_backlog
SELECT api.judge_backlog() AS registers;
