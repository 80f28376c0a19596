-- Sessions: each stay of a vehicle at a meter. Assignments tell them. A vehicle that was never assigned is paired with the meter of
-- its own id, and has the sessions that its energy shows: hours one after the other in each of which that meter delivered
-- 0.1 kWh, found in the rollup, from the first flow in the first of them to the last in the last. The time in which the meter is
-- assigned to another vehicle is in none.

CREATE FUNCTION internal.shown_flow(
    meter text, flow_from timestamptz, flow_to timestamptz, window_from timestamptz, window_to timestamptz
)
RETURNS TABLE (recorded_at timestamptz, flow_from timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 60
AS $$
    SELECT reading.recorded_at, reading.flow_from
    FROM internal.reading_powers(
        'meter', meter, shown_flow.flow_from, flow_to, internal.earlier(window_from, 170), internal.earlier(window_to, -170)
    ) AS reading
    WHERE
        reading.power_kw >= internal.least_flow_kw()
        -- After a day of silence nobody knows how long it took.
        OR (reading.previous_at IS NULL AND reading.energy_kwh >= internal.least_flow_kw() / 10)
$$;

COMMENT ON FUNCTION internal.shown_flow(text, timestamptz, timestamptz, timestamptz, timestamptz) IS
'Readings of a meter in (flow_from, flow_to] in which at least 0.1 kW flowed, and since when; within a week of (window_from, window_to].';

CREATE FUNCTION internal.shown_stays(window_from timestamptz, window_to timestamptz, only_device text)
RETURNS TABLE (device_id text, first_hour timestamptz, last_hour timestamptz)
LANGUAGE sql STABLE ROWS 1000
AS $$
    SELECT run.device_id, min(run.bucket_from), max(run.bucket_from)
    FROM (
        SELECT
            hour.device_id,
            hour.bucket_from,
            count(*) FILTER (WHERE hour.is_new) OVER (PARTITION BY hour.device_id ORDER BY hour.bucket_from) AS number
        FROM (
            SELECT
                flow.device_id,
                flow.bucket_from,
                coalesce(
                    flow.bucket_from > lag(flow.bucket_from) OVER (
                        PARTITION BY flow.device_id ORDER BY flow.bucket_from
                    ) + interval '1 hour',
                    true
                ) AS is_new
            FROM internal.device_energies(
                'meter',
                window_from,
                window_to,
                'hour',
                'UTC',
                ARRAY(
                    SELECT namesake.vehicle_id
                    FROM (
                        SELECT vehicle.vehicle_id
                        FROM internal.live_vehicle_state AS vehicle
                        JOIN internal.live_meter_state AS meter ON meter.meter_id = vehicle.vehicle_id
                        WHERE only_device IS NULL OR vehicle.vehicle_id = only_device
                        UNION
                        SELECT listed.vehicle_id
                        FROM internal.vehicle AS listed
                        JOIN internal.live_meter_state AS meter ON meter.meter_id = listed.vehicle_id
                        WHERE only_device IS NULL OR listed.vehicle_id = only_device
                        OFFSET 0
                    ) AS namesake
                    WHERE NOT EXISTS (
                        SELECT FROM internal.assignment WHERE assignment.vehicle_id = namesake.vehicle_id OFFSET 0
                    )
                )
            ) AS flow
            WHERE flow.counterpart_id = flow.device_id AND flow.energy_kwh >= internal.least_flow_kw()
        ) AS hour
    ) AS run
    GROUP BY run.device_id, run.number
$$;

COMMENT ON FUNCTION internal.shown_stays(timestamptz, timestamptz, text) IS
'Sessions that the energy of meters shows, of vehicles of their own ids that were never assigned, or of one of them: the starts of the first and the last of the hours in a row in which at least 0.1 kWh flowed in (window_from, window_to].';

CREATE FUNCTION internal.session_stays(
    window_from timestamptz,
    window_to timestamptz,
    only_vehicle text,
    only_meter text
)
RETURNS TABLE (
    vehicle_id text,
    meter_id text,
    assignment_id bigint,
    begins timestamptz,
    ends timestamptz,
    is_shown boolean,
    state text
)
LANGUAGE sql STABLE ROWS 1000
AS $$
    SELECT
        assignment.vehicle_id,
        assignment.meter_id,
        assignment.id,
        lower(assignment.during),
        upper(assignment.during),
        false,
        CASE
            WHEN lower(assignment.during) > now() THEN 'planned'
            WHEN upper_inf(assignment.during) OR upper(assignment.during) > now() THEN 'active'
            ELSE 'ended'
        END
    FROM internal.assignment
    WHERE
        assignment.during && tstzrange(window_from - interval '15 minutes', window_to)
        AND (only_vehicle IS NULL OR assignment.vehicle_id = only_vehicle)
        AND (only_meter IS NULL OR assignment.meter_id = only_meter)
        -- One that ended just before the window has what its vehicle reported late.
        AND (
            upper_inf(assignment.during)
            OR upper(assignment.during) > window_from
            OR internal.stay_end(assignment.vehicle_id, upper(assignment.during), window_to) > window_from
        )
    UNION ALL
    SELECT
        stay.device_id,
        stay.device_id,
        NULL,
        stay.begins,
        stay.ends,
        true,
        CASE
            WHEN EXISTS (
                SELECT
                FROM internal.live_meter_state AS live
                WHERE
                    live.meter_id = stay.device_id
                    AND live.is_charging
                    AND live.recorded_at >= now() - internal.silent_after()
                    AND live.recorded_at > stay.begins
                    AND live.recorded_at <= stay.ends + interval '1 hour'
            ) THEN 'active'
            ELSE 'ended'
        END
    FROM (
        SELECT run.device_id, feed.feed_from AS begins, feed.feed_to AS ends
        FROM internal.shown_stays(
            -- The ends of a session are looked for a day around the window, of one device a week.
            internal.hour_floor(window_from)
            - CASE WHEN coalesce(only_vehicle, only_meter) IS NULL THEN interval '24 hours' ELSE interval '168 hours' END,
            internal.hour_ceiling(window_to)
            + CASE WHEN coalesce(only_vehicle, only_meter) IS NULL THEN interval '24 hours' ELSE interval '168 hours' END,
            coalesce(only_vehicle, only_meter)
        ) AS run
        CROSS JOIN LATERAL internal.vehicle_feeds(
            run.device_id, run.first_hour, run.last_hour + interval '1 hour'
        ) AS feed
        WHERE only_vehicle IS NULL OR only_meter IS NULL OR only_vehicle = only_meter
        OFFSET 0
    ) AS stay
    WHERE
        stay.begins < window_to
        AND stay.ends > window_from
        -- Only flow tells whether a session reaches into a window that ends in its first hour, or begins in its last.
        AND (
            stay.begins + interval '1 hour' <= window_to
            OR EXISTS (SELECT FROM internal.shown_flow(stay.device_id, stay.begins, window_to, window_from, window_to))
        )
        AND (
            stay.ends - interval '1 hour' >= window_from
            OR EXISTS (SELECT FROM internal.shown_flow(stay.device_id, window_from, stay.ends, window_from, window_to))
        )
$$;

COMMENT ON FUNCTION internal.session_stays(timestamptz, timestamptz, text, text) IS
'Sessions that overlap (window_from, window_to], of a vehicle, of a meter, or of all: assignments (ends null: open), and those that energy shows, in whole hours or between assignments of the meter (is_shown); whether they are planned, active or ended.';
