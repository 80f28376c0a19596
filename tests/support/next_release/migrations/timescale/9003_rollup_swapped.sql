-- Differs by necessity because here the rollups are continuous aggregates. Names change in a moment. Their jobs follow: the
-- policies are applied to whatever bears the name at the end of the same transaction.

ALTER MATERIALIZED VIEW telemetry.meter_daily RENAME TO meter_daily_before;
ALTER MATERIALIZED VIEW telemetry.meter_hourly RENAME TO meter_hourly_before;
ALTER MATERIALIZED VIEW telemetry.meter_hourly_next RENAME TO meter_hourly;
ALTER MATERIALIZED VIEW telemetry.meter_daily_next RENAME TO meter_daily;

DROP PROCEDURE telemetry.fill_meter_hourly_next(timestamptz, timestamptz);
