-- Every reading ever accepted, append-only. One unique index a table: it is the retry-safe key and the look-up path.

CREATE TABLE telemetry.meter_telemetry_history (
    meter_id text COLLATE "C" NOT NULL,
    recorded_at timestamptz NOT NULL,
    energy_ac_kwh float8 NOT NULL,
    voltage_v float4 NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT meter_id_is_1_to_64_long CHECK (octet_length(meter_id) BETWEEN 1 AND 64),
    CONSTRAINT energy_ac_kwh_in_range CHECK (energy_ac_kwh BETWEEN 0 AND 1e9),
    CONSTRAINT voltage_v_in_range CHECK (voltage_v BETWEEN 0 AND 50000)
);

CREATE UNIQUE INDEX meter_telemetry_history_key
    ON telemetry.meter_telemetry_history (meter_id, recorded_at DESC);

CREATE TABLE telemetry.vehicle_telemetry_history (
    vehicle_id text COLLATE "C" NOT NULL,
    recorded_at timestamptz NOT NULL,
    soc_pct float4 NOT NULL,
    energy_dc_kwh float8 NOT NULL,
    battery_temp_c float4 NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT vehicle_id_is_1_to_64_long CHECK (octet_length(vehicle_id) BETWEEN 1 AND 64),
    CONSTRAINT soc_pct_in_range CHECK (soc_pct BETWEEN 0 AND 100),
    CONSTRAINT energy_dc_kwh_in_range CHECK (energy_dc_kwh BETWEEN 0 AND 1e9),
    CONSTRAINT battery_temp_c_in_range CHECK (battery_temp_c BETWEEN -60 AND 200)
);

CREATE UNIQUE INDEX vehicle_telemetry_history_key
    ON telemetry.vehicle_telemetry_history (vehicle_id, recorded_at DESC);
