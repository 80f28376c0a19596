-- The fleet's energy on both sides, bucket by bucket. The ratio covers vehicles with readings on both sides in the
-- bucket, while meters fed them: a vehicle whose telemetry is down is no loss, and a charge at another operator's meter no gain.

CREATE FUNCTION api.fleet_energy(window_from timestamptz, window_to timestamptz, bucket text, timezone text)
RETURNS TABLE (
    bucket_from timestamptz,
    bucket_to timestamptz,
    energy_ac_kwh float8,
    energy_ac_attributed_kwh float8,
    energy_ac_unattributed_kwh float8,
    energy_dc_kwh float8,
    energy_dc_elsewhere_kwh float8,
    matched_energy_ac_kwh float8,
    matched_energy_dc_kwh float8,
    efficiency_ratio float8,
    meters_seen bigint,
    vehicles_seen bigint,
    vehicles_matched bigint,
    meters_at_fault bigint,
    vehicles_at_fault bigint,
    meter_readings bigint,
    vehicle_readings bigint,
    meter_coverage float8,
    vehicle_coverage float8,
    is_estimated boolean,
    is_pending boolean,
    energy_ac_reason text,
    energy_dc_reason text,
    efficiency_reason text
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 24
SET work_mem = '32MB'
SET enable_mergejoin = off
AS $$
    WITH grid AS MATERIALIZED (
        SELECT
            drew.bucket_from,
            drew.device_id AS meter_id,
            drew.counterpart_id AS vehicle_id,
            drew.readings,
            drew.energy_kwh AS energy_ac_kwh,
            drew.is_estimated
        FROM internal.device_energies('meter', window_from, window_to, bucket, timezone) AS drew
    ),
    battery AS MATERIALIZED (
        SELECT
            charged.bucket_from,
            charged.device_id AS vehicle_id,
            sum(charged.readings) AS readings,
            sum(charged.readings) FILTER (WHERE charged.counterpart_id IS NOT NULL) AS fed_readings,
            sum(charged.energy_kwh) AS energy_dc_kwh,
            sum(charged.energy_kwh) FILTER (WHERE charged.counterpart_id IS NOT NULL) AS fed_energy_dc_kwh,
            bool_or(charged.is_estimated) AS is_estimated
        FROM internal.device_energies('vehicle', window_from, window_to, bucket, timezone) AS charged
        GROUP BY charged.bucket_from, charged.device_id
    ),
    fault AS MATERIALIZED (
        SELECT found.bucket_from, found.device_type, found.device_id, min(found.code) AS code
        FROM internal.fleet_faults(window_from, window_to, bucket, timezone) AS found
        GROUP BY found.bucket_from, found.device_type, found.device_id
    ),
    -- Vehicles whose ratio nobody knows, since their data is at fault, or that of a meter while it fed them.
    unknown AS MATERIALIZED (
        SELECT fault.bucket_from, fault.device_id AS vehicle_id
        FROM fault
        WHERE fault.device_type = 'vehicle'
        UNION
        SELECT fault.bucket_from, fed.vehicle_id
        FROM fault
        JOIN internal.buckets(window_from, window_to, bucket, timezone) AS slot ON slot.bucket_from = fault.bucket_from
        CROSS JOIN LATERAL internal.vehicles_fed_at_fault(fault.device_id, slot.bucket_from, slot.bucket_to) AS fed
        WHERE fault.device_type = 'meter'
    ),
    drawn AS (
        SELECT
            by_meter.bucket_from,
            sum(by_meter.energy_ac_kwh) AS energy_ac_kwh,
            -- If a total is known, each part of it is known too.
            CASE WHEN count(by_meter.energy_ac_kwh) > 0 THEN coalesce(sum(by_meter.attributed_kwh), 0) END
                AS attributed_kwh,
            CASE WHEN count(by_meter.energy_ac_kwh) > 0 THEN coalesce(sum(by_meter.unattributed_kwh), 0) END
                AS unattributed_kwh,
            sum(by_meter.readings) AS readings,
            count(*) AS meters,
            bool_or(by_meter.is_estimated) AS is_estimated
        FROM (
            SELECT
                grid.bucket_from,
                grid.meter_id,
                sum(grid.energy_ac_kwh) AS energy_ac_kwh,
                sum(grid.energy_ac_kwh) FILTER (WHERE grid.vehicle_id IS NOT NULL) AS attributed_kwh,
                sum(grid.energy_ac_kwh) FILTER (WHERE grid.vehicle_id IS NULL) AS unattributed_kwh,
                sum(grid.readings) AS readings,
                bool_or(grid.is_estimated) AS is_estimated
            FROM grid
            GROUP BY grid.bucket_from, grid.meter_id
        ) AS by_meter
        GROUP BY by_meter.bucket_from
    ),
    delivered AS (
        SELECT
            battery.bucket_from,
            sum(battery.energy_dc_kwh) AS energy_dc_kwh,
            sum(battery.fed_energy_dc_kwh) AS fed_energy_dc_kwh,
            sum(battery.readings) AS readings,
            sum(battery.fed_readings) AS fed_readings,
            count(*) AS vehicles,
            bool_or(battery.is_estimated) AS is_estimated
        FROM battery
        GROUP BY battery.bucket_from
    ),
    -- Like with like: both sides of the vehicles that sent readings while meters fed them, and whose meters did too. What is
    -- at fault says nothing about losses.
    matched AS (
        SELECT
            fed.bucket_from,
            sum(fed.energy_ac_kwh) AS energy_ac_kwh,
            sum(charged.fed_energy_dc_kwh) AS energy_dc_kwh,
            count(*) AS vehicles
        FROM (
            SELECT grid.bucket_from, grid.vehicle_id, sum(grid.energy_ac_kwh) AS energy_ac_kwh
            FROM grid
            WHERE grid.vehicle_id IS NOT NULL
            GROUP BY grid.bucket_from, grid.vehicle_id
        ) AS fed
        JOIN battery AS charged ON charged.vehicle_id = fed.vehicle_id AND charged.bucket_from = fed.bucket_from
        WHERE
            charged.fed_readings IS NOT NULL
            AND NOT EXISTS (
                SELECT
                FROM unknown
                WHERE unknown.bucket_from = charged.bucket_from AND unknown.vehicle_id = charged.vehicle_id
            )
        GROUP BY fed.bucket_from
    )
    SELECT
        slot.bucket_from,
        slot.bucket_to,
        drawn.energy_ac_kwh,
        drawn.attributed_kwh,
        drawn.unattributed_kwh,
        delivered.energy_dc_kwh,
        internal.elsewhere(
            delivered.readings, delivered.energy_dc_kwh, delivered.fed_readings, delivered.fed_energy_dc_kwh
        ),
        matched.energy_ac_kwh,
        matched.energy_dc_kwh,
        internal.ratio(matched.energy_dc_kwh, matched.energy_ac_kwh),
        coalesce(drawn.meters, 0),
        coalesce(delivered.vehicles, 0),
        coalesce(matched.vehicles, 0),
        coalesce(at_fault.meters, 0),
        coalesce(at_fault.vehicles, 0),
        round(coalesce(drawn.readings, 0))::bigint,
        round(coalesce(delivered.readings, 0))::bigint,
        internal.coverage(
            coalesce(drawn.readings, 0), expected.meters * internal.seconds_elapsed(slot.bucket_from, slot.bucket_to)
        ),
        internal.coverage(
            coalesce(delivered.readings, 0), expected.vehicles * internal.seconds_elapsed(slot.bucket_from, slot.bucket_to)
        ),
        coalesce(drawn.is_estimated, false) OR coalesce(delivered.is_estimated, false),
        internal.is_fleet_pending(slot.bucket_from, slot.bucket_to),
        reason.energy_ac,
        reason.energy_dc,
        internal.ratio_reason(
            matched.energy_ac_kwh,
            matched.energy_dc_kwh,
            CASE
                WHEN drawn.energy_ac_kwh IS NULL OR delivered.energy_dc_kwh IS NULL
                    THEN coalesce(reason.energy_ac, reason.energy_dc)
                WHEN matched.energy_ac_kwh IS NULL THEN coalesce(at_fault.code, 'no_assignment')
            END,
            NULL
        )
    FROM internal.buckets(window_from, window_to, bucket, timezone) AS slot
    LEFT JOIN drawn ON drawn.bucket_from = slot.bucket_from
    LEFT JOIN delivered ON delivered.bucket_from = slot.bucket_from
    LEFT JOIN matched ON matched.bucket_from = slot.bucket_from
    LEFT JOIN (
        SELECT
            fault.bucket_from,
            min(fault.code) AS code,
            count(*) FILTER (WHERE fault.device_type = 'meter') AS meters,
            count(*) FILTER (WHERE fault.device_type = 'vehicle') AS vehicles
        FROM fault
        GROUP BY fault.bucket_from
    ) AS at_fault ON at_fault.bucket_from = slot.bucket_from
    -- Devices with readings since the window began; coverage leaves out those that fell silent before it.
    CROSS JOIN (
        SELECT
            (SELECT count(*) FROM internal.live_meter_state AS live WHERE live.recorded_at > window_from) AS meters,
            (SELECT count(*) FROM internal.live_vehicle_state AS live WHERE live.recorded_at > window_from) AS vehicles
    ) AS expected
    CROSS JOIN LATERAL (
        SELECT
            CASE
                WHEN drawn.readings IS NULL THEN 'no_readings'
                WHEN drawn.energy_ac_kwh IS NULL THEN 'baseline_missing'
            END AS energy_ac,
            CASE
                WHEN delivered.readings IS NULL THEN 'no_readings'
                WHEN delivered.energy_dc_kwh IS NULL THEN 'baseline_missing'
            END AS energy_dc
    ) AS reason
    ORDER BY slot.bucket_from
$$;

COMMENT ON FUNCTION api.fleet_energy(timestamptz, timestamptz, text, text) IS
'The fleet in (window_from, window_to], a row a bucket (hour, day, week, month, year or window) by the clock of a time zone: AC energy, of it attributed to vehicles and not, DC energy, of it what arrived elsewhere (kWh), devices and readings seen, coverages of the devices with readings since the window began; the ratio DC / AC of the vehicles with readings on both sides while meters fed them (matched), without those whose data is at fault (at_fault). Null where nothing is known, and the reasons why.';
