-- The last values of registers before an instant each, for those that were silent throughout the look-back. Through the
-- rollup, newest first and in strides that grow, so that a register silent for a week does not open the chunks of years.
-- In plpgsql, so that nothing of it is planned where no register needs it.

CREATE FUNCTION api.registers_before(
    kind_of_device text,
    device_ids text[],
    since timestamptz[],
    before timestamptz[]
)
RETURNS TABLE (device_id text, kind_from timestamptz, recorded_at timestamptz, energy_kwh float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100
SET search_path = pg_catalog
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $$
DECLARE
    wanted_ids text[] := device_ids;
    wanted_since timestamptz[] := since;
    wanted_before timestamptz[] := before;
    stride_from timestamptz;
    stride_to timestamptz;
    stride interval := interval '30 days';
    found_ids text[];
BEGIN
    SELECT max(at) INTO stride_to FROM unnest(before) AS at;
    WHILE cardinality(wanted_ids) > 0 LOOP
        stride_from := CASE WHEN stride > interval '10 years' THEN '-infinity' ELSE stride_to - stride END;
        found_ids := '{}';
        FOR device_id, kind_from, recorded_at, energy_kwh IN
            SELECT wanted.device_id, wanted.since, latest.last_recorded_at, latest.energy_last_kwh
            FROM unnest(wanted_ids, wanted_since, wanted_before) AS wanted (device_id, since, before)
            CROSS JOIN LATERAL (
                SELECT hourly.last_recorded_at, hourly.energy_last_kwh
                FROM api.device_hourly AS hourly
                WHERE
                    hourly.device_type = kind_of_device
                    AND hourly.device_id = wanted.device_id
                    AND hourly.bucket_start < wanted.before
                    AND hourly.bucket_start >= stride_from
                    AND hourly.bucket_start < stride_to
                ORDER BY hourly.bucket_start DESC
                LIMIT 1
            ) AS latest
        LOOP
            found_ids := found_ids || device_id;
            IF recorded_at >= kind_from THEN
                RETURN NEXT;
            END IF;
        END LOOP;
        EXIT WHEN stride_from = '-infinity';
        SELECT array_agg(wanted.device_id), array_agg(wanted.since), array_agg(wanted.before)
        INTO wanted_ids, wanted_since, wanted_before
        FROM unnest(wanted_ids, wanted_since, wanted_before) AS wanted (device_id, since, before)
        WHERE wanted.device_id <> ALL (found_ids) AND wanted.since < stride_from;
        stride_to := stride_from;
        stride := stride * 4;
    END LOOP;
END
$$;

COMMENT ON FUNCTION api.registers_before(text, text[], timestamptz[], timestamptz[]) IS
'The last reading of each register named before its instant and not before since: when, and its value (kWh). No row where there is none.';
