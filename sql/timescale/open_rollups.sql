-- Differs by necessity because a continuous aggregate shows its rows up to where a refresh last had something to
-- materialise, and what is younger it reads from its source. Where no refresh ever had, as in a copy of a database whose
-- readings are all dropped, it shows none, and a refresh that finds nothing changes nothing of it. So it is given a reading
-- of yesterday, and that is taken away again. No search_path is set on the procedure: a refresh runs outside a transaction.

CREATE PROCEDURE api.open_rollups()
LANGUAGE plpgsql
AS $$
DECLARE
    opened CONSTANT timestamptz := api.day_floor(
        now() - (SELECT max(refresh_end_offset) FROM telemetry.policy)
    ) - interval '12 hours';
    opener CONSTANT text := 'opener-of-rollups';
    device text;
    is_opened boolean;
BEGIN
    FOREACH device IN ARRAY ARRAY['meter', 'vehicle'] LOOP
        CONTINUE WHEN (
            SELECT min(_timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(aggregate.mat_hypertable_id)))
            FROM _timescaledb_catalog.continuous_agg AS aggregate
            WHERE
                aggregate.user_view_schema = 'telemetry'
                AND aggregate.user_view_name IN (device || '_hourly', device || '_daily')
        ) > timestamptz '1970-01-01 00:00:00+00';
        -- No live state comes of it.
        EXECUTE format('ALTER TABLE telemetry.%s_telemetry_history DISABLE TRIGGER USER', device);
        IF device = 'meter' THEN
            INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v)
            VALUES (opener, opened, 0, 0)
            ON CONFLICT DO NOTHING;
        ELSE
            INSERT INTO telemetry.vehicle_telemetry_history (
                vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c
            )
            VALUES (opener, opened, 0, 0, 0)
            ON CONFLICT DO NOTHING;
        END IF;
        EXECUTE format('ALTER TABLE telemetry.%s_telemetry_history ENABLE TRIGGER USER', device);
        COMMIT;
        CALL api.refresh_rollups(opened, opened + interval '1 hour');
    END LOOP;
    -- Also where an earlier call was stopped in between.
    DELETE FROM telemetry.meter_telemetry_history WHERE meter_id = opener AND recorded_at > now() - interval '31 days';
    is_opened := FOUND;
    DELETE FROM telemetry.vehicle_telemetry_history WHERE vehicle_id = opener AND recorded_at > now() - interval '31 days';
    is_opened := FOUND OR is_opened;
    COMMIT;
    IF is_opened THEN
        CALL api.refresh_rollups(now() - interval '31 days', now());
    END IF;
END
$$;
