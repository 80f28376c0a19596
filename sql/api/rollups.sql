-- Implemented by each profile, with one meaning: sql/timescale/rollups.sql and sql/postgres/rollups.sql.

COMMENT ON PROCEDURE api.complete_load(timestamptz, timestamptz) IS
'Completes a load of old readings in (range_from, range_to]: completes the rollups there, and moves to the columnstore the chunks that end within it and are old enough (timescale profile; nothing on postgres). CALL it outside a transaction.';

COMMENT ON VIEW api.refresh_lag IS
'How far each rollup is behind, and the ranges of late readings that it does not show yet. Normal: lag below normal_lag, and a backlog that a few runs of the refresh job take away. A lag that grows: the job fails or finds no worker (api.job_health). A backlog older than the job looks back waits for the next upkeep; CALL api.refresh_rollups(backlog_from, backlog_to) completes it at once.';
COMMENT ON COLUMN api.refresh_lag.relation IS 'Name of the rollup in schema telemetry.';
COMMENT ON COLUMN api.refresh_lag.materialised_before IS
'Up to where it was refreshed; younger data is read from its source. Null: never refreshed, all data is read from the source.';
COMMENT ON COLUMN api.refresh_lag.lag IS 'How long ago that was.';
COMMENT ON COLUMN api.refresh_lag.normal_lag IS 'Upper bound of the lag while the refresh job runs as often as its policy says.';
COMMENT ON COLUMN api.refresh_lag.backlog_ranges IS 'Ranges of time that changed since they were refreshed, or that no refresh was ever asked for.';
COMMENT ON COLUMN api.refresh_lag.backlog_from IS 'Beginning of the first of these ranges; null: none.';
COMMENT ON COLUMN api.refresh_lag.backlog_to IS 'End of the last of these ranges; null: none.';
COMMENT ON COLUMN api.refresh_lag.backlog_h IS 'Length of these ranges together, each widened to whole hours (of the daily rollup: days), hours; what overlaps counts once.';

COMMENT ON PROCEDURE api.refresh_rollups(timestamptz, timestamptz) IS
'Completes the hourly and daily rollups for the hours and days that (range_from, range_to] touches, where their source is kept whole: older ones stay as they are. CALL it outside a transaction. On the timescale profile a refresh of the same hours by somebody else is an error (55P03): call it again.';
