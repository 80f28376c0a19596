-- Differs by necessity because here chunk intervals and jobs carry the policies out, and TimescaleDB's own calls change
-- them. A job that is switched off carries out nothing.

CREATE VIEW api.policy_in_force AS
SELECT
    policy.relation,
    dimension.time_interval AS chunk_interval,
    job.columnstore_after,
    job.drop_after,
    job.refresh_start_offset,
    job.refresh_end_offset,
    job.refresh_every
FROM telemetry.policy
LEFT JOIN timescaledb_information.continuous_aggregates AS rollup
    ON rollup.view_schema = 'telemetry' AND rollup.view_name = policy.relation
LEFT JOIN timescaledb_information.dimensions AS dimension
    ON
        dimension.hypertable_schema = coalesce(rollup.materialization_hypertable_schema, 'telemetry')
        AND dimension.hypertable_name = coalesce(rollup.materialization_hypertable_name, policy.relation)
LEFT JOIN (
    SELECT
        coalesce(listed.hypertable_name::text, listed.config ->> 'relation') AS relation,
        max((listed.config ->> 'compress_after')::interval) FILTER (WHERE listed.proc_name = 'policy_compression')
            AS columnstore_after,
        max((listed.config ->> 'drop_after')::interval) FILTER (WHERE listed.proc_name = 'policy_retention') AS drop_after,
        max((listed.config ->> 'start_offset')::interval) FILTER (WHERE listed.proc_name = 'refresh_job')
            AS refresh_start_offset,
        max((listed.config ->> 'end_offset')::interval) FILTER (WHERE listed.proc_name = 'refresh_job')
            AS refresh_end_offset,
        max(listed.schedule_interval) FILTER (WHERE listed.proc_name = 'refresh_job') AS refresh_every
    FROM timescaledb_information.jobs AS listed
    WHERE listed.scheduled AND 'telemetry' IN (listed.hypertable_schema, listed.proc_schema)
    GROUP BY 1
) AS job ON job.relation = policy.relation;
