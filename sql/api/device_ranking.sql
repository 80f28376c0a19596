-- All meters or vehicles over a window, sorted by any figure. A page follows the one before by its place: figures of a window that
-- reaches to now change between two pages, and so may the order.

CREATE FUNCTION api.device_ranking(
    kind_of_device text,
    window_from timestamptz,
    window_to timestamptz,
    sort text DEFAULT 'lost_beyond_expected_kwh',
    is_ascending boolean DEFAULT NULL,
    at_place text DEFAULT NULL,
    search text DEFAULT NULL,
    after_place bigint DEFAULT 0,
    row_limit integer DEFAULT NULL
)
RETURNS TABLE (
    place bigint,
    device_id text,
    name text,
    place_name text,
    energy_ac_kwh float8,
    energy_dc_kwh float8,
    energy_alone_kwh float8,
    efficiency_ratio float8,
    verdict text,
    mean_power_kw float8,
    lost_kwh float8,
    lost_beyond_expected_kwh float8,
    measured_mean float8,
    sessions bigint,
    hours_in_use bigint,
    readings bigint,
    coverage float8,
    is_estimated boolean,
    listed_devices bigint
)
LANGUAGE sql STABLE ROWS 100
SET work_mem = '32MB'
SET enable_mergejoin = off
AS $$
    SELECT
        ranked.place,
        ranked.device_id,
        ranked.name,
        ranked.place_name,
        ranked.energy_ac_kwh,
        ranked.energy_dc_kwh,
        ranked.energy_alone_kwh,
        ranked.efficiency_ratio,
        ranked.verdict,
        ranked.mean_power_kw,
        ranked.lost_kwh,
        ranked.lost_beyond_expected_kwh,
        ranked.measured_mean,
        ranked.sessions,
        ranked.hours_in_use,
        ranked.readings,
        ranked.coverage,
        ranked.is_estimated,
        ranked.listed_devices
    FROM (
        SELECT
            figure.*,
            row_number() OVER (
                ORDER BY
                    (sorted.by IS NULL),
                    CASE WHEN is_ascending THEN sorted.by ELSE -sorted.by END,
                    CASE WHEN sort = 'device_id' AND NOT is_ascending THEN figure.device_id END COLLATE "C" DESC,
                    figure.device_id COLLATE "C"
            ) AS place,
            count(*) OVER () AS listed_devices
        FROM internal.device_figures(
            -- An empty list too says what is allowed.
            CASE
                WHEN internal.one_of(
                    'sort',
                    sort,
                    ARRAY[
                        'device_id', 'energy_ac_kwh', 'energy_dc_kwh', 'energy_alone_kwh', 'efficiency_ratio',
                        'mean_power_kw', 'lost_kwh', 'lost_beyond_expected_kwh', 'measured_mean', 'sessions', 'hours_in_use',
                        'readings', 'coverage'
                    ]
                ) IS NOT NULL THEN internal.one_of('kind_of_device', kind_of_device, ARRAY['meter', 'vehicle'])
            END,
            window_from,
            window_to
        ) AS figure
        CROSS JOIN LATERAL (
            SELECT CASE sort
                WHEN 'energy_ac_kwh' THEN figure.energy_ac_kwh
                WHEN 'energy_dc_kwh' THEN figure.energy_dc_kwh
                WHEN 'energy_alone_kwh' THEN figure.energy_alone_kwh
                WHEN 'efficiency_ratio' THEN figure.efficiency_ratio
                WHEN 'mean_power_kw' THEN figure.mean_power_kw
                WHEN 'lost_kwh' THEN figure.lost_kwh
                WHEN 'lost_beyond_expected_kwh' THEN figure.lost_beyond_expected_kwh
                WHEN 'measured_mean' THEN figure.measured_mean
                WHEN 'sessions' THEN figure.sessions
                WHEN 'hours_in_use' THEN figure.hours_in_use
                WHEN 'readings' THEN figure.readings
                WHEN 'coverage' THEN figure.coverage
            END::numeric
        ) AS figure_sorted (exact)
        -- Answers have no more digits: those that look alike are sorted by id.
        CROSS JOIN LATERAL (SELECT round(figure_sorted.exact, 6)) AS sorted (by)
        WHERE
            (at_place IS NULL OR figure.place_name = at_place)
            AND (
                search IS NULL
                OR position(lower(search) IN lower(concat_ws(chr(10), figure.device_id, figure.name))) > 0
            )
    ) AS ranked
    WHERE ranked.place > after_place
    ORDER BY ranked.place
    LIMIT row_limit
