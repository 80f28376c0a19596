-- What a DBA works with: the policies of the daily rollups, who changed which policy when, how large the disk is, when
-- upkeep ran, and how far a long import has come.

INSERT INTO telemetry.policy (
    relation, chunk_interval, columnstore_after, drop_after,
    refresh_start_offset, refresh_end_offset, refresh_every
)
VALUES
    ('meter_daily', '90 days', '100 days', NULL, '33 days', '2 hours', '10 minutes'),
    ('vehicle_daily', '90 days', '100 days', NULL, '33 days', '2 hours', '10 minutes');

ALTER TABLE telemetry.policy
    ADD CONSTRAINT relation_is_known CHECK (
        relation IN (
            'meter_telemetry_history', 'vehicle_telemetry_history',
            'meter_hourly', 'vehicle_hourly', 'meter_daily', 'vehicle_daily'
        )
    ),
    ADD CONSTRAINT only_rollups_are_refreshed CHECK (
        relation NOT LIKE '%\_history' OR refresh_every IS NULL
    ),
    ADD CONSTRAINT daily_refresh_spans_two_days CHECK (
        relation NOT LIKE '%\_daily' OR refresh_start_offset >= refresh_end_offset + interval '2 days'
    );

CREATE TABLE telemetry.policy_change (
    id bigint GENERATED ALWAYS AS IDENTITY,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text NOT NULL DEFAULT session_user,
    changed_through text NOT NULL DEFAULT current_setting('application_name'),
    relation text NOT NULL,
    setting text NOT NULL,
    value_before interval,
    value_after interval,
    CONSTRAINT policy_change_key PRIMARY KEY (id),
    CONSTRAINT value_changed CHECK (value_before IS DISTINCT FROM value_after)
);

CREATE TABLE telemetry.disk (
    is_the_only_row boolean NOT NULL DEFAULT true,
    size_bytes bigint NOT NULL,
    CONSTRAINT disk_key PRIMARY KEY (is_the_only_row),
    CONSTRAINT there_is_only_one_row CHECK (is_the_only_row),
    CONSTRAINT size_bytes_is_positive CHECK (size_bytes > 0)
);

CREATE TABLE telemetry.upkeep_run (
    is_the_only_row boolean NOT NULL DEFAULT true,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    CONSTRAINT upkeep_run_key PRIMARY KEY (is_the_only_row),
    CONSTRAINT there_is_only_one_row CHECK (is_the_only_row)
);

CREATE TABLE telemetry.import_progress (
    fingerprint text NOT NULL,
    day_start timestamptz NOT NULL,
    readings bigint NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT import_progress_key PRIMARY KEY (fingerprint, day_start),
    CONSTRAINT readings_is_not_negative CHECK (readings >= 0)
);
