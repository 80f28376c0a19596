-- What a charge may lose. A vehicle that charges keeps some 0.2 kW of itself running, and its charger loses some 7 %; so
-- a slow socket loses more of each kWh than a fast charger does. ADAC measured losses of 6 to 10 % at 11 kW and of 13 to
-- 24 % at 2.3 kW: the expected ratio lies amid those, the lowest normal one just below the worst of them.

CREATE FUNCTION internal.expected_ratio(power_kw float8)
RETURNS float8
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT CASE WHEN power_kw > 0.2 THEN 0.93 * (1 - 0.2 / power_kw) ELSE 0 END
$$;

COMMENT ON FUNCTION internal.expected_ratio(float8) IS
'The ratio DC / AC to be expected of a charge with this mean AC power (kW): 0.93 x (1 - 0.2 kW / P).';

CREATE FUNCTION internal.lowest_normal_ratio(power_kw float8)
RETURNS float8
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT greatest(0, internal.expected_ratio(power_kw) - 0.02 - 0.15 / power_kw)
$$;

COMMENT ON FUNCTION internal.lowest_normal_ratio(float8) IS
'The lowest ratio DC / AC that is still normal at this mean AC power (kW): 0.02 + 0.15 kW / P below the expected ratio, which is 0.88 at 11 kW and 0.76 at 2.3 kW.';
