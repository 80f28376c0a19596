-- Differs by necessity because here the rollups are tables, right at every commit; a refresh is needed only after the
-- history was changed by hand. It recomputes each day's hours from the history, device by device by index, then each day
-- from its hours, and commits day by day: a writer waits for one day's work at most. Hours whose history was dropped
-- stay unchanged, and so do days whose hours were. No search_path is set on the procedure: one with settings of its own
-- cannot commit.

CREATE PROCEDURE api.refresh_rollups(range_from timestamptz, range_to timestamptz)
LANGUAGE plpgsql
AS $$
DECLARE
    refreshed record;
    day_from timestamptz;
    day_to timestamptz;
    refresh_to timestamptz;
BEGIN
    CALL internal.remember_dropped();
    COMMIT;
    FOR refreshed IN
        SELECT made.rollup, made.bucket, made.source, made.instant, split_part(made.rollup, '_', 1) AS device
        FROM (VALUES
            (1, 'meter_hourly', 'hour', 'meter_telemetry_history', 'recorded_at'),
            (2, 'vehicle_hourly', 'hour', 'vehicle_telemetry_history', 'recorded_at'),
            (3, 'meter_daily', 'day', 'meter_hourly', 'bucket_start'),
            (4, 'vehicle_daily', 'day', 'vehicle_hourly', 'bucket_start')
        ) AS made (ordinal, rollup, bucket, source, instant)
        ORDER BY made.ordinal
    LOOP
        EXECUTE format(
            $ends$
            SELECT
                greatest(
                    internal.%1$s_floor($1),
                    internal.%1$s_floor(min(oldest.instant) - interval '1 microsecond'),
                    internal.%1$s_kept_from(internal.history_horizon(%2$L)),
                    internal.%1$s_kept_from(internal.history_horizon(%3$L))
                ),
                internal.%1$s_ceiling(least($2, now() + interval '1 day'))
            FROM telemetry.live_%4$s_state AS device
            CROSS JOIN LATERAL (
                (
                    SELECT made_from.%5$I AS instant
                    FROM telemetry.%2$I AS made_from
                    WHERE made_from.%4$s_id = device.%4$s_id
                    ORDER BY made_from.%5$I
                    LIMIT 1
                )
                UNION ALL
                -- The rollup of deleted history may be older.
                (
                    SELECT made.bucket_start
                    FROM telemetry.%3$I AS made
                    WHERE made.%4$s_id = device.%4$s_id
                    ORDER BY made.bucket_start
                    LIMIT 1
                )
            ) AS oldest
            $ends$,
            refreshed.bucket, refreshed.source, refreshed.rollup, refreshed.device, refreshed.instant
        )
        INTO day_from, refresh_to
        USING greatest(range_from, now() - interval '36500 days'), range_to;

        WHILE day_from < refresh_to LOOP
            day_to := least(day_from + interval '24 hours', refresh_to);
            EXECUTE format('CALL telemetry.recompute_%I($1, $2, NULL)', refreshed.rollup) USING day_from, day_to;
            COMMIT;
            day_from := day_to;
        END LOOP;
    END LOOP;
    CALL internal.settle_changed_history(range_from, range_to);
END
$$;

-- Differs by necessity because here the rollups are right at every commit: there is nothing left to complete.

CREATE PROCEDURE internal.complete_rollups(range_from timestamptz, range_to timestamptz)
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN;
END
$$;

-- Differs by necessity because here the rollups are right at every commit, and there is no columnstore: after a day of a
-- long load there is nothing left to do.

CREATE PROCEDURE api.complete_load(range_from timestamptz, range_to timestamptz)
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN;
END
$$;

-- Differs by necessity because here a rollup is a table, which shows its rows.

CREATE PROCEDURE internal.open_rollups()
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN;
END
$$;

-- Differs by necessity because here a rollup is a table.

CREATE FUNCTION internal.rollup_table(relation_name text)
RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT format('telemetry.%I', relation_name)
$$;

-- Differs by necessity because here the rollups are right at every commit: they never lag, and there is no backlog.

CREATE VIEW api.refresh_lag AS
SELECT
    policy.relation,
    now() AS materialised_before,
    interval '0' AS lag,
    interval '0' AS normal_lag,
    0::bigint AS backlog_ranges,
    NULL::timestamptz AS backlog_from,
    NULL::timestamptz AS backlog_to,
    0::float8 AS backlog_h
FROM telemetry.policy
WHERE policy.relation NOT LIKE '%\_history';
-- Differs by necessity because COMMENT ON names the kind of relation: here the rollup is a table.

COMMENT ON TABLE telemetry.meter_hourly IS
'Hourly rollup of meter_telemetry_history: only what can be added up again; averages and ratios are computed in schema api.';
COMMENT ON TABLE telemetry.vehicle_hourly IS
'Hourly rollup of vehicle_telemetry_history: only what can be added up again; averages and ratios are computed in schema api.';
COMMENT ON TABLE telemetry.meter_daily IS
'Daily rollup (UTC) of meter_hourly, for years of trend: only what can be added up again; it stays when the hours it was made of are dropped.';
COMMENT ON TABLE telemetry.vehicle_daily IS
'Daily rollup (UTC) of vehicle_hourly, for years of trend: only what can be added up again; it stays when the hours it was made of are dropped.';
