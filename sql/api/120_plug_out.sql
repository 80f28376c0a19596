-- A meter's vehicle was unplugged at an instant: its assignment ends there. Told again, it changes nothing, whatever became
-- of the assignment since. Where it was to end later, the instant at which it was seen to end is the better knowledge.

CREATE FUNCTION api.plug_out(meter text, vehicle text, plugged_out_at timestamptz)
RETURNS TABLE (
    outcome text,
    id bigint,
    meter_id text,
    vehicle_id text,
    begins timestamptz,
    ends timestamptz
)
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
    PERFORM api.lock_assignments_of(ARRAY[meter], ARRAY[vehicle]);

    RETURN QUERY
    SELECT
        'unchanged', kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during), upper(kept.during)
    FROM telemetry.assignment AS kept
    WHERE
        kept.meter_id = meter
        AND (vehicle IS NULL OR kept.vehicle_id = vehicle)
        AND kept.during && tstzrange(plugged_out_at - interval '1 microsecond', plugged_out_at)
        AND upper(kept.during) = plugged_out_at;
    IF FOUND THEN
        RETURN;
    END IF;

    RETURN QUERY
    SELECT
        'unchanged', kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during), upper(kept.during)
    FROM telemetry.assignment_change AS change
    LEFT JOIN telemetry.assignment AS kept ON kept.id = change.assignment_id
    WHERE
        change.new_meter_id = meter
        AND upper(change.new_during) = plugged_out_at
        AND (vehicle IS NULL OR change.new_vehicle_id = vehicle)
    ORDER BY change.id DESC
    LIMIT 1;
    IF FOUND THEN
        RETURN;
    END IF;

    RETURN QUERY
    UPDATE telemetry.assignment AS kept
    SET during = tstzrange(lower(kept.during), plugged_out_at)
    WHERE
        kept.meter_id = meter
        AND (vehicle IS NULL OR kept.vehicle_id = vehicle)
        AND kept.during @> plugged_out_at
        AND lower(kept.during) < plugged_out_at
    RETURNING 'closed', kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during), upper(kept.during);
END
$$;

COMMENT ON FUNCTION api.plug_out(text, text, timestamptz) IS
'A vehicle (null: whichever it is) was unplugged from a meter: closed (the assignment that ends), unchanged (it was told before; the assignment, or nulls where it was voided), or no row where nothing was plugged in.';
