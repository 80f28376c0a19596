-- Which readings of a vehicle belong to a charge. They are stamped within the time in which a meter feeds it, or the first one
-- is that comes after: a car may report half a minute after the plug is out, and what it then reports arrived before.
--
-- A stay is a feed seen from the vehicle: (feed_from, stay_to]. The last reading counts if it comes within 15 minutes, before
-- the vehicle's next assignment, and its time since the reading before begins while the vehicle was fed.

CREATE FUNCTION internal.stay_end(vehicle text, feed_to timestamptz, window_to timestamptz)
RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN feed_to >= window_to THEN window_to ELSE coalesce(
        (
            SELECT nullif(late.recorded_at, feed_to)
            FROM internal.vehicle_telemetry_history AS late
            WHERE
                late.vehicle_id = vehicle
                -- A reading at the end itself leaves nothing to come after it.
                AND late.recorded_at >= feed_to
                AND late.recorded_at <= least(feed_to + interval '15 minutes', window_to)
                AND NOT EXISTS (
                    SELECT
                    FROM internal.assignment AS other
                    WHERE
                        other.vehicle_id = vehicle
                        AND other.during && tstzrange(feed_to, late.recorded_at)
                )
            ORDER BY late.recorded_at
            LIMIT 1
        ),
        feed_to
    ) END
$$;

COMMENT ON FUNCTION internal.stay_end(text, timestamptz, timestamptz) IS
'When the last reading was taken that belongs to a charge of a vehicle which ended at feed_to: that instant, or up to 15 minutes later, but not after window_to.';

