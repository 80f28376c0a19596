-- AC energy from the grid for a vehicle, DC energy into its battery, and their ratio; and for each figure why it is null or
-- not to be trusted.

CREATE FUNCTION api.vehicle_performance(vehicle text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    is_known boolean,
    energy_ac_kwh float8,
    energy_dc_kwh float8,
    energy_dc_elsewhere_kwh float8,
    efficiency_ratio float8,
    battery_temp_mean_c float8,
    meter_ids text[],
    meter_readings bigint,
    vehicle_readings bigint,
    meter_coverage float8,
    vehicle_coverage float8,
    meter_resets integer,
    vehicle_resets integer,
    meter_rollovers integer,
    vehicle_rollovers integer,
    spanned_ac_kwh float8,
    spanned_dc_kwh float8,
    is_estimated boolean,
    is_pending boolean,
    energy_ac_reason text,
    energy_dc_reason text,
    efficiency_reason text,
    battery_temp_reason text,
    faults jsonb
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        EXISTS (SELECT FROM internal.live_vehicle_state AS live WHERE live.vehicle_id = vehicle)
        OR EXISTS (SELECT FROM internal.assignment WHERE assignment.vehicle_id = vehicle)
        OR EXISTS (SELECT FROM internal.vehicle AS listed WHERE listed.vehicle_id = vehicle),
        grid.energy_ac_kwh,
        battery.energy_dc_kwh,
        internal.elsewhere(battery.readings, battery.energy_dc_kwh, fed.readings, fed.energy_dc_kwh),
        compared.ratio,
        battery.battery_temp_sum_c / nullif(battery.readings, 0),
        grid.meter_ids,
        round(grid.readings)::bigint,
        round(battery.readings)::bigint,
        internal.coverage(grid.readings, grid.fed_s),
        internal.coverage(battery.readings, internal.seconds_elapsed(window_from, window_to)),
        grid.resets,
        battery.resets,
        grid.rollovers,
        battery.rollovers,
        spanned.energy_ac_kwh,
        spanned.energy_dc_kwh,
        grid.is_estimated OR battery.is_estimated OR greatest(spanned.energy_ac_kwh, spanned.energy_dc_kwh) >= 1e-9,
        internal.is_vehicle_pending(vehicle, window_from, window_to),
        reason.energy_ac,
        reason.energy_dc,
        compared.reason,
        CASE WHEN battery.readings = 0 THEN 'no_readings' END,
        fault.list || CASE
            WHEN compared.reason = 'data_fault' THEN jsonb_build_array(
                internal.fault_shown(
                    'ratio_above_one',
                    'vehicle',
                    vehicle,
                    internal.cause_of_ratio(compared.ratio, NULL),
                    round(fed.readings)::bigint,
                    '[]'
                )
            )
            ELSE '[]'
        END
    FROM internal.vehicle_window(vehicle, window_from, window_to, window_from, window_to) AS battery
    CROSS JOIN internal.vehicle_fed(vehicle, window_from, window_to) AS fed
    CROSS JOIN (
        SELECT
            coalesce(array_agg(DISTINCT feed.meter_id ORDER BY feed.meter_id), '{}') AS meter_ids,
            coalesce(sum(fed.readings), 0) AS readings,
            sum(fed.energy_ac_kwh) AS energy_ac_kwh,
            sum(internal.seconds_elapsed(feed.feed_from, feed.feed_to)) AS fed_s,
            coalesce(sum(fed.baselines), 0)::integer AS baselines,
            coalesce(sum(fed.resets), 0)::integer AS resets,
            coalesce(sum(fed.rollovers), 0)::integer AS rollovers,
            coalesce(bool_or(fed.is_estimated), false) AS is_estimated
        FROM internal.vehicle_feeds(vehicle, window_from, window_to) AS feed
        CROSS JOIN LATERAL internal.meter_window(
            feed.meter_id, feed.feed_from, feed.feed_to, window_from, window_to
        ) AS fed
    ) AS grid
    CROSS JOIN (
        SELECT
            coalesce(sum(step.energy_kwh) FILTER (WHERE step.device_type = 'meter'), 0) AS energy_ac_kwh,
            coalesce(sum(step.energy_kwh) FILTER (WHERE step.device_type = 'vehicle'), 0) AS energy_dc_kwh
        FROM internal.vehicle_spanned(vehicle, window_from, window_to) AS step
    ) AS spanned
    CROSS JOIN LATERAL (
        SELECT
            CASE
                WHEN grid.meter_ids = '{}' THEN 'no_assignment'
                WHEN grid.readings = 0 THEN 'no_readings'
                WHEN grid.baselines > 0 THEN 'baseline_missing'
            END AS energy_ac,
            CASE
                WHEN battery.readings = 0 THEN 'no_readings'
                WHEN battery.baselines > 0 THEN 'baseline_missing'
            END AS energy_dc
    ) AS reason
    CROSS JOIN (
        SELECT
            min(found.code) AS code,
            coalesce(
                jsonb_agg(
                    internal.fault_shown(
                        found.code, found.device_type, found.device_id, found.cause, found.readings, found.examples
                    )
                    ORDER BY found.device_type, found.device_id, found.code
                ),
                '[]'
            ) AS list
        FROM internal.vehicle_faults(vehicle, window_from, window_to) AS found
    ) AS fault
    CROSS JOIN LATERAL (
        SELECT
            CASE WHEN fault.code IS NULL THEN internal.ratio(fed.energy_dc_kwh, grid.energy_ac_kwh) END AS ratio,
            coalesce(
                fault.code,
                internal.ratio_reason(
                    grid.energy_ac_kwh,
                    fed.energy_dc_kwh,
                    reason.energy_ac,
                    CASE WHEN battery.readings = 0 OR fed.baselines > 0 THEN reason.energy_dc END
                )
            ) AS reason
    ) AS compared
$$;

COMMENT ON FUNCTION api.vehicle_performance(text, timestamptz, timestamptz) IS
'AC energy through the assignments, DC energy, of it what arrived elsewhere (kWh), the ratio of what arrived while assigned to the AC energy, mean battery temperature (degrees C), the meters, reading counts, coverages (share of the expected minutes), register resets and rollovers of one vehicle in (window_from, window_to]; energies of steps across an edge of an assignment (spanned), whether any energy is estimated, and whether committed readings may be missing yet (is_pending); null where nothing is known, the ratio also where AC is 0. The reasons say why a figure is null, or what is wrong with it; faults is a list of what is wrong with the data: code, device, likely cause, readings. A device at fault leaves no ratio.';

-- The parts of api.vehicle_performance: every meter that fed the vehicle, the vehicle itself, and the parts of their
-- energies. A row without a part is a feed without a reading.

CREATE FUNCTION api.vehicle_explanation(vehicle text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    device_type text,
    device_id text,
    meter_id text,
    assignment_id bigint,
    feed_from timestamptz,
    feed_to timestamptz,
    bucket_start timestamptz,
    energy_reading text,
    source text,
    first_recorded_at timestamptz,
    last_recorded_at timestamptz,
    readings bigint,
    energy_kwh float8,
    is_estimated boolean,
    steps text[],
    steps_at timestamptz[],
    steps_before_kwh float8[],
    steps_to_kwh float8[]
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
AS $$
    SELECT side.*, part.*
    FROM (
        SELECT
            'meter' AS device_type,
            feed.meter_id AS device_id,
            feed.meter_id,
            feed.assignment_id,
            feed.feed_from,
            feed.feed_to
        FROM internal.vehicle_feeds(vehicle, window_from, window_to) AS feed
        UNION ALL
        SELECT 'vehicle', vehicle, part.meter_id, part.assignment_id, part.part_from, part.part_to
        FROM internal.vehicle_parts(vehicle, window_from, window_to) AS part
    ) AS side
    LEFT JOIN LATERAL internal.energy_parts(side.device_type, side.device_id, side.feed_from, side.feed_to) AS part ON true
$$;

COMMENT ON FUNCTION api.vehicle_explanation(text, timestamptz, timestamptz) IS
'What the energies (kWh) of a vehicle in (window_from, window_to] are made of: one row an hour of each meter that fed it, by assignment, and of the vehicle, by the charge to which its readings belong (meter_id null: elsewhere), by the meaning of its values (interval, register or session) and source: rollup or cut_hour (readings of the history). Steps of registers that are not plain energy with their instants and the values (kWh) before and at them; null where there are none.';
