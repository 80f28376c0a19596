-- Differs by necessity because the daily rollup is a continuous aggregate on top of the hourly one, which is TimescaleDB's
-- own. The postgres profile keeps the same relations in 0010_daily_tables. A day takes the hours that end within it or with it.

CREATE MATERIALIZED VIEW telemetry.meter_daily
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT
    meter_id,
    public.time_bucket(interval '1 day', bucket_start, "offset" => interval '1 microsecond') AS bucket_start,
    sum(readings)::bigint AS readings,
    sum(energy_ac_sum_kwh) AS energy_ac_sum_kwh,
    min(energy_ac_min_kwh) AS energy_ac_min_kwh,
    max(energy_ac_max_kwh) AS energy_ac_max_kwh,
    public.first(energy_ac_first_kwh, first_recorded_at) AS energy_ac_first_kwh,
    public.last(energy_ac_last_kwh, last_recorded_at) AS energy_ac_last_kwh,
    min(first_recorded_at) AS first_recorded_at,
    max(last_recorded_at) AS last_recorded_at,
    sum(voltage_sum_v) AS voltage_sum_v,
    min(voltage_min_v) AS voltage_min_v,
    max(voltage_max_v) AS voltage_max_v
FROM telemetry.meter_hourly
GROUP BY meter_id, public.time_bucket(interval '1 day', bucket_start, "offset" => interval '1 microsecond')
WITH NO DATA;

CREATE MATERIALIZED VIEW telemetry.vehicle_daily
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT
    vehicle_id,
    public.time_bucket(interval '1 day', bucket_start, "offset" => interval '1 microsecond') AS bucket_start,
    sum(readings)::bigint AS readings,
    sum(energy_dc_sum_kwh) AS energy_dc_sum_kwh,
    min(energy_dc_min_kwh) AS energy_dc_min_kwh,
    max(energy_dc_max_kwh) AS energy_dc_max_kwh,
    public.first(energy_dc_first_kwh, first_recorded_at) AS energy_dc_first_kwh,
    public.last(energy_dc_last_kwh, last_recorded_at) AS energy_dc_last_kwh,
    min(first_recorded_at) AS first_recorded_at,
    max(last_recorded_at) AS last_recorded_at,
    public.first(soc_first_pct, first_recorded_at) AS soc_first_pct,
    public.last(soc_last_pct, last_recorded_at) AS soc_last_pct,
    min(soc_min_pct) AS soc_min_pct,
    max(soc_max_pct) AS soc_max_pct,
    sum(battery_temp_sum_c) AS battery_temp_sum_c,
    min(battery_temp_min_c) AS battery_temp_min_c,
    max(battery_temp_max_c) AS battery_temp_max_c
FROM telemetry.vehicle_hourly
GROUP BY vehicle_id, public.time_bucket(interval '1 day', bucket_start, "offset" => interval '1 microsecond')
WITH NO DATA;

ALTER MATERIALIZED VIEW telemetry.meter_daily SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'meter_id',
    timescaledb.orderby = 'bucket_start DESC'
);

ALTER MATERIALIZED VIEW telemetry.vehicle_daily SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'vehicle_id',
    timescaledb.orderby = 'bucket_start DESC'
);
