-- Differs by necessity because there are no chunks to drop here: what has expired is deleted, in batches found by index
-- device by device, each in a transaction of its own, so that no lock is held for long. Rollups of dropped history
-- stay. One caller at a time: another returns at once. The function lends its owner's right to delete to a service
-- that only writes, for what has expired and nothing else. No search_path is set on the procedure: one with settings of
-- its own cannot commit.
--
-- The current policy alone decides what has expired. The instant up to which data was deleted is stored with it: a longer
-- retention later does not bring that data back.

CREATE OR REPLACE FUNCTION telemetry.delete_expired(relation_name text, rows_at_most bigint)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    device CONSTANT text := split_part(relation_name, '_', 1);
    instant CONSTANT text := CASE WHEN relation_name LIKE '%\_history' THEN 'recorded_at' ELSE 'bucket_start' END;
    expired_before timestamptz;
    deleted bigint;
BEGIN
    -- A change of the policy waits for this batch, and applies to the next one. The table comes before the row,
    -- as it does in api.set_policies().
    LOCK TABLE telemetry.policy IN ROW EXCLUSIVE MODE;
    SELECT internal.expired_before(policy.drop_after)
    INTO expired_before
    FROM telemetry.policy
    WHERE policy.relation = relation_name
    FOR UPDATE;
    IF expired_before IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM set_config('energy.deletes_expired', 'yes', true);
    EXECUTE format(
        $batch$
        DELETE FROM telemetry.%1$I AS kept
        USING (
            SELECT expired.device_id, expired.instant
            FROM telemetry.live_%2$s_state AS device
            CROSS JOIN LATERAL (
                SELECT candidate.%2$s_id AS device_id, candidate.%3$I AS instant
                FROM telemetry.%1$I AS candidate
                WHERE candidate.%2$s_id = device.%2$s_id AND candidate.%3$I < $1
                LIMIT $2
            ) AS expired
            LIMIT $2
        ) AS batch
        WHERE kept.%2$s_id = batch.device_id AND kept.%3$I = batch.instant
        $batch$,
        relation_name, device, instant
    )
    USING expired_before, rows_at_most;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    -- Days are no source: dropped ones can be recomputed from their hours.
    UPDATE telemetry.policy
    SET dropped_before = greatest(policy.dropped_before, expired_before)
    WHERE deleted > 0 AND policy.relation = relation_name AND relation_name NOT LIKE '%\_daily';
    RETURN deleted;
END
$$;

COMMENT ON FUNCTION telemetry.delete_expired(text, bigint) IS
'Deletes rows of a relation of telemetry.policy that are older than it is kept, so many at most, and writes down up to where; returns how many (postgres profile).';

CREATE PROCEDURE api.upkeep()
LANGUAGE plpgsql
AS $$
DECLARE
    rows_per_batch CONSTANT bigint := 10000;
    expiring text;
    deleted bigint;
BEGIN
    IF NOT pg_try_advisory_lock(hashtext('api.upkeep')) THEN
        RETURN;
    END IF;
    CALL internal.note_upkeep(is_over => false);
    COMMIT;
    FOR expiring IN
        SELECT relation
        FROM telemetry.policy
        WHERE drop_after IS NOT NULL
        ORDER BY relation
    LOOP
        LOOP
            deleted := telemetry.delete_expired(expiring, rows_per_batch);
            COMMIT;
            EXIT WHEN deleted = 0;
        END LOOP;
    END LOOP;
    PERFORM internal.forget_old_conflicts();
    CALL internal.note_upkeep(is_over => true);
    COMMIT;
    PERFORM pg_advisory_unlock(hashtext('api.upkeep'));
END
$$;

-- Differs by necessity because there are no background jobs here: upkeep, which the service calls, is all there is.

CREATE VIEW api.job_health AS
SELECT
    NULL::text AS relation,
    'upkeep'::text AS job,
    NULL::integer AS job_id,
    interval '1 hour' AS every,
    run.started_at AS last_started_at,
    run.finished_at AS last_succeeded_at,
    NULL::timestamptz AS next_run_at,
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

-- Differs by necessity because there are no background jobs here, nor workers for them.

CREATE VIEW internal.job_workers AS
SELECT 0::bigint AS jobs, NULL::bigint AS workers;
