COMMENT ON FUNCTION api.already_dropped(text, interval) IS
'The instant before which data of a relation (by its name in schema telemetry) is gone that a rollup was made of, when it was last kept for so long; null where all of it is there.';
