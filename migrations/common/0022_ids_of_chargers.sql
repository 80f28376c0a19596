-- Ids as OCPP 2.0.1 and eMI3 have them. Rows of before are not checked: a device named . or .. stays.

ALTER TABLE telemetry.meter
DROP CONSTRAINT meter_id_is_well_formed,
ADD CONSTRAINT meter_id_is_well_formed
CHECK (meter_id ~ '^[A-Za-z0-9*_=:+|@.-]{1,64}$' AND meter_id NOT IN ('.', '..')) NOT VALID;

ALTER TABLE telemetry.vehicle
DROP CONSTRAINT vehicle_id_is_well_formed,
ADD CONSTRAINT vehicle_id_is_well_formed
CHECK (vehicle_id ~ '^[A-Za-z0-9*_=:+|@.-]{1,64}$' AND vehicle_id NOT IN ('.', '..')) NOT VALID;

ALTER TABLE telemetry.assignment
DROP CONSTRAINT meter_id_is_well_formed,
DROP CONSTRAINT vehicle_id_is_well_formed,
ADD CONSTRAINT meter_id_is_well_formed
CHECK (meter_id ~ '^[A-Za-z0-9*_=:+|@.-]{1,64}$' AND meter_id NOT IN ('.', '..')) NOT VALID,
ADD CONSTRAINT vehicle_id_is_well_formed
CHECK (vehicle_id ~ '^[A-Za-z0-9*_=:+|@.-]{1,64}$' AND vehicle_id NOT IN ('.', '..')) NOT VALID;
