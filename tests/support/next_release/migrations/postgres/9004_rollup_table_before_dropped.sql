-- Differs by necessity because here the rollup is a table.

DROP TABLE telemetry.meter_hourly_before;
