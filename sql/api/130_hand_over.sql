-- From an instant on, a meter feeds a vehicle, and whatever the one fed and the other drew from until then ends: the
-- plug-outs that nobody told and the plug-in, in one step. Told again, it changes nothing.

CREATE FUNCTION api.hand_over(meter text, vehicle text, handed_over_at timestamptz)
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
    -- What the plug-in says without any closing stands where it was told before, where the devices are free, and where
    -- another assignment begins at this very instant: that one cannot end there.
    RETURN QUERY
    SELECT * FROM api.plug_in(meter, vehicle, handed_over_at) AS told
    WHERE told.outcome <> 'overlap' OR told.begins = handed_over_at;
    IF FOUND THEN
        RETURN;
    END IF;

    RETURN QUERY
    UPDATE telemetry.assignment AS kept
    SET during = tstzrange(lower(kept.during), handed_over_at)
    WHERE
        kept.id = ANY (ARRAY(
            SELECT taken.id
            FROM api.assignments_of(meter, vehicle, tstzrange(handed_over_at, handed_over_at, '[]')) AS taken
        ))
        AND (upper_inf(kept.during) OR upper(kept.during) > handed_over_at)
    RETURNING 'closed', kept.id, kept.meter_id, kept.vehicle_id, lower(kept.during), upper(kept.during);

    RETURN QUERY
    SELECT * FROM api.plug_in(meter, vehicle, handed_over_at) AS told
    WHERE told.outcome = 'created';
    IF NOT FOUND THEN
        -- Somebody who takes no locks came in between. What was closed is not to stay so without what takes its place.
        RAISE serialization_failure USING MESSAGE = 'the devices were assigned by another transaction; try again';
    END IF;
END
$$;

COMMENT ON FUNCTION api.hand_over(text, text, timestamptz) IS
'A meter feeds a vehicle from an instant on: closed (each assignment that ends there), then created; or unchanged (it was told before; nulls where it was voided), or overlap (each that begins at that very instant; nothing is changed).';
