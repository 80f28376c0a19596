-- That a device was erased; not which.

CREATE TABLE telemetry.erasure (
    id bigint GENERATED ALWAYS AS IDENTITY,
    device_type text NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    database_role text NOT NULL DEFAULT session_user,
    operator text,
    CONSTRAINT erasure_key PRIMARY KEY (id),
    CONSTRAINT device_type_is_meter_or_vehicle CHECK (device_type IN ('meter', 'vehicle'))
);