CREATE FUNCTION internal.vehicle_stays(vehicle text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (meter_id text, stay_from timestamptz, stay_to timestamptz, assignment_id bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
AS $$
    SELECT feed.meter_id, greatest(feed.feed_from, window_from), ended.stay_to, feed.assignment_id
    -- A charge that ended just before the window may own a reading of it.
    FROM internal.vehicle_feeds(vehicle, window_from - interval '15 minutes', window_to) AS feed
    -- Kept apart, or it would be called wherever a caller names its end.
    CROSS JOIN LATERAL (SELECT internal.stay_end(vehicle, feed.feed_to, window_to) OFFSET 0) AS ended (stay_to)
    WHERE ended.stay_to > window_from
$$;

COMMENT ON FUNCTION internal.vehicle_stays(text, timestamptz, timestamptz) IS
'The readings of a vehicle in (window_from, window_to] that belong to its charges: those of (stay_from, stay_to], by meter and assignment (null: the meter of the same id). Stays do not overlap.';

-- The window of a vehicle, shared out: its stays, and the rest, in which what arrived came from elsewhere.

CREATE FUNCTION internal.vehicle_parts(vehicle text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (meter_id text, assignment_id bigint, part_from timestamptz, part_to timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 20
AS $$
    WITH stay AS MATERIALIZED (
        SELECT known.meter_id, known.assignment_id, known.stay_from, known.stay_to
        FROM internal.vehicle_stays(vehicle, window_from, window_to) AS known
    )
    SELECT stay.meter_id, stay.assignment_id, stay.stay_from, stay.stay_to
    FROM stay
    UNION ALL
    SELECT NULL, NULL, lower(rest.during), upper(rest.during)
    FROM unnest(
        tstzmultirange(tstzrange(window_from, window_to))
        - coalesce((SELECT range_agg(tstzrange(stay.stay_from, stay.stay_to)) FROM stay), '{}'::tstzmultirange)
    ) AS rest (during)
$$;

COMMENT ON FUNCTION internal.vehicle_parts(text, timestamptz, timestamptz) IS
'internal.vehicle_stays, and the parts of the window between them (meter_id null).';

CREATE FUNCTION internal.fleet_stays(window_from timestamptz, window_to timestamptz)
RETURNS TABLE (vehicle_id text, meter_id text, stay_from timestamptz, stay_to timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10000
AS $$
    WITH feed AS MATERIALIZED (
        SELECT fed.vehicle_id, fed.meter_id, greatest(fed.feed_from, window_from) AS stay_from, fed.feed_to
        FROM internal.fleet_feeds(window_from - interval '15 minutes', window_to) AS fed
        WHERE fed.vehicle_id IS NOT NULL
    )
    SELECT feed.vehicle_id, feed.meter_id, feed.stay_from, window_to
    FROM feed
    WHERE feed.feed_to >= window_to
    UNION ALL
    SELECT feed.vehicle_id, feed.meter_id, feed.stay_from, ended.stay_to
    FROM feed
    CROSS JOIN LATERAL (SELECT internal.stay_end(feed.vehicle_id, feed.feed_to, window_to) OFFSET 0) AS ended (stay_to)
    WHERE feed.feed_to < window_to AND ended.stay_to > window_from
$$;

COMMENT ON FUNCTION internal.fleet_stays(timestamptz, timestamptz) IS
'internal.vehicle_stays of all vehicles.';

-- A reading describes the time since the device's previous one. Where an assignment begins or ends in that time, a part of its
-- energy belongs to the other side of the edge, and nobody knows which: it is attributed at its timestamp all the same.

CREATE FUNCTION internal.spanned_readings(
    kind_of_device text,
    device text,
    window_from timestamptz,
    window_to timestamptz
)
RETURNS TABLE (recorded_at timestamptz, energy_kwh float8)
LANGUAGE plpgsql STABLE ROWS 2
SET search_path = pg_catalog
SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
DECLARE
    edges CONSTANT timestamptz[] := ARRAY(
        SELECT edge.instant
        FROM internal.assignments_of(
            CASE kind_of_device WHEN 'meter' THEN device END,
            CASE kind_of_device WHEN 'vehicle' THEN device END,
            -- A device that was silent for longer does not look back further.
            tstzrange(window_from - interval '31 days', window_to)
        ) AS known
        CROSS JOIN LATERAL (VALUES (lower(known.during)), (upper(known.during))) AS edge (instant)
        WHERE edge.instant >= window_from - interval '31 days' AND edge.instant < window_to
    );
    first_at timestamptz;
    edge_before timestamptz;
    spanned timestamptz[];
BEGIN
    IF cardinality(edges) = 0 THEN
        RETURN;
    END IF;
    SELECT reading.recorded_at INTO first_at
    FROM internal.device_reading AS reading
    WHERE
        reading.device_type = kind_of_device
        AND reading.device_id = device
        AND reading.recorded_at > window_from
        AND reading.recorded_at <= window_to
    ORDER BY reading.recorded_at
    LIMIT 1;
    -- Readings that are the first ones after an edge. All but the first of the window have one before them.
    spanned := ARRAY(
        SELECT DISTINCT following.recorded_at
        FROM unnest(edges) AS edge (instant)
        CROSS JOIN LATERAL (
            SELECT reading.recorded_at
            FROM internal.device_reading AS reading
            WHERE
                reading.device_type = kind_of_device
                AND reading.device_id = device
                AND reading.recorded_at >= edge.instant
                AND reading.recorded_at > window_from
                AND reading.recorded_at <= window_to
            ORDER BY reading.recorded_at
            LIMIT 1
        ) AS following
        WHERE edge.instant > first_at AND following.recorded_at > edge.instant
    );
    edge_before := (SELECT max(edge.instant) FROM unnest(edges) AS edge (instant) WHERE edge.instant < first_at);
    IF edge_before IS NOT NULL
        AND NOT EXISTS (
            SELECT
            FROM internal.device_reading AS reading
            WHERE
                reading.device_type = kind_of_device
                AND reading.device_id = device
                AND reading.recorded_at >= greatest(edge_before, first_at - interval '2 hours')
                AND reading.recorded_at < first_at
        )
        AND (
            SELECT before.recorded_at < edge_before
            FROM internal.reading_before(kind_of_device, device, '-infinity', first_at, '{}') AS before
        )
    THEN
        spanned := spanned || first_at;
    END IF;
    IF kind_of_device = 'meter' THEN
        RETURN QUERY
        SELECT reading.at, coalesce(counted.energy_ac_kwh, 0)
        FROM unnest(spanned) AS reading (at)
        CROSS JOIN LATERAL internal.meter_window(
            device, reading.at - interval '1 microsecond', reading.at, window_from, window_to
        ) AS counted;
    ELSE
        RETURN QUERY
        SELECT reading.at, coalesce(counted.energy_dc_kwh, 0)
        FROM unnest(spanned) AS reading (at)
        CROSS JOIN LATERAL internal.vehicle_window(
            device, reading.at - interval '1 microsecond', reading.at, window_from, window_to
        ) AS counted;
    END IF;
END
$$;

COMMENT ON FUNCTION internal.spanned_readings(text, text, timestamptz, timestamptz) IS
'Readings of a meter or vehicle (kind_of_device) in (window_from, window_to] whose time since the reading before has the beginning or end of one of its assignments within it, and their energy (kWh).';

CREATE FUNCTION internal.vehicle_spanned(vehicle text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (device_type text, recorded_at timestamptz, energy_kwh float8)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 4
AS $$
    SELECT 'vehicle', spanned.recorded_at, spanned.energy_kwh
    FROM internal.spanned_readings('vehicle', vehicle, window_from, window_to) AS spanned
    UNION ALL
    SELECT 'meter', spanned.recorded_at, spanned.energy_kwh
    FROM internal.vehicle_feeds(vehicle, window_from, window_to) AS feed
    CROSS JOIN LATERAL internal.spanned_readings('meter', feed.meter_id, feed.feed_from, feed.feed_to) AS spanned
$$;

COMMENT ON FUNCTION internal.vehicle_spanned(text, timestamptz, timestamptz) IS
'Readings that count for a vehicle in (window_from, window_to], its own and those of the meters that fed it, and whose time since the reading before has the beginning or end of an assignment within it; their energy (kWh).';

-- Of all that reached a battery, what arrived while a meter fed the vehicle: the other side of the grid's energy.

CREATE FUNCTION internal.vehicle_fed(vehicle text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (readings float8, energy_dc_kwh float8, baselines integer)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        coalesce(sum(charged.readings), 0),
        sum(charged.energy_dc_kwh),
        coalesce(sum(charged.baselines), 0)::integer
    FROM internal.vehicle_stays(vehicle, window_from, window_to) AS stay
    CROSS JOIN LATERAL internal.vehicle_window(vehicle, stay.stay_from, stay.stay_to, window_from, window_to) AS charged
$$;

COMMENT ON FUNCTION internal.vehicle_fed(text, timestamptz, timestamptz) IS
'Readings, DC energy (kWh, null where nothing is known) and baselines of a vehicle in (window_from, window_to] that belong to its charges.';

-- The windows of all vehicles with readings, shared out as internal.vehicle_parts does it for one.

CREATE FUNCTION internal.fleet_parts(window_from timestamptz, window_to timestamptz)
RETURNS TABLE (vehicle_id text, meter_id text, part_from timestamptz, part_to timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10000
AS $$
    WITH stay AS MATERIALIZED (
        SELECT known.vehicle_id, known.meter_id, known.stay_from, known.stay_to
        FROM internal.fleet_stays(window_from, window_to) AS known
    )
    SELECT stay.vehicle_id, stay.meter_id, stay.stay_from, stay.stay_to
    FROM stay
    UNION ALL
    SELECT live.vehicle_id, NULL, window_from, window_to
    FROM internal.live_vehicle_state AS live
    WHERE NOT EXISTS (SELECT FROM stay WHERE stay.vehicle_id = live.vehicle_id)
    UNION ALL
    SELECT busy.vehicle_id, NULL, lower(rest.during), upper(rest.during)
    FROM (
        SELECT stay.vehicle_id, range_agg(tstzrange(stay.stay_from, stay.stay_to)) AS during
        FROM stay
        WHERE stay.stay_from > window_from OR stay.stay_to < window_to
        GROUP BY stay.vehicle_id
    ) AS busy
    CROSS JOIN LATERAL unnest(tstzmultirange(tstzrange(window_from, window_to)) - busy.during) AS rest (during)
$$;

COMMENT ON FUNCTION internal.fleet_parts(timestamptz, timestamptz) IS
'internal.fleet_stays, and for every vehicle with readings the parts of the window between them (meter_id null).';
