-- Differs by necessity because there are no continuous aggregates here: the same rollups are tables, kept by a statement
-- trigger (sql/postgres/) in the transaction that keeps the readings. The timescale profile has 0005_hypertables.
-- Columns other than the key are nullable, as those of a continuous aggregate are. A reading describes the time before its
-- timestamp: the hour h takes the readings of (h, h + 1 h], and its bucket_start is a microsecond after h.

CREATE TABLE telemetry.meter_hourly (
    meter_id text COLLATE "C" NOT NULL,
    bucket_start timestamptz NOT NULL,
    readings bigint,
    energy_ac_sum_kwh float8,
    energy_ac_min_kwh float8,
    energy_ac_max_kwh float8,
    energy_ac_first_kwh float8,
    energy_ac_last_kwh float8,
    first_recorded_at timestamptz,
    last_recorded_at timestamptz,
    voltage_sum_v float8,
    voltage_min_v float4,
    voltage_max_v float4,
    CONSTRAINT meter_hourly_key PRIMARY KEY (meter_id, bucket_start)
) WITH (fillfactor = 70);

CREATE TABLE telemetry.vehicle_hourly (
    vehicle_id text COLLATE "C" NOT NULL,
    bucket_start timestamptz NOT NULL,
    readings bigint,
    energy_dc_sum_kwh float8,
    energy_dc_min_kwh float8,
    energy_dc_max_kwh float8,
    energy_dc_first_kwh float8,
    energy_dc_last_kwh float8,
    first_recorded_at timestamptz,
    last_recorded_at timestamptz,
    soc_first_pct float4,
    soc_last_pct float4,
    soc_min_pct float4,
    soc_max_pct float4,
    battery_temp_sum_c float8,
    battery_temp_min_c float4,
    battery_temp_max_c float4,
    CONSTRAINT vehicle_hourly_key PRIMARY KEY (vehicle_id, bucket_start)
) WITH (fillfactor = 70);
