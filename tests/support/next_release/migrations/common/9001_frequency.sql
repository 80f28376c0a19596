-- A column that is null for readings of before: no row is written, so the table is locked for a moment only.

ALTER TABLE telemetry.meter_telemetry_history ADD COLUMN frequency_hz float4;

-- Rows there are not checked while the table is locked; VALIDATE CONSTRAINT does that later, beside ingest.
ALTER TABLE telemetry.meter_telemetry_history
    ADD CONSTRAINT frequency_hz_in_range CHECK (frequency_hz BETWEEN 0 AND 1000) NOT VALID;
