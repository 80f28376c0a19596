-- What a kWh value means may change at an instant, and for devices of which nothing is said it is the fleet's default.
-- telemetry.meter and telemetry.vehicle keep what holds now (null: the fleet's default); what held before is kept apart,
-- so that readings of then keep their meaning.

ALTER TABLE telemetry.meter ALTER COLUMN energy_reading DROP NOT NULL;
ALTER TABLE telemetry.meter ALTER COLUMN energy_reading DROP DEFAULT;
ALTER TABLE telemetry.vehicle ALTER COLUMN energy_reading DROP NOT NULL;
ALTER TABLE telemetry.vehicle ALTER COLUMN energy_reading DROP DEFAULT;

CREATE TABLE telemetry.meter_kind_past (
    meter_id text COLLATE "C" NOT NULL,
    until timestamptz NOT NULL,
    energy_reading text,
    register_modulus_kwh float8,
    CONSTRAINT meter_kind_past_key PRIMARY KEY (meter_id, until),
    CONSTRAINT meter_kind_past_is_of_a_listed_meter FOREIGN KEY (meter_id)
        REFERENCES telemetry.meter ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT until_is_an_instant CHECK (isfinite(until)),
    CONSTRAINT energy_reading_is_interval_or_register CHECK (energy_reading IN ('interval', 'register')),
    CONSTRAINT register_modulus_kwh_is_positive CHECK (register_modulus_kwh > 0 AND register_modulus_kwh <= 1e9)
);

CREATE TABLE telemetry.vehicle_kind_past (
    vehicle_id text COLLATE "C" NOT NULL,
    until timestamptz NOT NULL,
    energy_reading text,
    register_modulus_kwh float8,
    CONSTRAINT vehicle_kind_past_key PRIMARY KEY (vehicle_id, until),
    CONSTRAINT vehicle_kind_past_is_of_a_listed_vehicle FOREIGN KEY (vehicle_id)
        REFERENCES telemetry.vehicle ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT until_is_an_instant CHECK (isfinite(until)),
    CONSTRAINT energy_reading_is_interval_or_register CHECK (energy_reading IN ('interval', 'register')),
    CONSTRAINT register_modulus_kwh_is_positive CHECK (register_modulus_kwh > 0 AND register_modulus_kwh <= 1e9)
);

CREATE TABLE telemetry.fleet_default (
    device_type text NOT NULL,
    effective_from timestamptz NOT NULL,
    energy_reading text NOT NULL,
    register_modulus_kwh float8,
    CONSTRAINT fleet_default_key PRIMARY KEY (device_type, effective_from),
    CONSTRAINT device_type_is_meter_or_vehicle CHECK (device_type IN ('meter', 'vehicle')),
    CONSTRAINT effective_from_is_an_instant_or_always CHECK (effective_from < 'infinity'),
    CONSTRAINT energy_reading_is_interval_or_register CHECK (energy_reading IN ('interval', 'register')),
    CONSTRAINT register_modulus_kwh_is_positive CHECK (register_modulus_kwh > 0 AND register_modulus_kwh <= 1e9)
);
