-- name: data_quality
SELECT
    issue.place,
    issue.kind,
    issue.severity,
    issue.device_type,
    issue.device_id,
    issue.name,
    issue.place_name,
    issue.code,
    issue.cause,
    issue.first_at,
    issue.last_at,
    issue.occurrences,
    issue.doubtful_kwh,
    issue.listed_faults,
    issue.listed_conflicts,
    issue.listed_registers,
    issue.listed_arrivals,
    issue.listed_plug_outs,
    pending.is_pending
-- One row without an issue where none is on the page.
FROM (SELECT internal.is_fleet_pending(%(window_from)s, %(window_to)s) AS is_pending) AS pending
LEFT JOIN api.data_quality(
    %(window_from)s,
    %(window_to)s,
    %(kind)s,
    %(site)s,
    %(group)s,
    %(search)s,
    make_interval(secs => %(silent_for_s)s),
    make_interval(secs => %(late_by_s)s),
    %(after)s,
    %(row_limit)s
) AS issue ON true
ORDER BY issue.place;

-- name: reading_conflicts
SELECT
    listed.device_type,
    listed.device_id,
    listed.day_start,
    listed.conflicts,
    listed.first_recorded_at,
    listed.last_recorded_at,
    listed.last_received_at,
    listed.example_recorded_at,
    listed.kept_kwh,
    listed.sent_kwh,
    listed.listed_rows
FROM (
    SELECT known.*, count(*) OVER () AS listed_rows
    FROM api.reading_conflict AS known
    WHERE
        (%(device_type)s::text IS NULL OR (known.device_type = %(device_type)s AND known.device_id = %(device_id)s))
        AND known.day_start > coalesce(%(from)s::timestamptz, '-infinity') - interval '24 hours'
        AND known.day_start < coalesce(%(to)s::timestamptz, 'infinity')
        AND known.last_recorded_at > coalesce(%(from)s::timestamptz, '-infinity')
        AND known.first_recorded_at <= coalesce(%(to)s::timestamptz, 'infinity')
) AS listed
WHERE
    (listed.day_start, listed.device_type, listed.device_id)
        > (coalesce(%(after_at)s::timestamptz, '-infinity'), %(after_type)s::text, %(after_id)s::text COLLATE "C")
ORDER BY listed.day_start, listed.device_type, listed.device_id
LIMIT %(row_limit)s;
