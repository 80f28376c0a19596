-- What this database is, how long it keeps what, and which files were loaded into it.

CREATE TABLE telemetry.installation (
    is_the_only_row boolean NOT NULL DEFAULT true,
    profile text NOT NULL,
    release text NOT NULL,
    sql_fingerprint text NOT NULL,
    migrated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT installation_key PRIMARY KEY (is_the_only_row),
    CONSTRAINT there_is_only_one_row CHECK (is_the_only_row),
    CONSTRAINT profile_is_timescale_or_postgres CHECK (profile IN ('timescale', 'postgres'))
);

CREATE TABLE telemetry.policy (
    relation text NOT NULL,
    chunk_interval interval NOT NULL,
    columnstore_after interval,
    drop_after interval,
    dropped_before timestamptz,
    refresh_start_offset interval,
    refresh_end_offset interval,
    refresh_every interval,
    CONSTRAINT policy_key PRIMARY KEY (relation),
    CONSTRAINT intervals_are_positive CHECK (
        chunk_interval > interval '0' AND columnstore_after > interval '0' AND drop_after > interval '0'
        AND refresh_end_offset >= interval '1 hour' AND refresh_every > interval '0'
    ),
    CONSTRAINT refresh_is_given_whole_or_not_at_all CHECK (
        num_nulls(refresh_start_offset, refresh_end_offset, refresh_every) IN (0, 3)
    ),
    CONSTRAINT refresh_starts_before_it_ends CHECK (refresh_start_offset >= refresh_end_offset + interval '2 hours'),
    CONSTRAINT columnstore_waits_for_the_refresh CHECK (columnstore_after > refresh_start_offset)
);

INSERT INTO telemetry.policy (
    relation, chunk_interval, columnstore_after, drop_after,
    refresh_start_offset, refresh_end_offset, refresh_every
)
VALUES
    ('meter_telemetry_history', '1 day', '2 days', '400 days', NULL, NULL, NULL),
    ('vehicle_telemetry_history', '1 day', '2 days', '400 days', NULL, NULL, NULL),
    ('meter_hourly', '10 days', '35 days', NULL, '31 days', '1 hour', '1 minute'),
    ('vehicle_hourly', '10 days', '35 days', NULL, '31 days', '1 hour', '1 minute');

CREATE TABLE telemetry.import_source (
    fingerprint text NOT NULL,
    file_name text NOT NULL,
    shifted_by interval NOT NULL,
    first_imported_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT import_source_key PRIMARY KEY (fingerprint)
);
