-- Copies a database into another, and compares two.

-- name: relations_to_copy
SELECT name, kind, column_names, key_columns, identity_column
FROM internal.copied_relation
ORDER BY refers_to, name;

-- name: fingerprints
SELECT relation, day, row_count, checksum, sums
FROM internal.fingerprints(%(from)s, %(to)s, %(kept_from)s);

-- name: horizons
SELECT kept.relation, kept.kept_from
FROM (
    SELECT relation, greatest(internal.history_horizon(relation), internal.already_dropped(relation)) AS kept_from
    FROM api.policy
) AS kept
WHERE kept.kept_from IS NOT NULL;

-- name: days_of_history
SELECT
    internal.day_floor(least(
        (SELECT min(recorded_at) FROM telemetry.meter_telemetry_history),
        (SELECT min(recorded_at) FROM telemetry.vehicle_telemetry_history)
    ) - interval '1 microsecond'),
    internal.day_ceiling(greatest(
        (SELECT max(recorded_at) FROM telemetry.live_meter_state),
        (SELECT max(recorded_at) FROM telemetry.live_vehicle_state)
    ));

-- name: rollup_is_made_from
SELECT CASE
    WHEN %(rollup)s LIKE '%%\_daily' THEN internal.day_kept_from(history.horizon)
    ELSE internal.hour_kept_from(history.horizon)
END
FROM (
    SELECT greatest(internal.history_horizon(made_of.relation), internal.already_dropped(made_of.relation)) AS horizon
    FROM (VALUES (split_part(%(rollup)s, '_', 1) || '_telemetry_history')) AS made_of (relation)
) AS history;

-- name: rollup_table
SELECT internal.rollup_table(%(rollup)s);

-- name: open_rollups
CALL internal.open_rollups();

-- name: refresh_rollups
CALL api.refresh_rollups(%(from)s, %(to)s);

-- name: apply_policies
CALL api.apply_policies();
