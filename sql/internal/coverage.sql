CREATE FUNCTION internal.coverage(readings numeric, expected_s float8)
RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN expected_s > 0 THEN least(1, readings::float8 * 60 / expected_s) END
$$;

COMMENT ON FUNCTION internal.coverage(numeric, float8) IS
'Share of the expected minutes with a reading: readings over minutes, 1 at most; null where none was expected.';

-- A sum of a register's steps may leave a trace where there is nothing, and jitter may take more than came: neither has a ratio.

CREATE FUNCTION internal.ratio(part_kwh float8, whole_kwh float8)
RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN whole_kwh >= 1e-9 THEN part_kwh / whole_kwh END
$$;

COMMENT ON FUNCTION internal.ratio(float8, float8) IS
'The ratio of two energies (kWh); null where the second is below a billionth of a kWh.';

CREATE FUNCTION internal.ratio_reason(energy_ac_kwh float8, energy_dc_kwh float8, ac_reason text, dc_reason text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN energy_ac_kwh IS NULL THEN ac_reason
        WHEN energy_dc_kwh IS NULL THEN dc_reason
        WHEN energy_dc_kwh > energy_ac_kwh + 1e-9 THEN 'data_fault'
        WHEN energy_ac_kwh < 1e-9 THEN 'no_energy'
        ELSE coalesce(ac_reason, dc_reason)
    END
$$;

COMMENT ON FUNCTION internal.ratio_reason(float8, float8, text, text) IS
'Why the ratio of two energies (kWh) is null, or what is wrong with it: the reason of the unknown energy; data_fault where more reached the battery than came from the grid; no_energy where neither moved; else what is wrong with either energy.';
