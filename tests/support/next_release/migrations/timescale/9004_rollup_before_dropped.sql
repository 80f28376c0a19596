-- Differs by necessity because here the rollups are continuous aggregates. Their jobs go with them.

DROP MATERIALIZED VIEW telemetry.meter_daily_before;
DROP MATERIALIZED VIEW telemetry.meter_hourly_before;
