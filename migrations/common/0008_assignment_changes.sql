-- What became of assignments: every change with its values before and after, when, by whom and why. A trigger keeps it.

CREATE TABLE telemetry.assignment_change (
    id bigint GENERATED ALWAYS AS IDENTITY,
    assignment_id bigint NOT NULL,
    changed_at timestamptz NOT NULL,
    action text NOT NULL,
    old_meter_id text COLLATE "C",
    old_vehicle_id text COLLATE "C",
    old_during tstzrange,
    new_meter_id text COLLATE "C",
    new_vehicle_id text COLLATE "C",
    new_during tstzrange,
    database_role text NOT NULL,
    operator text,
    reason text,
    CONSTRAINT assignment_change_key PRIMARY KEY (id),
    CONSTRAINT action_is_created_changed_or_voided CHECK (action IN ('created', 'changed', 'voided')),
    CONSTRAINT before_is_given_unless_created CHECK (
        num_nulls(old_meter_id, old_vehicle_id, old_during) = CASE action WHEN 'created' THEN 3 ELSE 0 END
    ),
    CONSTRAINT after_is_given_unless_voided CHECK (
        num_nulls(new_meter_id, new_vehicle_id, new_during) = CASE action WHEN 'voided' THEN 3 ELSE 0 END
    )
);

-- The changes of one assignment; and, for an event that is told again, what once began or ended at its instant.
CREATE INDEX assignment_change_of_assignment ON telemetry.assignment_change (assignment_id, id);
CREATE INDEX assignment_change_begins ON telemetry.assignment_change (new_meter_id, lower(new_during));
CREATE INDEX assignment_change_ends ON telemetry.assignment_change (new_meter_id, upper(new_during));

-- Pages of a device's assignments in order of id, however many it has; and assignments of a time, whoever's they are.
CREATE INDEX assignment_of_meter ON telemetry.assignment (meter_id, id);
CREATE INDEX assignment_of_vehicle ON telemetry.assignment (vehicle_id, id);
CREATE INDEX assignment_at ON telemetry.assignment USING gist (during);
