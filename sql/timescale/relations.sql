-- Differs by necessity because TimescaleDB makes the watermark of a continuous aggregate a constant only where the statement
-- itself names the aggregate. Answers name it in functions that are merged into the statement, and would open every chunk of the
-- history. So here the views of the rollups call a function that the planner evaluates.
--
-- It is no constant: a plan that is kept goes on with the watermark of its day. That is right all the same, as long as the history
-- after it is there, and a new chunk of the history, mostly every day, makes PostgreSQL plan anew.

CREATE FUNCTION internal.watermark(rollup_id integer)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT coalesce(
        _timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(rollup_id)), timestamptz '-infinity'
    )
$$;

COMMENT ON FUNCTION internal.watermark(integer) IS
'Up to where a rollup (by the id of its hypertable) is materialised, as the planner sees it (timescale profile).';

DO $$
DECLARE
    rollup text;
BEGIN
    FOREACH rollup IN ARRAY ARRAY['meter_hourly', 'vehicle_hourly', 'meter_daily', 'vehicle_daily'] LOOP
        EXECUTE format(
            'CREATE OR REPLACE VIEW internal.%I AS %s',
            rollup,
            replace(
                pg_get_viewdef(format('internal.%I', rollup)::regclass),
                format('FROM telemetry.%I', rollup),
                format(
                    'FROM (%s) AS %I',
                    regexp_replace(
                        rtrim(pg_get_viewdef(format('telemetry.%I', rollup)::regclass), ';'),
                        'COALESCE\(_timescaledb_functions\.to_timestamp\(_timescaledb_functions\.cagg_watermark\((\d+)\)\), '
                        '''-infinity''::timestamp with time zone\)',
                        'internal.watermark(\1)',
                        'g'
                    ),
                    rollup
                )
            )
        );
    END LOOP;
END
$$;
