-- Differs by necessity because here the rollup is a table. The trigger that keeps it goes by its name, and so takes to the new
-- one; its new text, which knows the new column, is applied at the end of the same transaction.

ALTER TABLE telemetry.meter_hourly RENAME CONSTRAINT meter_hourly_key TO meter_hourly_before_key;
ALTER TABLE telemetry.meter_hourly RENAME TO meter_hourly_before;
ALTER TABLE telemetry.meter_hourly_next RENAME CONSTRAINT meter_hourly_next_pkey TO meter_hourly_key;
ALTER TABLE telemetry.meter_hourly_next RENAME TO meter_hourly;

DROP TRIGGER c_keep_meter_hourly_next ON telemetry.meter_telemetry_history;
DROP FUNCTION telemetry.keep_meter_hourly_next();
DROP PROCEDURE telemetry.fill_meter_hourly_next(timestamptz, timestamptz);
