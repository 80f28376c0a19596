-- Differs by necessity because a continuous aggregate hears of late readings later. What is stamped before the end of what was
-- materialised, or may be by a refresh that runs now, does not show in the rollup until it is refreshed again: those hours are
-- written down in the transaction that keeps the readings. Of a load with many devices, hours alone.

CREATE FUNCTION internal.materialised_before(relation_name text)
RETURNS timestamptz
LANGUAGE sql STABLE
AS $$
    SELECT greatest(
        _timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(aggregate.mat_hypertable_id)),
        _timescaledb_functions.to_timestamp(threshold.watermark),
        -- The next refresh ends here; five minutes of it may pass before this transaction commits.
        internal.hour_floor(
            clock_timestamp() + interval '5 minutes' - coalesce(policy.refresh_end_offset, interval '1 hour')
        )
    )
    FROM _timescaledb_catalog.continuous_agg AS aggregate
    -- Before the first refresh, all is read from the history.
    JOIN _timescaledb_catalog.continuous_aggs_invalidation_threshold AS threshold
        ON threshold.hypertable_id = aggregate.raw_hypertable_id
    JOIN internal.policy ON policy.relation = aggregate.user_view_name
    WHERE aggregate.user_view_schema = 'telemetry' AND aggregate.user_view_name = relation_name
$$;

COMMENT ON FUNCTION internal.materialised_before(text) IS
'Before which instant readings that are added now may not show in an hourly rollup (by its name in schema telemetry) until it is refreshed; null: it never was (timescale profile).';

CREATE FUNCTION internal.most_stale_device_hours()
RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT 100 $$;

COMMENT ON FUNCTION internal.most_stale_device_hours() IS
'Hours of devices that one statement writes down as stale; where there are more, it writes the hours of all devices (timescale profile).';

DO $$
DECLARE
    device text;
BEGIN
    FOREACH device IN ARRAY ARRAY['meter', 'vehicle'] LOOP
        EXECUTE replace($function$
            CREATE OR REPLACE FUNCTION telemetry.note_stale_DEVICE_hours()
            RETURNS trigger
            LANGUAGE plpgsql SECURITY DEFINER
            SET search_path = pg_catalog, pg_temp
            AS $body$
            DECLARE
                before CONSTANT timestamptz := internal.materialised_before('DEVICE_hourly');
                are_many boolean;
            BEGIN
                IF before IS NULL OR NOT EXISTS (SELECT FROM inserted WHERE inserted.recorded_at <= before) THEN
                    RETURN NULL;
                END IF;
                are_many := (
                    SELECT count(*) > internal.most_stale_device_hours()
                    FROM (
                        SELECT DISTINCT inserted.DEVICE_id, internal.hour_bucket(inserted.recorded_at)
                        FROM inserted
                        WHERE inserted.recorded_at <= before
                    ) AS late
                );
                INSERT INTO telemetry.stale_hour (device_type, device_id, bucket_start)
                SELECT DISTINCT
                    'DEVICE',
                    CASE WHEN NOT are_many THEN inserted.DEVICE_id END,
                    internal.hour_bucket(inserted.recorded_at)
                FROM inserted
                WHERE inserted.recorded_at <= before;
                RETURN NULL;
            END
            $body$;

            COMMENT ON FUNCTION telemetry.note_stale_DEVICE_hours() IS
            'Statement trigger of DEVICE_telemetry_history: writes down in stale_hour whose rollup hours do not show the readings yet (timescale profile).';

            DO $make$
            BEGIN
                IF NOT EXISTS (
                    SELECT FROM pg_trigger
                    WHERE
                        tgrelid = 'telemetry.DEVICE_telemetry_history'::regclass
                        AND tgname = 'note_stale_DEVICE_hours'
                ) THEN
                    CREATE TRIGGER note_stale_DEVICE_hours
                        AFTER INSERT ON telemetry.DEVICE_telemetry_history
                        REFERENCING NEW TABLE AS inserted
                        FOR EACH STATEMENT EXECUTE FUNCTION telemetry.note_stale_DEVICE_hours();
                END IF;
            END
            $make$;
        $function$, 'DEVICE', device);
    END LOOP;
END
$$;
