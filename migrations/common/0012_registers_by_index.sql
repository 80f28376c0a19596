-- Whether any device is a register is asked with every batch of readings: by index, however many devices are listed.

CREATE INDEX meter_that_is_a_register ON telemetry.meter (meter_id) WHERE energy_reading = 'register';
CREATE INDEX vehicle_that_is_a_register ON telemetry.vehicle (vehicle_id) WHERE energy_reading = 'register';
