-- Differs by necessity because here upkeep deletes, and writes down up to where in the same transaction. What came without
-- its history (from a copy, or from a release that wrote nothing down) shows: of some device, the first rollup after what
-- is remembered has nothing left that it was made of.

CREATE FUNCTION api.already_dropped(relation_name text, kept_for interval)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog
AS $$
DECLARE
    remembered CONSTANT timestamptz := (SELECT dropped_before FROM api.policy WHERE policy.relation = relation_name);
    expired_before CONSTANT timestamptz := api.expired_before(kept_for);
    rollup CONSTANT text := (
        SELECT policy.relation FROM api.policy WHERE api.source_relation(policy.relation) = relation_name
    );
    is_dropped boolean;
BEGIN
    IF expired_before IS NULL OR rollup IS NULL THEN
        RETURN remembered;
    END IF;
    EXECUTE format(
        $dropped$
        SELECT EXISTS (
            SELECT
            FROM api.live_%1$s_state AS device
            CROSS JOIN LATERAL (
                SELECT made.bucket_start
                FROM api.%2$I AS made
                WHERE
                    made.%1$s_id = device.%1$s_id
                    AND made.bucket_start >= coalesce(api.%3$s_ceiling($1), '-infinity')
                    AND made.bucket_start < $2
                ORDER BY made.bucket_start
                LIMIT 1
            ) AS first
            WHERE NOT EXISTS (
                SELECT
                FROM api.%4$I AS source
                WHERE
                    source.%1$s_id = device.%1$s_id
                    AND source.%5$I >= first.bucket_start
                    AND source.%5$I < first.bucket_start + %6$L::interval
            )
        )
        $dropped$,
        split_part(relation_name, '_', 1),
        rollup,
        CASE WHEN rollup LIKE '%\_daily' THEN 'day' ELSE 'hour' END,
        relation_name,
        CASE WHEN relation_name LIKE '%\_history' THEN 'recorded_at' ELSE 'bucket_start' END,
        CASE WHEN rollup LIKE '%\_daily' THEN '24 hours' ELSE '1 hour' END
    )
    INTO is_dropped
    USING remembered, expired_before;
    RETURN CASE WHEN is_dropped THEN greatest(remembered, expired_before) ELSE remembered END;
END
$$;
