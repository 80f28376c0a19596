-- Sessions, newest first: which vehicle charged at which meter, from when to when, and what became of the energy. Figures are
-- those within the window, so that rows add up to what the fleet's answer calls attributed.
--
-- Every argument after the window narrows the list; before_at and before_vehicle continue it after a row (session_key).

CREATE FUNCTION api.sessions(
    window_from timestamptz,
    window_to timestamptz,
    vehicle text DEFAULT NULL,
    meter text DEFAULT NULL,
    in_group text DEFAULT NULL,
    at_site text DEFAULT NULL,
    in_state text DEFAULT NULL,
    before_at timestamptz DEFAULT NULL,
    before_vehicle text DEFAULT NULL,
    row_limit integer DEFAULT NULL
)
RETURNS TABLE (
    session_id text,
    session_key timestamptz,
    vehicle_id text,
    meter_id text,
    assignment_id bigint,
    session_from timestamptz,
    session_to timestamptz,
    state text,
    energy_ac_kwh float8,
    energy_dc_kwh float8,
    efficiency_ratio float8,
    lost_beyond_expected_kwh float8,
    mean_power_kw float8,
    highest_power_kw float8,
    flow_share float8,
    soc_first_pct float4,
    soc_last_pct float4,
    battery_temp_mean_c float8,
    meter_readings bigint,
    vehicle_readings bigint,
    is_estimated boolean,
    faults text[],
    listed_sessions bigint
)
LANGUAGE sql STABLE ROWS 100
AS $$
    WITH stay AS MATERIALIZED (
        SELECT known.*
        FROM internal.session_stays(window_from, window_to, vehicle, meter) AS known
        WHERE
            (in_state IS NULL OR known.state = internal.one_of('in_state', in_state, ARRAY['planned', 'active', 'ended']))
            AND (
                in_group IS NULL
                OR EXISTS (
                    SELECT FROM internal.vehicle AS listed
                    WHERE listed.vehicle_id = known.vehicle_id AND listed.group_name = in_group
                )
            )
            AND (
                at_site IS NULL
                OR EXISTS (
                    SELECT FROM internal.meter AS listed
                    WHERE listed.meter_id = known.meter_id AND listed.site_name = at_site
                )
            )
    ),
    page AS MATERIALIZED (
        SELECT stay.*
        FROM stay
        WHERE
            before_at IS NULL
            OR (stay.begins, stay.vehicle_id) < (before_at, before_vehicle COLLATE "C")
        ORDER BY stay.begins DESC, stay.vehicle_id COLLATE "C" DESC
        LIMIT row_limit
    ),
    span AS MATERIALIZED (
        SELECT
            greatest(min(page.begins), window_from) AS span_from,
            greatest(least(max(coalesce(page.ends, window_to)), window_to), window_from) AS span_to
        FROM page
    ),
    -- Devices with a fault in the time of these sessions: mostly none.
    suspect AS MATERIALIZED (
        SELECT found.device_type, found.device_id
        FROM span
        CROSS JOIN LATERAL internal.device_faults(
            'meter', span.span_from, span.span_to, ARRAY(SELECT DISTINCT page.meter_id FROM page)
        ) AS found
        UNION
        SELECT found.device_type, found.device_id
        FROM span
        CROSS JOIN LATERAL internal.device_faults(
            'vehicle', span.span_from, span.span_to, ARRAY(SELECT DISTINCT page.vehicle_id FROM page)
        ) AS found
    )
    SELECT
        coalesce(
            page.assignment_id::text,
            page.vehicle_id || ',' || to_char(page.begins AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        ),
        page.begins,
        page.vehicle_id,
        page.meter_id,
        page.assignment_id,
        figure.session_from,
        CASE WHEN NOT (page.is_shown AND page.state = 'active') THEN figure.session_to END,
        page.state,
        figure.energy_ac_kwh,
        figure.energy_dc_kwh,
        CASE WHEN fault.codes IS NULL THEN figure.efficiency_ratio END,
        CASE WHEN fault.codes IS NULL THEN figure.lost_beyond_expected_kwh END,
        figure.mean_power_kw,
        figure.highest_power_kw,
        figure.flow_share,
        figure.soc_first_pct,
        figure.soc_last_pct,
        figure.battery_temp_mean_c,
        figure.meter_readings,
        figure.vehicle_readings,
        figure.is_estimated,
        coalesce(fault.codes, CASE WHEN figure.efficiency_ratio > 1 THEN '{ratio_above_one}' ELSE '{}' END::text[]),
        (SELECT count(*) FROM stay)
    FROM page
    CROSS JOIN LATERAL internal.session_figures(
        page.vehicle_id, page.meter_id, page.begins, page.ends, page.is_shown, window_from, window_to
    ) AS figure
    LEFT JOIN LATERAL (
        SELECT array_agg(DISTINCT found.code ORDER BY found.code) AS codes
        FROM suspect
        CROSS JOIN LATERAL internal.device_faults(
            suspect.device_type,
            greatest(figure.session_from, window_from),
            greatest(least(figure.session_to, window_to), figure.session_from, window_from),
            ARRAY[suspect.device_id]
        ) AS found
        WHERE (suspect.device_type, suspect.device_id) IN (('meter', page.meter_id), ('vehicle', page.vehicle_id))
    ) AS fault ON true
    ORDER BY page.begins DESC, page.vehicle_id COLLATE "C" DESC
$$;

COMMENT ON FUNCTION api.sessions(timestamptz, timestamptz, text, text, text, text, text, timestamptz, text, integer) IS
'Sessions that overlap (window_from, window_to], newest first: stays of a vehicle at a meter, by assignment, or, of a vehicle that was never assigned, as the energy of the meter of its id shows them. Their ends (session_to null: it goes on), and of the part within the window the energies (kWh), the ratio of like with like, kWh lost beyond what is expected at its power, mean power while energy flowed and highest power (kW), share of the time in which it flowed, states of charge at both ends (percent), mean battery temperature (degrees C), reading counts, and codes of faults of data, which leave no ratio. Narrowed to a vehicle, a meter, a group, a site, to those planned, active or ended (in_state); continued after the row whose session_key and vehicle_id are before_at and before_vehicle; at most row_limit rows (null: all). listed_sessions counts all of the list.';
