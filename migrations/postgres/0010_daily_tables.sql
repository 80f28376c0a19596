-- Differs by necessity because there are no continuous aggregates here: the same daily rollups are tables, kept by a
-- statement trigger (sql/postgres/), which fills them from the hourly ones when it is made. The timescale profile has
-- 0010_daily_aggregates. Columns other than the key are nullable, as those of a continuous aggregate are.
-- A day takes the hours that end within it or with it.

CREATE TABLE telemetry.meter_daily (
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
    CONSTRAINT meter_daily_key PRIMARY KEY (meter_id, bucket_start)
) WITH (fillfactor = 70);

CREATE TABLE telemetry.vehicle_daily (
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
    CONSTRAINT vehicle_daily_key PRIMARY KEY (vehicle_id, bucket_start)
) WITH (fillfactor = 70);