$$;

COMMENT ON FUNCTION api.device_ranking(text, timestamptz, timestamptz, text, boolean, text, text, bigint, integer) IS
'Meters or vehicles (kind_of_device) over (window_from, window_to], sorted by a column, the largest first unless is_ascending, ids from the first unless that is false, unknown ones last; a row each with its site or group (place_name): AC and DC energy, of it for nobody or from elsewhere (alone, kWh), ratio and verdict (abnormal_loss, normal, or the fault of its data; null without a ratio), mean power (kW, weighted by energy), kWh lost, and lost beyond what is expected at that power, mean voltage (V) of a meter or battery temperature (degrees C) of a vehicle, sessions, hours with at least 0.1 kWh, readings, coverage. Narrowed to a site or group (at_place) and to ids and names that contain a text (search); row_limit rows (null: all) after a place. listed_devices counts the whole list.';

-- The same devices, added up by the site of a meter or the group of a vehicle.

CREATE FUNCTION api.place_totals(kind_of_device text, window_from timestamptz, window_to timestamptz)
RETURNS TABLE (
    place_name text,
    devices bigint,
    devices_seen bigint,
    energy_ac_kwh float8,
    energy_dc_kwh float8,
    energy_alone_kwh float8,
    efficiency_ratio float8,
    lost_beyond_expected_kwh float8,
    devices_with_losses bigint,
    devices_at_fault bigint,
    sessions bigint,
    hours_in_use bigint,
    is_estimated boolean
)
LANGUAGE sql STABLE ROWS 100
SET work_mem = '32MB'
SET enable_mergejoin = off
AS $$
    SELECT
        figure.place_name,
        count(*),
        count(*) FILTER (WHERE figure.readings > 0),
        sum(figure.energy_ac_kwh),
        sum(figure.energy_dc_kwh),
        sum(figure.energy_alone_kwh),
        internal.ratio(
            sum(figure.compared_dc_kwh) FILTER (WHERE figure.efficiency_ratio IS NOT NULL),
            sum(figure.compared_ac_kwh) FILTER (WHERE figure.efficiency_ratio IS NOT NULL)
        ),
        coalesce(sum(figure.lost_beyond_expected_kwh) FILTER (WHERE figure.verdict = 'abnormal_loss'), 0),
        count(*) FILTER (WHERE figure.verdict = 'abnormal_loss'),
        count(*) FILTER (WHERE figure.verdict NOT IN ('abnormal_loss', 'normal')),
        sum(figure.sessions)::bigint,
        sum(figure.hours_in_use)::bigint,
        bool_or(figure.is_estimated)
    FROM internal.device_figures(
        internal.one_of('kind_of_device', kind_of_device, ARRAY['meter', 'vehicle']), window_from, window_to
    ) AS figure
    GROUP BY figure.place_name
    ORDER BY figure.place_name NULLS LAST
$$;

COMMENT ON FUNCTION api.place_totals(text, timestamptz, timestamptz) IS
'Totals over (window_from, window_to] of the sites of meters or the groups of vehicles (kind_of_device), null for those of none: devices, those with a reading, AC and DC energy, of it for nobody or from elsewhere (alone, kWh), the ratio of what is compared, kWh lost beyond what is expected by devices with abnormal losses, how many these are, devices whose data is at fault, sessions, hours in use.';
