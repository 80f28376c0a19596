COMMENT ON PROCEDURE api.apply_policies() IS
'Makes the jobs of this database what telemetry.policy says. CALL it after changing a row there; on the postgres profile it only says what is not to be had.';
