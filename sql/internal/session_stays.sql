-- Sessions: each stay of a vehicle at a meter. Assignments tell them. A vehicle that was never assigned is paired with the meter of
-- its own id, and has the sessions that its energy shows: hours one after the other in each of which that meter delivered
-- 0.1 kWh, found in the rollup, from the first flow in the first of them to the last in the last.

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
    is_active boolean
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
        upper_inf(assignment.during) OR upper(assignment.during) > now()
    FROM internal.assignment
    WHERE
        assignment.during && tstzrange(window_from, window_to)
        AND (only_vehicle IS NULL OR assignment.vehicle_id = only_vehicle)
        AND (only_meter IS NULL OR assignment.meter_id = only_meter)
    UNION ALL
    SELECT stay.device_id, stay.device_id, NULL, stay.first_hour, stay.last_hour + interval '1 hour', true, EXISTS (
        SELECT
        FROM internal.live_meter_state AS live
        WHERE
            live.meter_id = stay.device_id
            AND live.is_charging
            AND live.recorded_at >= now() - internal.silent_after()
            AND live.recorded_at <= stay.last_hour + interval '2 hours'
    )
    FROM internal.shown_stays(
        -- A session that began at most a day before the window, or ends a day after it, has its own ends.
        internal.hour_floor(window_from) - interval '24 hours',
        internal.hour_ceiling(window_to) + interval '24 hours',
        coalesce(only_vehicle, only_meter)
    ) AS stay
    WHERE
        (only_vehicle IS NULL OR only_meter IS NULL OR only_vehicle = only_meter)
        AND stay.first_hour < window_to
        AND stay.last_hour + interval '1 hour' > window_from
$$;

COMMENT ON FUNCTION internal.session_stays(timestamptz, timestamptz, text, text) IS
'Sessions that overlap (window_from, window_to], of a vehicle, of a meter, or of all: assignments (ends null: open), and those that energy shows, in whole hours (is_shown); and whether the session goes on.';
