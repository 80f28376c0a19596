-- Comments on tables and columns that migrations create.

COMMENT ON TABLE telemetry.erasure IS 'That a meter or vehicle was erased, when and by whom; not which.';
COMMENT ON COLUMN telemetry.erasure.id IS 'Number, counted up.';
COMMENT ON COLUMN telemetry.erasure.device_type IS 'meter or vehicle.';
COMMENT ON COLUMN telemetry.erasure.erased_at IS 'When it was erased.';
COMMENT ON COLUMN telemetry.erasure.database_role IS 'The database role that erased it.';
COMMENT ON COLUMN telemetry.erasure.operator IS 'Who asked for it, as the request says; null: the request does not.';
