-- Differs by necessity because hypertables, continuous aggregates and the columnstore are TimescaleDB's own.
-- The postgres profile keeps the same relations in 0005_hourly_tables.

CREATE EXTENSION IF NOT EXISTS timescaledb SCHEMA public;

DO $$
BEGIN
    PERFORM public.create_hypertable(
        'telemetry.meter_telemetry_history', public.by_range('recorded_at', interval '1 day'),
        create_default_indexes => false
    );
    PERFORM public.create_hypertable(
        'telemetry.vehicle_telemetry_history', public.by_range('recorded_at', interval '1 day'),
        create_default_indexes => false
    );
END
$$;

ALTER TABLE telemetry.meter_telemetry_history SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'meter_id',
    timescaledb.orderby = 'recorded_at DESC'
);

ALTER TABLE telemetry.vehicle_telemetry_history SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'vehicle_id',
    timescaledb.orderby = 'recorded_at DESC'
);

-- A reading describes the time before its timestamp: the hour h takes the readings of (h, h + 1 h], and its bucket begins a
-- microsecond after h.

CREATE MATERIALIZED VIEW telemetry.meter_hourly
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT
    meter_id,
    public.time_bucket(interval '1 hour', recorded_at, "offset" => interval '1 microsecond') AS bucket_start,
    count(*) AS readings,
    sum(energy_ac_kwh) AS energy_ac_sum_kwh,
    min(energy_ac_kwh) AS energy_ac_min_kwh,
    max(energy_ac_kwh) AS energy_ac_max_kwh,
    public.first(energy_ac_kwh, recorded_at) AS energy_ac_first_kwh,
    public.last(energy_ac_kwh, recorded_at) AS energy_ac_last_kwh,
    min(recorded_at) AS first_recorded_at,
    max(recorded_at) AS last_recorded_at,
    sum(voltage_v::float8) AS voltage_sum_v,
    min(voltage_v) AS voltage_min_v,
    max(voltage_v) AS voltage_max_v
FROM telemetry.meter_telemetry_history
GROUP BY meter_id, public.time_bucket(interval '1 hour', recorded_at, "offset" => interval '1 microsecond')
WITH NO DATA;

CREATE MATERIALIZED VIEW telemetry.vehicle_hourly
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT
    vehicle_id,
    public.time_bucket(interval '1 hour', recorded_at, "offset" => interval '1 microsecond') AS bucket_start,
    count(*) AS readings,
    sum(energy_dc_kwh) AS energy_dc_sum_kwh,
    min(energy_dc_kwh) AS energy_dc_min_kwh,
    max(energy_dc_kwh) AS energy_dc_max_kwh,
    public.first(energy_dc_kwh, recorded_at) AS energy_dc_first_kwh,
    public.last(energy_dc_kwh, recorded_at) AS energy_dc_last_kwh,
    min(recorded_at) AS first_recorded_at,
    max(recorded_at) AS last_recorded_at,
    public.first(soc_pct, recorded_at) AS soc_first_pct,
    public.last(soc_pct, recorded_at) AS soc_last_pct,
    min(soc_pct) AS soc_min_pct,
    max(soc_pct) AS soc_max_pct,
    sum(battery_temp_c::float8) AS battery_temp_sum_c,
    min(battery_temp_c) AS battery_temp_min_c,
    max(battery_temp_c) AS battery_temp_max_c
FROM telemetry.vehicle_telemetry_history
GROUP BY vehicle_id, public.time_bucket(interval '1 hour', recorded_at, "offset" => interval '1 microsecond')
WITH NO DATA;

ALTER MATERIALIZED VIEW telemetry.meter_hourly SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'meter_id',
    timescaledb.orderby = 'bucket_start DESC'
);

ALTER MATERIALIZED VIEW telemetry.vehicle_hourly SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'vehicle_id',
    timescaledb.orderby = 'bucket_start DESC'
);
