-- What is known of a device and is not a reading, and which meter fed which vehicle, when.

CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public;

CREATE TABLE telemetry.meter (
    meter_id text COLLATE "C" NOT NULL,
    name text,
    site_name text,
    energy_reading text NOT NULL DEFAULT 'interval',
    register_modulus_kwh float8,
    rated_power_kw float8,
    CONSTRAINT meter_key PRIMARY KEY (meter_id),
    CONSTRAINT name_is_a_line_of_100_characters CHECK (name ~ '^[^\u0001-\u001f\u007f]{1,100}$' AND name = btrim(name)),
    CONSTRAINT site_name_is_a_line_of_100_characters CHECK (
        site_name ~ '^[^\u0001-\u001f\u007f]{1,100}$' AND site_name = btrim(site_name)
    ),
    CONSTRAINT meter_id_is_well_formed CHECK (meter_id ~ '^[A-Za-z0-9._:-]{1,64}$'),
    CONSTRAINT energy_reading_is_interval_or_register CHECK (energy_reading IN ('interval', 'register')),
    CONSTRAINT register_modulus_kwh_is_positive CHECK (register_modulus_kwh > 0 AND register_modulus_kwh <= 1e9),
    CONSTRAINT rated_power_kw_is_positive CHECK (rated_power_kw > 0 AND rated_power_kw <= 1e5)
);

CREATE TABLE telemetry.vehicle (
    vehicle_id text COLLATE "C" NOT NULL,
    name text,
    group_name text,
    energy_reading text NOT NULL DEFAULT 'interval',
    register_modulus_kwh float8,
    rated_power_kw float8,
    battery_capacity_kwh float8,
    CONSTRAINT vehicle_key PRIMARY KEY (vehicle_id),
    CONSTRAINT name_is_a_line_of_100_characters CHECK (name ~ '^[^\u0001-\u001f\u007f]{1,100}$' AND name = btrim(name)),
    CONSTRAINT group_name_is_a_line_of_100_characters CHECK (
        group_name ~ '^[^\u0001-\u001f\u007f]{1,100}$' AND group_name = btrim(group_name)
    ),
    CONSTRAINT vehicle_id_is_well_formed CHECK (vehicle_id ~ '^[A-Za-z0-9._:-]{1,64}$'),
    CONSTRAINT energy_reading_is_interval_or_register CHECK (energy_reading IN ('interval', 'register')),
    CONSTRAINT register_modulus_kwh_is_positive CHECK (register_modulus_kwh > 0 AND register_modulus_kwh <= 1e9),
    CONSTRAINT rated_power_kw_is_positive CHECK (rated_power_kw > 0 AND rated_power_kw <= 1e5),
    CONSTRAINT battery_capacity_kwh_is_positive CHECK (battery_capacity_kwh > 0 AND battery_capacity_kwh <= 1e5)
);

CREATE TABLE telemetry.assignment (
    id bigint GENERATED ALWAYS AS IDENTITY,
    meter_id text COLLATE "C" NOT NULL,
    vehicle_id text COLLATE "C" NOT NULL,
    during tstzrange NOT NULL,
    CONSTRAINT assignment_key PRIMARY KEY (id),
    CONSTRAINT meter_id_is_well_formed CHECK (meter_id ~ '^[A-Za-z0-9._:-]{1,64}$'),
    CONSTRAINT vehicle_id_is_well_formed CHECK (vehicle_id ~ '^[A-Za-z0-9._:-]{1,64}$'),
    CONSTRAINT during_has_a_start CHECK (NOT isempty(during) AND NOT lower_inf(during)),
    CONSTRAINT during_is_half_open CHECK (lower_inc(during) AND NOT upper_inc(during)),
    CONSTRAINT during_ends_at_an_instant_or_is_open CHECK (
        isfinite(lower(during)) AND (upper_inf(during) OR isfinite(upper(during)))
    ),
    CONSTRAINT meter_feeds_one_vehicle_at_a_time EXCLUDE USING gist (meter_id WITH =, during WITH &&),
    CONSTRAINT vehicle_draws_from_one_meter_at_a_time EXCLUDE USING gist (vehicle_id WITH =, during WITH &&)
);
