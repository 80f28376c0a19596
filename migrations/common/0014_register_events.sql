-- Steps of registers that are not plain energy are judged when the reading is kept, and remembered as events. A counter that
-- begins anew with each session is a kind of its own.

ALTER TABLE telemetry.meter DROP CONSTRAINT energy_reading_is_interval_or_register;
ALTER TABLE telemetry.meter ADD CONSTRAINT energy_reading_is_known
    CHECK (energy_reading IN ('interval', 'register', 'session'));
ALTER TABLE telemetry.vehicle DROP CONSTRAINT energy_reading_is_interval_or_register;
ALTER TABLE telemetry.vehicle ADD CONSTRAINT energy_reading_is_known
    CHECK (energy_reading IN ('interval', 'register', 'session'));
ALTER TABLE telemetry.meter_kind_past DROP CONSTRAINT energy_reading_is_interval_or_register;
ALTER TABLE telemetry.meter_kind_past ADD CONSTRAINT energy_reading_is_known
    CHECK (energy_reading IN ('interval', 'register', 'session'));
ALTER TABLE telemetry.vehicle_kind_past DROP CONSTRAINT energy_reading_is_interval_or_register;
ALTER TABLE telemetry.vehicle_kind_past ADD CONSTRAINT energy_reading_is_known
    CHECK (energy_reading IN ('interval', 'register', 'session'));
ALTER TABLE telemetry.fleet_default DROP CONSTRAINT energy_reading_is_interval_or_register;
ALTER TABLE telemetry.fleet_default ADD CONSTRAINT energy_reading_is_known
    CHECK (energy_reading IN ('interval', 'register', 'session'));

DROP INDEX telemetry.meter_that_is_a_register;
DROP INDEX telemetry.vehicle_that_is_a_register;
CREATE INDEX meter_that_is_a_register ON telemetry.meter (meter_id) WHERE energy_reading <> 'interval';
CREATE INDEX vehicle_that_is_a_register ON telemetry.vehicle (vehicle_id) WHERE energy_reading <> 'interval';
CREATE INDEX meter_that_was_a_register ON telemetry.meter_kind_past (meter_id) WHERE energy_reading <> 'interval';
CREATE INDEX vehicle_that_was_a_register ON telemetry.vehicle_kind_past (vehicle_id) WHERE energy_reading <> 'interval';

-- What judging the next reading needs, so that a plain step of a register reads no other row. Null for intervals, and while
-- the register is in the backlog.
ALTER TABLE telemetry.live_meter_state
    ADD COLUMN register_kind text,
    ADD COLUMN register_since timestamptz,
    ADD COLUMN register_power_kw float8,
    ADD COLUMN register_still_for interval,
    ADD COLUMN register_flows_from timestamptz,
    ADD COLUMN register_stands boolean;
ALTER TABLE telemetry.live_vehicle_state
    ADD COLUMN register_kind text,
    ADD COLUMN register_since timestamptz,
    ADD COLUMN register_power_kw float8,
    ADD COLUMN register_still_for interval,
    ADD COLUMN register_flows_from timestamptz,
    ADD COLUMN register_stands boolean;

CREATE TABLE telemetry.register_event (
    device_type text NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    recorded_at timestamptz NOT NULL,
    kind text NOT NULL,
    before_at timestamptz,
    before_kwh float8,
    kwh float8 NOT NULL,
    counted_kwh float8 NOT NULL,
    correction_kwh float8 NOT NULL,
    open_event_at timestamptz,
    open_counted_kwh float8,
    open_has_moved boolean,
    CONSTRAINT register_event_key PRIMARY KEY (device_type, device_id, recorded_at),
    CONSTRAINT device_type_is_meter_or_vehicle CHECK (device_type IN ('meter', 'vehicle')),
    CONSTRAINT kind_is_known CHECK (
        kind IN ('baseline', 'return', 'rollover', 'reset', 'break', 'plain', 'glitch', 'exchange')
    ),
    CONSTRAINT open_event_is_given_whole_or_not_at_all CHECK (
        num_nulls(open_event_at, open_counted_kwh, open_has_moved) IN (0, 3)
    )
);

CREATE INDEX register_event_at ON telemetry.register_event (recorded_at);

CREATE TABLE telemetry.register_decision (
    device_type text NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    decided_for timestamptz NOT NULL,
    kind text NOT NULL,
    first_kwh float8,
    decided_at timestamptz NOT NULL DEFAULT now(),
    database_role text NOT NULL DEFAULT session_user,
    operator text,
    reason text,
    CONSTRAINT register_decision_key PRIMARY KEY (device_type, device_id, decided_for),
    CONSTRAINT device_type_is_meter_or_vehicle CHECK (device_type IN ('meter', 'vehicle')),
    CONSTRAINT kind_is_known CHECK (kind IN ('plain', 'reset', 'rollover', 'glitch', 'exchange')),
    CONSTRAINT only_an_exchange_has_a_first_value CHECK ((kind = 'exchange') = (first_kwh IS NOT NULL)),
    CONSTRAINT first_kwh_in_range CHECK (first_kwh BETWEEN 0 AND 1e9)
);

CREATE TABLE telemetry.register_backlog (
    device_type text NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    judged_before timestamptz NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    is_judged_at_commit boolean NOT NULL DEFAULT false,
    CONSTRAINT register_backlog_key PRIMARY KEY (device_type, device_id),
    CONSTRAINT device_type_is_meter_or_vehicle CHECK (device_type IN ('meter', 'vehicle'))
);

-- The events of a history that is older than they are.
INSERT INTO telemetry.register_backlog (device_type, device_id, judged_before)
SELECT 'meter', live.meter_id, timestamptz '-infinity'
FROM telemetry.live_meter_state AS live
WHERE
    EXISTS (SELECT FROM telemetry.fleet_default WHERE device_type = 'meter' AND energy_reading <> 'interval')
    OR EXISTS (
        SELECT FROM telemetry.meter AS listed
        WHERE listed.meter_id = live.meter_id AND listed.energy_reading <> 'interval'
    )
    OR EXISTS (
        SELECT FROM telemetry.meter_kind_past AS past
        WHERE past.meter_id = live.meter_id AND past.energy_reading <> 'interval'
    )
UNION ALL
SELECT 'vehicle', live.vehicle_id, timestamptz '-infinity'
FROM telemetry.live_vehicle_state AS live
WHERE
    EXISTS (SELECT FROM telemetry.fleet_default WHERE device_type = 'vehicle' AND energy_reading <> 'interval')
    OR EXISTS (
        SELECT FROM telemetry.vehicle AS listed
        WHERE listed.vehicle_id = live.vehicle_id AND listed.energy_reading <> 'interval'
    )
    OR EXISTS (
        SELECT FROM telemetry.vehicle_kind_past AS past
        WHERE past.vehicle_id = live.vehicle_id AND past.energy_reading <> 'interval'
    );
