-- Readings that contradict a stored one, by device and day (UTC) of the reading, so that a device that repeats them for ever adds
-- no more than a row a day.

CREATE TABLE telemetry.reading_conflict (
    device_type text NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    day_start timestamptz NOT NULL,
    conflicts bigint NOT NULL,
    first_recorded_at timestamptz NOT NULL,
    last_recorded_at timestamptz NOT NULL,
    last_received_at timestamptz NOT NULL,
    example_recorded_at timestamptz NOT NULL,
    kept_kwh float8 NOT NULL,
    sent_kwh float8 NOT NULL,
    CONSTRAINT reading_conflict_key PRIMARY KEY (device_type, device_id, day_start),
    CONSTRAINT device_type_is_meter_or_vehicle CHECK (device_type IN ('meter', 'vehicle'))
);
CREATE INDEX reading_conflict_by_day ON telemetry.reading_conflict (day_start);

CREATE INDEX unmatched_plug_out_that_waits ON telemetry.unmatched_plug_out (id) WHERE assignment_id IS NULL;

-- Documents that take too long to compute for each request, as the service computed them last.

CREATE TABLE telemetry.report (
    name text NOT NULL,
    computed_at timestamptz NOT NULL,
    content jsonb NOT NULL,
    CONSTRAINT report_key PRIMARY KEY (name)
);
