-- Differs by necessity because there are no background jobs here: upkeep, which the service calls, is all there is.

CREATE VIEW api.job_health AS
SELECT
    NULL::text AS relation,
    'upkeep'::text AS job,
    NULL::integer AS job_id,
    interval '1 hour' AS every,
    run.started_at AS last_started_at,
    run.finished_at AS last_succeeded_at,
    CASE
        WHEN run.started_at IS NULL THEN 'never ran'
        WHEN run.finished_at >= run.started_at THEN 'Success'
        ELSE 'Running or failed'
    END AS last_status,
    NULL::bigint AS runs,
    NULL::bigint AS failures,
    NULL::text AS last_error,
    true AS is_scheduled,
    true AS is_known
FROM (VALUES (true)) AS listed (is_the_only_row)
LEFT JOIN telemetry.upkeep_run AS run USING (is_the_only_row);
