COMMENT ON FUNCTION api.policy_effects(jsonb) IS
'What a change of policies would do to data that is there: by relation and effect (drop, columnstore) the chunks, rows, bytes, range of time, and whether there are more rows than that, since the rollup that readings are counted from is behind; no row where nothing would happen. Chunks and bytes are null on the postgres profile. Changes nothing.';
