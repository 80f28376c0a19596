-- name: sessions
SELECT
    session_id,
    session_key,
    vehicle_id,
    meter_id,
    assignment_id,
    session_from,
    session_to,
    state,
    energy_ac_kwh,
    energy_dc_kwh,
    efficiency_ratio,
    lost_beyond_expected_kwh,
    mean_power_kw,
    highest_power_kw,
    flow_share,
    soc_first_pct,
    soc_last_pct,
    battery_temp_mean_c,
    meter_readings,
    vehicle_readings,
    is_estimated,
    faults,
    listed_sessions,
    pending.is_pending
-- One row without a session where none is on the page.
FROM (SELECT internal.is_fleet_pending(%(window_from)s, %(window_to)s) AS is_pending) AS pending
LEFT JOIN api.sessions(
    %(window_from)s,
    %(window_to)s,
    %(vehicle_id)s,
    %(meter_id)s,
    %(group)s,
    %(site)s,
    %(state)s,
    %(before_at)s,
    %(before_vehicle)s,
    %(row_limit)s
) ON true
ORDER BY session_key DESC, vehicle_id COLLATE "C" DESC;

-- name: session_of_assignment
SELECT vehicle_id, meter_id, lower(during) AS begins, upper(during) AS ends
FROM api.assignment
WHERE id = %(id)s;

-- name: session_shown_at
SELECT vehicle_id, meter_id, begins, ends
FROM internal.session_stays(%(at)s, %(at)s::timestamptz + interval '1 hour', %(vehicle_id)s, %(vehicle_id)s)
WHERE is_shown
ORDER BY begins
LIMIT 1;
