-- Every decision about a step of a register is kept, also when it is replaced or withdrawn. A fleet may have a rated power by
-- default. The backlog of judging remembers when it moved last.

CREATE TABLE telemetry.register_decision_change (
    id bigint GENERATED ALWAYS AS IDENTITY,
    device_type text NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    decided_for timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    action text NOT NULL,
    old_kind text,
    old_first_kwh float8,
    new_kind text,
    new_first_kwh float8,
    database_role text NOT NULL,
    operator text,
    reason text,
    CONSTRAINT register_decision_change_key PRIMARY KEY (id),
    CONSTRAINT action_is_decided_changed_or_withdrawn CHECK (action IN ('decided', 'changed', 'withdrawn')),
    CONSTRAINT before_is_given_unless_decided CHECK ((old_kind IS NULL) = (action = 'decided')),
    CONSTRAINT after_is_given_unless_withdrawn CHECK ((new_kind IS NULL) = (action = 'withdrawn'))
);

CREATE INDEX register_decision_change_of_device
    ON telemetry.register_decision_change (device_type, device_id, decided_for, id);

CREATE TABLE telemetry.fleet_rated_power (
    device_type text NOT NULL,
    rated_power_kw float8 NOT NULL,
    CONSTRAINT fleet_rated_power_key PRIMARY KEY (device_type),
    CONSTRAINT device_type_is_meter_or_vehicle CHECK (device_type IN ('meter', 'vehicle')),
    CONSTRAINT rated_power_kw_is_positive CHECK (rated_power_kw > 0 AND rated_power_kw <= 1e5)
);

CREATE TABLE telemetry.judging_run (
    is_the_only_row boolean NOT NULL DEFAULT true,
    judged_at timestamptz NOT NULL,
    CONSTRAINT judging_run_key PRIMARY KEY (is_the_only_row),
    CONSTRAINT there_is_only_one_row CHECK (is_the_only_row)
);
