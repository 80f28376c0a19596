-- What is wrong with the data, as a list to work through, and the plug-outs that wait.

CREATE FUNCTION api.data_quality(
    window_from timestamptz,
    window_to timestamptz,
    only_kind text DEFAULT NULL,
    at_site text DEFAULT NULL,
    in_group text DEFAULT NULL,
    search text DEFAULT NULL,
    silent_after interval DEFAULT interval '1 hour',
    late_after interval DEFAULT interval '1 hour',
    after_place bigint DEFAULT 0,
    row_limit integer DEFAULT NULL
)
RETURNS TABLE (
    place bigint,
    kind text,
    severity text,
    device_type text,
    device_id text,
    name text,
    place_name text,
    code text,
    cause text,
    first_at timestamptz,
    last_at timestamptz,
    occurrences bigint,
    doubtful_kwh float8,
    listed_faults bigint,
    listed_conflicts bigint,
    listed_registers bigint,
    listed_arrivals bigint,
    listed_plug_outs bigint
)
LANGUAGE sql STABLE ROWS 100
SET jit = off
SET work_mem = '32MB'
AS $$
    WITH wanted AS (
        SELECT internal.one_of(
            'only_kind', coalesce(only_kind, 'all'), ARRAY['all', 'fault', 'conflict', 'register', 'arrival', 'plug_out']
        ) AS kind
    ),
    issue AS (
        SELECT 'fault' AS kind, found.*
        FROM internal.quality_of_faults(window_from, window_to) AS found
        WHERE (SELECT wanted.kind FROM wanted) IN ('all', 'fault')
        UNION ALL
        SELECT 'conflict', found.*
        FROM internal.quality_of_conflicts(window_from, window_to) AS found
        WHERE (SELECT wanted.kind FROM wanted) IN ('all', 'conflict')
        UNION ALL
        SELECT 'register', found.*
        FROM internal.quality_of_registers(window_from, window_to) AS found
        WHERE (SELECT wanted.kind FROM wanted) IN ('all', 'register')
        UNION ALL
        SELECT 'arrival', found.*
        FROM internal.quality_of_arrivals(window_from, silent_after, late_after) AS found
        WHERE (SELECT wanted.kind FROM wanted) IN ('all', 'arrival')
        UNION ALL
        SELECT 'plug_out', found.*
        FROM internal.quality_of_plug_outs(window_from, window_to) AS found
        WHERE (SELECT wanted.kind FROM wanted) IN ('all', 'plug_out')
    ),
    ranked AS (
        SELECT
            row_number() OVER (
                ORDER BY
                    graded.severity DESC, issue.doubtful_kwh DESC NULLS LAST, issue.kind, issue.code, issue.device_type,
                    issue.device_id COLLATE "C"
            ) AS place,
            graded.severity,
            issue.*,
            listed.name,
            listed.place_name,
            count(*) FILTER (WHERE issue.kind = 'fault') OVER () AS listed_faults,
            count(*) FILTER (WHERE issue.kind = 'conflict') OVER () AS listed_conflicts,
            count(*) FILTER (WHERE issue.kind = 'register') OVER () AS listed_registers,
            count(*) FILTER (WHERE issue.kind = 'arrival') OVER () AS listed_arrivals,
            count(*) FILTER (WHERE issue.kind = 'plug_out') OVER () AS listed_plug_outs
        FROM issue
        CROSS JOIN LATERAL (
            SELECT CASE
                WHEN issue.code IN ('reset', 'late', 'never_seen', 'waiting_plug_out') THEN 'note'
                ELSE 'warning'
            END AS severity
        ) AS graded
        LEFT JOIN internal.listed_device AS listed
            ON listed.device_type = issue.device_type AND listed.device_id = issue.device_id
        WHERE
            (at_site IS NULL OR (issue.device_type = 'meter' AND listed.place_name = at_site))
            AND (in_group IS NULL OR (issue.device_type = 'vehicle' AND listed.place_name = in_group))
            AND (
                search IS NULL
                OR position(lower(search) IN lower(concat_ws(chr(10), issue.device_id, listed.name))) > 0
            )
    )
    SELECT
        ranked.place,
        ranked.kind,
        ranked.severity,
        ranked.device_type,
        ranked.device_id,
        ranked.name,
        ranked.place_name,
        ranked.code,
        ranked.cause,
        ranked.first_at,
        ranked.last_at,
        ranked.occurrences,
        ranked.doubtful_kwh,
        ranked.listed_faults,
        ranked.listed_conflicts,
        ranked.listed_registers,
        ranked.listed_arrivals,
        ranked.listed_plug_outs
    FROM ranked
    WHERE ranked.place > after_place
    ORDER BY ranked.place
    LIMIT row_limit
$$;

COMMENT ON FUNCTION api.data_quality(
    timestamptz, timestamptz, text, text, text, text, interval, interval, bigint, integer
) IS
'What is wrong with the data in (window_from, window_to], a row a device and code, warnings before notes and most doubtful kWh first. Kinds (only_kind; null: all): fault (of the data, as losses have them), conflict (readings that contradict stored ones), register (resets and breaks to decide), arrival (devices that are silent, late or never_seen now), plug_out (those that wait for their plug-in). From the first to the last reading or event, how many (occurrences); of arrivals, when the newest reading was taken, and when it came if late. Narrowed to meters of a site, vehicles of a group, ids and names that contain a text; row_limit rows (null: all) after a place. listed_faults and so on count the whole list by kind.';

CREATE VIEW api.waiting_plug_out AS
SELECT
    waiting.id,
    waiting.meter_id,
    waiting.vehicle_id,
    waiting.plugged_out_at,
    waiting.noted_at,
    waiting.database_role,
    waiting.operator,
    waiting.reason
FROM internal.unmatched_plug_out AS waiting
WHERE waiting.assignment_id IS NULL;

COMMENT ON VIEW api.waiting_plug_out IS
'Plug-outs that ended nothing when they came, and still wait: each ends the plug-in before it that comes later. Old ones are of sessions whose plug-in was lost.';
COMMENT ON COLUMN api.waiting_plug_out.id IS 'Number of the plug-out.';
COMMENT ON COLUMN api.waiting_plug_out.meter_id IS 'The meter that was unplugged from.';
COMMENT ON COLUMN api.waiting_plug_out.vehicle_id IS 'The vehicle that was unplugged; null: any.';
COMMENT ON COLUMN api.waiting_plug_out.plugged_out_at IS 'When, as the event says.';
COMMENT ON COLUMN api.waiting_plug_out.noted_at IS 'When it came, by the clock of the database.';
COMMENT ON COLUMN api.waiting_plug_out.database_role IS 'The role that was logged in; the service has one too.';
COMMENT ON COLUMN api.waiting_plug_out.operator IS 'Who sent it; null: not stated.';
COMMENT ON COLUMN api.waiting_plug_out.reason IS 'Why; null: not stated.';
