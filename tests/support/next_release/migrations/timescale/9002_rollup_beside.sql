-- Differs by necessity because here the rollups are continuous aggregates, which take no further column: new ones are made
-- beside them, empty, and filled by parts. The days are made of the hours, so both are.

CREATE MATERIALIZED VIEW telemetry.meter_hourly_next
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
    max(voltage_v) AS voltage_max_v,
    sum(voltage_v::float8 * voltage_v::float8) AS voltage_square_sum_v2
FROM telemetry.meter_telemetry_history
GROUP BY meter_id, public.time_bucket(interval '1 hour', recorded_at, "offset" => interval '1 microsecond')
WITH NO DATA;

CREATE MATERIALIZED VIEW telemetry.meter_daily_next
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
    max(voltage_max_v) AS voltage_max_v,
    sum(voltage_square_sum_v2) AS voltage_square_sum_v2
FROM telemetry.meter_hourly_next
GROUP BY meter_id, public.time_bucket(interval '1 day', bucket_start, "offset" => interval '1 microsecond')
WITH NO DATA;

ALTER MATERIALIZED VIEW telemetry.meter_hourly_next SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'meter_id',
    timescaledb.orderby = 'bucket_start DESC'
);

ALTER MATERIALIZED VIEW telemetry.meter_daily_next SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'meter_id',
    timescaledb.orderby = 'bucket_start DESC'
);

-- Called again and again by the DBA, a day (UTC) or more at a time, outside a transaction. It ends where the refresh jobs
-- do: an hour that is materialised while it runs would not show what comes later. Buckets begin a microsecond after the hour.
CREATE PROCEDURE telemetry.fill_meter_hourly_next(range_from timestamptz, range_to timestamptz)
LANGUAGE plpgsql
AS $$
DECLARE
    hours_to CONSTANT timestamptz := least(range_to, internal.hour_floor(now() - interval '1 hour'));
    days_to CONSTANT timestamptz := least(range_to, internal.day_floor(now() - interval '2 hours'));
BEGIN
    IF range_from < hours_to THEN
        CALL public.refresh_continuous_aggregate(
            'telemetry.meter_hourly_next', range_from, hours_to + interval '1 microsecond'
        );
    END IF;
    IF range_from < days_to THEN
        CALL public.refresh_continuous_aggregate(
            'telemetry.meter_daily_next', range_from, days_to + interval '1 microsecond'
        );
    END IF;
END
$$;
