-- What operators corrected in a history: each correction, and every reading that it took away or put in its place, as it was.

CREATE TABLE telemetry.correction (
    id bigint GENERATED ALWAYS AS IDENTITY,
    action text NOT NULL,
    device_type text NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    corrected_from timestamptz NOT NULL,
    corrected_to timestamptz NOT NULL,
    factor float8,
    undoes bigint,
    corrected_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    database_role text NOT NULL DEFAULT session_user,
    operator text,
    reason text NOT NULL,
    readings_before bigint NOT NULL,
    readings_after bigint NOT NULL,
    energy_before_kwh float8,
    energy_after_kwh float8,
    CONSTRAINT correction_key PRIMARY KEY (id),
    CONSTRAINT correction_is_undone_once UNIQUE (undoes),
    CONSTRAINT device_type_is_meter_or_vehicle CHECK (device_type IN ('meter', 'vehicle')),
    CONSTRAINT action_is_known CHECK (action IN ('void', 'scale', 'replace', 'undo')),
    CONSTRAINT only_scale_has_a_factor CHECK ((action = 'scale') = (factor IS NOT NULL)),
    CONSTRAINT only_undo_undoes CHECK ((action = 'undo') = (undoes IS NOT NULL)),
    CONSTRAINT window_is_not_empty CHECK (corrected_from < corrected_to)
);
CREATE INDEX correction_by_device ON telemetry.correction (device_type, device_id, id);

CREATE TABLE telemetry.corrected_reading (
    correction_id bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    was jsonb,
    became jsonb,
    CONSTRAINT corrected_reading_key PRIMARY KEY (correction_id, recorded_at),
    CONSTRAINT correction_is_known FOREIGN KEY (correction_id) REFERENCES telemetry.correction (id) ON DELETE CASCADE
);

-- Histories that were changed by hand since the last refresh.
CREATE TABLE telemetry.changed_history (
    device_type text NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT changed_history_key PRIMARY KEY (device_type),
    CONSTRAINT device_type_is_meter_or_vehicle CHECK (device_type IN ('meter', 'vehicle'))
);

-- They take a device now (sql/postgres); the timescale profile never had them.
DROP PROCEDURE IF EXISTS telemetry.recompute_meter_hourly(timestamptz, timestamptz);
DROP PROCEDURE IF EXISTS telemetry.recompute_vehicle_hourly(timestamptz, timestamptz);
DROP PROCEDURE IF EXISTS telemetry.recompute_meter_daily(timestamptz, timestamptz);
DROP PROCEDURE IF EXISTS telemetry.recompute_vehicle_daily(timestamptz, timestamptz);
