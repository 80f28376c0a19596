-- Tables and rollups for readers: views of the views in schema internal, with the same names and columns.

DO $$
DECLARE
    relation text;
BEGIN
    FOREACH relation IN ARRAY ARRAY[
        'assignment', 'assignment_change', 'unmatched_plug_out',
        'device_kind', 'meter', 'vehicle',
        'live_meter_state', 'live_vehicle_state',
        'meter_telemetry_history', 'vehicle_telemetry_history',
        'policy', 'policy_change',
        'register_decision', 'register_decision_change',
        'reading_conflict'
    ] LOOP
        EXECUTE format('CREATE VIEW api.%I AS SELECT * FROM internal.%1$I', relation);
    END LOOP;
END
$$;
