COMMENT ON FUNCTION api.already_dropped(text) IS
'The instant before which data of a relation (by its name in schema telemetry) is gone that a rollup was made of, whoever dropped it; null where all of it is there.';
COMMENT ON FUNCTION api.deleted_before(text) IS
'The same after rows of a relation were deleted, where no device has rows that old any more; what telemetry.policy remembers where some has.';
