CREATE FUNCTION internal.coverage(readings float8, expected_s float8)
RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN expected_s > 0 THEN least(1, readings * 60 / expected_s) END
$$;

COMMENT ON FUNCTION internal.coverage(float8, float8) IS
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

-- What a vehicle got while no meter fed it: at a public charger, or where a plug event got lost.

CREATE FUNCTION internal.elsewhere(readings float8, energy_kwh float8, fed_readings float8, fed_energy_kwh float8)
RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN energy_kwh IS NULL THEN NULL
        -- Of a difference of sums a trace may be left where there is none.
        WHEN readings - coalesce(fed_readings, 0) < 1e-6 OR abs(energy_kwh - coalesce(fed_energy_kwh, 0)) < 1e-9 THEN 0
        ELSE energy_kwh - coalesce(fed_energy_kwh, 0)
    END
$$;

COMMENT ON FUNCTION internal.elsewhere(float8, float8, float8, float8) IS
'DC energy (kWh) of a vehicle less what belongs to its charges, by the readings of both; null where it is not known.';

CREATE FUNCTION internal.ratio_reason(energy_ac_kwh float8, energy_dc_kwh float8, ac_reason text, dc_reason text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN energy_ac_kwh IS NULL THEN ac_reason
        WHEN energy_dc_kwh IS NULL THEN coalesce(dc_reason, 'elsewhere_only')
        WHEN energy_dc_kwh > energy_ac_kwh + 1e-9 THEN 'data_fault'
        WHEN energy_ac_kwh < 1e-9 THEN 'no_energy'
        ELSE coalesce(ac_reason, dc_reason)
    END
$$;

COMMENT ON FUNCTION internal.ratio_reason(float8, float8, text, text) IS
'Why the ratio of two energies (kWh) is null, or what is wrong with it: the reason of the unknown energy (elsewhere_only: the vehicle has readings, and none belongs to a charge); data_fault where more reached the battery than came from the grid; no_energy where neither moved; else what is wrong with either energy.';
