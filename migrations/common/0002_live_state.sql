-- One row a device: its newest reading. The fill factor leaves room for the updates to stay on their page (HOT).

CREATE TABLE telemetry.live_meter_state (
    meter_id text COLLATE "C" NOT NULL,
    recorded_at timestamptz NOT NULL,
    energy_ac_kwh float8 NOT NULL,
    voltage_v float4 NOT NULL,
    received_at timestamptz NOT NULL,
    is_charging boolean NOT NULL,
    CONSTRAINT live_meter_state_key PRIMARY KEY (meter_id)
) WITH (fillfactor = 50);

CREATE TABLE telemetry.live_vehicle_state (
    vehicle_id text COLLATE "C" NOT NULL,
    recorded_at timestamptz NOT NULL,
    soc_pct float4 NOT NULL,
    energy_dc_kwh float8 NOT NULL,
    battery_temp_c float4 NOT NULL,
    received_at timestamptz NOT NULL,
    is_charging boolean NOT NULL,
    CONSTRAINT live_vehicle_state_key PRIMARY KEY (vehicle_id)
) WITH (fillfactor = 50);
