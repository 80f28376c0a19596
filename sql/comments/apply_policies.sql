COMMENT ON PROCEDURE api.apply_policies(text[]) IS
'Makes the chunk intervals and jobs of this database what telemetry.policy says, of all relations or of those named. SELECT * FROM api.policy_plan(); shows before what it changes. On the postgres profile it only says what is not to be had.';
