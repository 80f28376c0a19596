-- Differs by necessity because here api.upkeep() reads telemetry.policy itself: what stands there is in force.

CREATE VIEW api.policy_in_force AS
SELECT
    policy.relation,
    policy.chunk_interval,
    policy.columnstore_after,
    policy.drop_after,
    policy.refresh_start_offset,
    policy.refresh_end_offset,
    policy.refresh_every
FROM telemetry.policy;
