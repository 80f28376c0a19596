-- Hours whose rollup does not show all committed readings yet: late ones, until a refresh has been there (timescale profile; in the
-- postgres profile rollups are right at every commit). Rows are added and removed, never changed, and have no unique key but
-- a number: so writers wait neither for each other nor for a refresh.

CREATE TABLE telemetry.stale_hour (
    id bigint GENERATED ALWAYS AS IDENTITY,
    device_type text NOT NULL,
    device_id text COLLATE "C",
    bucket_start timestamptz NOT NULL,
    CONSTRAINT stale_hour_key PRIMARY KEY (id),
    CONSTRAINT device_type_is_meter_or_vehicle CHECK (device_type IN ('meter', 'vehicle'))
);
CREATE INDEX stale_hour_by_time ON telemetry.stale_hour (device_type, bucket_start);
