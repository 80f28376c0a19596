-- Energy and voltage of one meter: whole hours from the rollup, cut hours from the history by its index.

CREATE FUNCTION api.meter_energy(meter text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    is_known boolean,
    readings bigint,
    energy_ac_kwh float8,
    voltage_mean_v float8,
    voltage_min_v float4,
    voltage_max_v float4,
    coverage float8,
    resets integer,
    spanned_ac_kwh float8,
    is_estimated boolean,
    is_pending boolean,
    energy_ac_reason text,
    faults jsonb
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        EXISTS (SELECT FROM internal.live_meter_state AS live WHERE live.meter_id = meter)
        OR EXISTS (SELECT FROM internal.assignment WHERE assignment.meter_id = meter)
        OR EXISTS (SELECT FROM internal.meter AS listed WHERE listed.meter_id = meter),
        round(drawn.readings)::bigint,
        drawn.energy_ac_kwh,
        drawn.voltage_sum_v / nullif(drawn.readings, 0),
        drawn.voltage_min_v,
        drawn.voltage_max_v,
        internal.coverage(drawn.readings, internal.seconds_elapsed(window_from, window_to)),
        drawn.resets,
        spanned.energy_ac_kwh,
        drawn.is_estimated OR spanned.energy_ac_kwh >= 1e-9,
        internal.is_meter_pending(meter, window_from, window_to),
        CASE
            WHEN drawn.readings = 0 THEN 'no_readings'
            WHEN drawn.baselines > 0 THEN 'baseline_missing'
        END,
        fault.list
    FROM internal.meter_window(meter, window_from, window_to, window_from, window_to) AS drawn
    CROSS JOIN (
        SELECT coalesce(sum(step.energy_kwh), 0) AS energy_ac_kwh
        FROM internal.spanned_readings('meter', meter, window_from, window_to) AS step
    ) AS spanned
    CROSS JOIN (
        SELECT coalesce(
            jsonb_agg(
                internal.fault_shown(
                    found.code, found.device_type, found.device_id, found.cause, found.readings, found.examples
                )
                ORDER BY found.code
            ),
            '[]'
        ) AS list
        FROM internal.device_faults('meter', window_from, window_to, ARRAY[meter]) AS found
    ) AS fault
$$;

COMMENT ON FUNCTION api.meter_energy(text, timestamptz, timestamptz) IS
'Whether a meter ever sent a reading, and its readings, AC energy (kWh), mean, lowest and highest voltage (V), coverage, register resets in (window_from, window_to], the energy of steps across an edge of an assignment (spanned_ac_kwh), and whether the energy is estimated; null where nothing is known, and the reason why; faults as in api.vehicle_performance.';

-- The vehicles that a meter fed within a window, and its energy for each.

CREATE FUNCTION api.meter_vehicles(meter text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    vehicle_id text,
    fed_seconds float8,
    readings bigint,
    energy_ac_kwh float8,
    energy_dc_kwh float8,
    efficiency_ratio float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
AS $$
    WITH feed AS MATERIALIZED (
        SELECT
            fed.vehicle_id,
            fed.feed_from,
            fed.feed_to,
            internal.stay_end(fed.vehicle_id, fed.feed_to, window_to) AS stay_to
        FROM internal.meter_feeds(meter, window_from, window_to) AS fed
    ),
    -- Mostly none: a look at the window spares one at each feed.
    suspect AS MATERIALIZED (
        SELECT own.device_type, own.device_id
        FROM internal.device_faults('meter', window_from, window_to, ARRAY[meter]) AS own
        UNION
        SELECT fed.device_type, fed.device_id
        FROM internal.device_faults(
            'vehicle', window_from, window_to, ARRAY(SELECT DISTINCT feed.vehicle_id FROM feed)
        ) AS fed
    )
    SELECT
        feed.vehicle_id,
        sum(internal.seconds_elapsed(feed.feed_from, feed.feed_to)),
        round(sum(fed.readings))::bigint,
        sum(fed.energy_ac_kwh),
        sum(charged.energy_dc_kwh),
        CASE WHEN NOT bool_or(fault.is_one) THEN internal.ratio(sum(charged.energy_dc_kwh), sum(fed.energy_ac_kwh)) END
    FROM feed
    CROSS JOIN LATERAL internal.meter_window(meter, feed.feed_from, feed.feed_to, window_from, window_to) AS fed
    CROSS JOIN LATERAL internal.vehicle_window(
        feed.vehicle_id, feed.feed_from, feed.stay_to, window_from, window_to
    ) AS charged
    CROSS JOIN LATERAL (
        SELECT EXISTS (
            SELECT
            FROM suspect
            CROSS JOIN LATERAL internal.device_faults(
                suspect.device_type, feed.feed_from, feed.feed_to, ARRAY[suspect.device_id]
            )
            WHERE suspect.device_type = 'meter' OR suspect.device_id = feed.vehicle_id
        ) AS is_one
    ) AS fault
    GROUP BY feed.vehicle_id
    ORDER BY min(feed.feed_from)
$$;

COMMENT ON FUNCTION api.meter_vehicles(text, timestamptz, timestamptz) IS
'Vehicles that a meter fed in (window_from, window_to], in the order in which they came: for how many seconds, with how many of its readings, its energy meanwhile, what of it reached the battery (kWh, null without a reading), and the ratio of the two (null too where the data of either is at fault).';

-- What a meter drew bucket by bucket, registers too. Every bucket has its row.

CREATE FUNCTION api.meter_series(
    meter text, window_from timestamptz, window_to timestamptz, bucket text, timezone text
)
RETURNS TABLE (
    bucket_from timestamptz,
    bucket_to timestamptz,
    energy_ac_kwh float8,
    energy_ac_attributed_kwh float8,
    energy_ac_unattributed_kwh float8,
    voltage_mean_v float8,
    readings bigint,
    coverage float8,
    is_estimated boolean,
    is_pending boolean
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 24
AS $$
    SELECT
        slot.bucket_from,
        slot.bucket_to,
        drawn.energy_ac_kwh,
        -- If the total is known, each part of it is known too.
        CASE WHEN drawn.energy_ac_kwh IS NOT NULL THEN coalesce(drawn.attributed_kwh, 0) END,
        CASE WHEN drawn.energy_ac_kwh IS NOT NULL THEN coalesce(drawn.unattributed_kwh, 0) END,
        drawn.voltage_sum_v / nullif(drawn.readings, 0),
        round(coalesce(drawn.readings, 0))::bigint,
        internal.coverage(
            coalesce(drawn.readings, 0), internal.seconds_elapsed(slot.bucket_from, slot.bucket_to)
        ),
        coalesce(drawn.is_estimated, false),
        CASE
            WHEN (SELECT internal.is_meter_pending(meter, window_from, window_to))
                THEN internal.is_meter_pending(meter, slot.bucket_from, slot.bucket_to)
            ELSE false
        END
    FROM internal.buckets(window_from, window_to, bucket, timezone) AS slot
    LEFT JOIN (
        SELECT
            part.bucket_from,
            sum(part.readings) AS readings,
            sum(part.energy_kwh) AS energy_ac_kwh,
            sum(part.energy_kwh) FILTER (WHERE part.counterpart_id IS NOT NULL) AS attributed_kwh,
            sum(part.energy_kwh) FILTER (WHERE part.counterpart_id IS NULL) AS unattributed_kwh,
            sum(part.measured_sum) AS voltage_sum_v,
            bool_or(part.is_estimated) AS is_estimated
        FROM internal.device_energies('meter', window_from, window_to, bucket, timezone, ARRAY[meter]) AS part
        GROUP BY part.bucket_from
    ) AS drawn ON drawn.bucket_from = slot.bucket_from
    ORDER BY slot.bucket_from
$$;

COMMENT ON FUNCTION api.meter_series(text, timestamptz, timestamptz, text, text) IS
'What a meter drew in every bucket (hour, day, week, month, year, or window) of (window_from, window_to] by the clock of a time zone, in order: AC energy (kWh), of it attributed to the vehicles that it fed and not, mean voltage (V), readings, coverage, whether the energy is estimated, and whether late readings are still to come in; null where nothing is known.';
