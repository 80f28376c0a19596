-- The kinds of one device within a window, clipped to it.

CREATE FUNCTION api.meter_kinds(meter text, kinds_from timestamptz, kinds_to timestamptz)
RETURNS TABLE (
    energy_reading text,
    register_modulus_kwh float8,
    is_fleet_default boolean,
    kind_from timestamptz,
    kind_to timestamptz
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        kind.energy_reading,
        kind.register_modulus_kwh,
        kind.is_fleet_default,
        greatest(kind.kind_from, kinds_from),
        least(kind.kind_to, kinds_to)
    FROM api.device_kind AS kind
    WHERE
        kind.device_type = 'meter'
        AND kind.device_id = meter
        AND kind.kind_from < kinds_to
        AND kind.kind_to > kinds_from
$$;

COMMENT ON FUNCTION api.meter_kinds(text, timestamptz, timestamptz) IS
'What the kWh values of a meter mean in [kinds_from, kinds_to): interval or register, the register''s modulus (kWh), whether it is the fleet''s default, from when to when, clipped. No row for a meter that is neither listed nor heard of.';

CREATE FUNCTION api.vehicle_kinds(vehicle text, kinds_from timestamptz, kinds_to timestamptz)
RETURNS TABLE (
    energy_reading text,
    register_modulus_kwh float8,
    is_fleet_default boolean,
    kind_from timestamptz,
    kind_to timestamptz
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        kind.energy_reading,
        kind.register_modulus_kwh,
        kind.is_fleet_default,
        greatest(kind.kind_from, kinds_from),
        least(kind.kind_to, kinds_to)
    FROM api.device_kind AS kind
    WHERE
        kind.device_type = 'vehicle'
        AND kind.device_id = vehicle
        AND kind.kind_from < kinds_to
        AND kind.kind_to > kinds_from
$$;

COMMENT ON FUNCTION api.vehicle_kinds(text, timestamptz, timestamptz) IS
'What the kWh values of a vehicle mean in [kinds_from, kinds_to), as api.meter_kinds says it of a meter.';
