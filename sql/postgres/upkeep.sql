-- Differs by necessity because there are no chunks to drop here: what has expired is deleted, in batches found by index
-- device by device, each in a transaction of its own, so that no lock is held for long. Rollups of dropped history are
-- left whole. One caller at a time: another returns at once. No search_path is set on the procedure: one with settings of
-- its own cannot commit.

CREATE PROCEDURE api.upkeep()
LANGUAGE plpgsql
AS $$
DECLARE
    rows_per_batch CONSTANT integer := 10000;
    expired record;
    deleted bigint;
BEGIN
    IF NOT pg_try_advisory_lock(hashtext('api.upkeep')) THEN
        RETURN;
    END IF;
    CALL api.note_upkeep(is_over => false);
    COMMIT;
    FOR expired IN
        SELECT
            relation,
            split_part(relation, '_', 1) AS device,
            CASE WHEN relation LIKE '%\_history' THEN 'recorded_at' ELSE 'bucket_start' END AS instant,
            api.history_horizon(relation) AS horizon
        FROM telemetry.policy
        WHERE drop_after IS NOT NULL
        ORDER BY relation
    LOOP
        LOOP
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
                expired.relation, expired.device, expired.instant
            )
            USING expired.horizon, rows_per_batch;
            GET DIAGNOSTICS deleted = ROW_COUNT;
            COMMIT;
            EXIT WHEN deleted = 0;
        END LOOP;
    END LOOP;
    CALL api.note_upkeep(is_over => true);
    COMMIT;
    PERFORM pg_advisory_unlock(hashtext('api.upkeep'));
END
$$;
