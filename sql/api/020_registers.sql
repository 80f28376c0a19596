-- Registers of a window, each with the part of the window in which it is one, and from when on its readings matter.

CREATE FUNCTION api.registers(
    kind_of_device text,
    pieces_from timestamptz,
    pieces_to timestamptz,
    only_device text DEFAULT NULL
)
RETURNS TABLE (
    device_id text,
    kind_from timestamptz,
    modulus_kwh float8,
    counted_from timestamptz,
    counted_to timestamptz,
    looked_from timestamptz
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
AS $$
    -- Stretches that meet and mean the same are one: to say again what holds loses no step.
    SELECT
        said.device_id,
        min(said.kind_from),
        said.register_modulus_kwh,
        greatest(min(said.kind_from), pieces_from),
        least(max(said.kind_to), pieces_to),
        greatest(min(said.kind_from), api.register_look_from(greatest(min(said.kind_from), pieces_from)))
    FROM (
        SELECT
            stretch.*,
            count(*) FILTER (WHERE stretch.is_new) OVER (
                PARTITION BY stretch.device_id ORDER BY stretch.kind_from
            ) AS register_number
        FROM (
            SELECT
                kind.device_id,
                kind.register_modulus_kwh,
                kind.kind_from,
                kind.kind_to,
                (kind.kind_from, kind.register_modulus_kwh) IS DISTINCT FROM (
                    lag(kind.kind_to) OVER in_time, lag(kind.register_modulus_kwh) OVER in_time
                ) AS is_new
            FROM api.device_kind AS kind
            WHERE
                kind.device_type = kind_of_device
                AND (only_device IS NULL OR kind.device_id = only_device)
                AND kind.energy_reading = 'register'
            WINDOW in_time AS (PARTITION BY kind.device_id ORDER BY kind.kind_from)
        ) AS stretch
    ) AS said
    GROUP BY said.device_id, said.register_number, said.register_modulus_kwh
    HAVING min(said.kind_from) < pieces_to AND max(said.kind_to) > pieces_from
$$;

COMMENT ON FUNCTION api.registers(text, timestamptz, timestamptz, text) IS
'Meters or vehicles (kind_of_device), all or the one named, that are registers at some time of [pieces_from, pieces_to): since when, with which modulus (kWh; null: none), the part of the window in which they are, and from when on their readings matter for it.';
