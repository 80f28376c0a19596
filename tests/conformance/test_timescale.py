"""What only the timescale profile has: hypertables, continuous aggregates and the jobs that keep them."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from app.db import migrate
from app.ingest.writer import MAX_LATE_TRANSACTIONS
from tests.support.readings import hours_ago, insert_meter_readings, insert_vehicle_readings, meter_reading, now
from tests.support.servers import ONLY_TIMESCALE, Server, stop_jobs, url_of
from tests.support.service import Client

Connection = psycopg.Connection[TupleRow]

pytestmark = ONLY_TIMESCALE

HISTORIES = ["meter_telemetry_history", "vehicle_telemetry_history"]
ROLLUPS = ["meter_hourly", "vehicle_hourly"]
DAYS = ["meter_daily", "vehicle_daily"]


@pytest.fixture(scope="module")
def untouched(server: Server) -> Iterator[Connection]:
    """A connection to a database just migrated, for tests that leave it as it is."""
    with server.new_database() as url:
        migrate.migrate(url, server.profile)
        with psycopg.connect(url, autocommit=True) as connection:
            yield connection


def jobs(connection: Connection) -> dict[tuple[str, str], dict[str, Any]]:
    """The jobs of the schema by relation and kind: id, schedule and the intervals they go by."""
    rows = connection.execute("""
        SELECT
            coalesce(hypertable_name, config ->> 'relation'),
            proc_name,
            job_id,
            schedule_interval,
            (config ->> 'drop_after')::interval,
            (config ->> 'compress_after')::interval,
            (config ->> 'start_offset')::interval,
            (config ->> 'end_offset')::interval
        FROM timescaledb_information.jobs
        WHERE 'telemetry' IN (hypertable_schema, proc_schema) AND proc_name <> 'upkeep_job'
    """).fetchall()
    kinds = {"policy_retention": "retention", "policy_compression": "columnstore", "refresh_job": "refresh"}
    names = ("id", "every", "drop_after", "columnstore_after", "start_offset", "end_offset")
    found = {(row[0], kinds[row[1]]): dict(zip(names, row[2:], strict=True)) for row in rows}
    assert len(found) == len(rows)
    return found


def job_ids(connection: Connection) -> dict[tuple[str, str], int]:
    return {key: job["id"] for key, job in jobs(connection).items()}


def test_the_histories_are_hypertables_with_the_columnstore_by_device(untouched: Connection) -> None:
    assert untouched.execute("""
        SELECT hypertable_name, num_dimensions, compression_enabled
        FROM timescaledb_information.hypertables
        WHERE hypertable_schema = 'telemetry' ORDER BY 1
    """).fetchall() == [(name, 1, True) for name in HISTORIES]
    assert untouched.execute("""
        SELECT hypertable::text, segmentby, orderby
        FROM timescaledb_information.hypertable_columnstore_settings
        WHERE hypertable::text LIKE 'telemetry.%_history' ORDER BY 1
    """).fetchall() == [
        (f"telemetry.{name}", device, "recorded_at DESC")
        for name, device in zip(HISTORIES, ("meter_id", "vehicle_id"), strict=True)
    ]


def test_the_rollups_are_continuous_aggregates_in_real_time(untouched: Connection) -> None:
    assert untouched.execute("""
        SELECT view_name, hypertable_name, materialized_only, compression_enabled
        FROM timescaledb_information.continuous_aggregates
        WHERE view_schema = 'telemetry' ORDER BY 1
    """).fetchall() == sorted(
        (rollup, source, False, True)
        for rollup, source in zip(ROLLUPS + DAYS, HISTORIES + _materialised(untouched, ROLLUPS), strict=True)
    )


def _materialised(connection: Connection, rollups: list[str]) -> list[str]:
    """Names of the hypertables that hold rollups: days are made of these and not of the views."""
    return [
        str(row[0])
        for rollup in rollups
        for row in connection.execute(
            "SELECT materialization_hypertable_name FROM timescaledb_information.continuous_aggregates "
            "WHERE view_schema = 'telemetry' AND view_name = %s",
            (rollup,),
        )
    ]


def test_chunks_and_jobs_have_the_intervals_of_the_policy(untouched: Connection) -> None:
    policy = {
        row[0]: row[1:]
        for row in untouched.execute(
            "SELECT relation, chunk_interval, columnstore_after, drop_after, refresh_start_offset, "
            "refresh_end_offset, refresh_every FROM telemetry.policy"
        ).fetchall()
    }
    assert set(policy) == {*HISTORIES, *ROLLUPS, *DAYS}
    chunk_intervals: dict[str, timedelta] = dict(
        untouched.execute("""
            SELECT coalesce(aggregate.view_name, dimension.hypertable_name), dimension.time_interval
            FROM timescaledb_information.dimensions AS dimension
            LEFT JOIN timescaledb_information.continuous_aggregates AS aggregate
                ON aggregate.materialization_hypertable_name = dimension.hypertable_name
        """).fetchall()
    )
    assert chunk_intervals == {relation: row[0] for relation, row in policy.items()}
    expected: dict[tuple[str, str], tuple[timedelta, ...]] = {}
    for relation, (_, columnstore_after, drop_after, start_offset, end_offset, every) in policy.items():
        if columnstore_after is not None:
            expected[relation, "columnstore"] = (columnstore_after,)
        if drop_after is not None:
            expected[relation, "retention"] = (drop_after,)
        if every is not None:
            expected[relation, "refresh"] = (start_offset, end_offset, every)
    assert len(expected) == 12
    intervals = {"columnstore": ["columnstore_after"], "retention": ["drop_after"]}
    intervals["refresh"] = ["start_offset", "end_offset", "every"]
    assert {key: tuple(job[name] for name in intervals[key[1]]) for key, job in jobs(untouched).items()} == expected


def test_applying_the_policies_again_replaces_no_job(untouched: Connection) -> None:
    before = jobs(untouched)
    untouched.execute("CALL api.apply_policies()")
    untouched.execute("CALL api.apply_policies()")
    assert jobs(untouched) == before


def test_a_changed_policy_changes_its_job_and_no_other(own: Connection) -> None:
    before = jobs(own)
    own.execute(
        "UPDATE telemetry.policy SET drop_after = '90 days', columnstore_after = '7 days', chunk_interval = '12 hours' "
        "WHERE relation = 'meter_telemetry_history'"
    )
    own.execute(
        "UPDATE telemetry.policy SET refresh_start_offset = '20 days', refresh_end_offset = '2 hours', "
        "refresh_every = '5 minutes' WHERE relation = 'vehicle_hourly'"
    )
    own.execute("CALL api.apply_policies()")
    after = jobs(own)
    assert after["meter_telemetry_history", "retention"]["drop_after"] == timedelta(days=90)
    assert after["meter_telemetry_history", "columnstore"]["columnstore_after"] == timedelta(days=7)
    refresh = after["vehicle_hourly", "refresh"]
    assert (refresh["start_offset"], refresh["end_offset"]) == (timedelta(days=20), timedelta(hours=2))
    assert refresh["every"] == timedelta(minutes=5)
    changed = {
        ("meter_telemetry_history", "retention"),
        ("meter_telemetry_history", "columnstore"),
        ("vehicle_hourly", "refresh"),
    }
    assert {key for key in before if before[key] != after[key]} == changed
    assert set(after) == set(before)
    assert own.execute(
        "SELECT time_interval FROM timescaledb_information.dimensions WHERE hypertable_name = 'meter_telemetry_history'"
    ).fetchone() == (timedelta(hours=12),)
    own.execute("CALL api.apply_policies()")
    assert jobs(own) == after


def test_a_policy_set_to_null_has_no_job_until_it_is_set_again(own: Connection) -> None:
    before = jobs(own)
    own.execute("UPDATE telemetry.policy SET drop_after = NULL, columnstore_after = NULL")
    own.execute("CALL api.apply_policies()")
    assert {kind for _, kind in jobs(own)} == {"refresh"}
    own.execute(
        "UPDATE telemetry.policy SET refresh_start_offset = NULL, refresh_end_offset = NULL, refresh_every = NULL"
    )
    own.execute("CALL api.apply_policies()")
    assert jobs(own) == {}
    own.execute("UPDATE telemetry.policy SET drop_after = '400 days' WHERE relation LIKE '%_history'")
    own.execute("UPDATE telemetry.policy SET columnstore_after = '2 days' WHERE relation LIKE '%_history'")
    own.execute(
        "UPDATE telemetry.policy SET columnstore_after = '35 days', refresh_start_offset = '31 days', "
        "refresh_end_offset = '1 hour', refresh_every = '1 minute' WHERE relation LIKE '%_hourly'"
    )
    own.execute(
        "UPDATE telemetry.policy SET columnstore_after = '100 days', refresh_start_offset = '33 days', "
        "refresh_end_offset = '2 hours', refresh_every = '10 minutes' WHERE relation LIKE '%_daily'"
    )
    own.execute("CALL api.apply_policies()")
    after = jobs(own)
    for job in (*before.values(), *after.values()):
        del job["id"]
    assert after == before


def test_every_job_runs(own: Connection) -> None:
    start = hours_ago(24 * 50)
    instants = [start + timedelta(hours=7 * i) for i in range(50 * 24 // 7)]
    insert_meter_readings(own, (("M-1", at, 0.5, 230.0) for at in instants))
    insert_vehicle_readings(own, (("V-1", at, 50.0, 0.5, 20.0) for at in instants))
    for _, job in sorted(job_ids(own).items(), key=lambda item: item[0][1] != "refresh"):
        own.execute("CALL public.run_job(%s)", (job,))
    compressed: dict[str, int] = dict(
        own.execute(
            "SELECT hypertable_name, count(*) FILTER (WHERE is_compressed) FROM timescaledb_information.chunks "
            "WHERE hypertable_schema = 'telemetry' GROUP BY 1"
        ).fetchall()
    )
    assert set(compressed) == set(HISTORIES)
    assert all(count >= 45 for count in compressed.values())
    # What is older than the refresh job looks back is upkeep's task.
    own.execute("CALL api.upkeep()")
    for rollup in ROLLUPS + DAYS:
        assert own.execute(f"SELECT sum(readings) FROM telemetry.{rollup}".encode()).fetchone() == (len(instants),)


def test_the_retention_job_drops_what_its_policy_says(own: Connection) -> None:
    insert_meter_readings(own, (("M-1", now() - timedelta(days=days), 0.5, 230.0) for days in range(60)))
    own.execute("UPDATE telemetry.policy SET drop_after = '40 days' WHERE relation = 'meter_telemetry_history'")
    own.execute("CALL api.apply_policies()")
    stop_jobs(url_of(own), "timescale")
    own.execute("CALL public.run_job(%s)", (job_ids(own)["meter_telemetry_history", "retention"],))
    row = own.execute("SELECT count(*) FROM telemetry.meter_telemetry_history").fetchone()
    # Chunks of a day are dropped whole: a day that is half expired stays.
    assert row in ((40,), (41,))


def test_the_refresh_job_completes_rollups_of_late_readings(own: Connection) -> None:
    start = hours_ago(24 * 5)
    refresh = job_ids(own)["meter_hourly", "refresh"]
    insert_meter_readings(own, (("M-1", start + timedelta(minutes=10 * i), 0.5, 230.0) for i in range(30)))
    own.execute("CALL public.run_job(%s)", (refresh,))
    insert_meter_readings(own, [("M-1", start + timedelta(hours=2, seconds=1), 0.5, 230.0)])
    own.execute("CALL public.run_job(%s)", (refresh,))
    bucket_start = start + timedelta(hours=2, microseconds=1)
    assert own.execute(
        "SELECT readings FROM telemetry.meter_hourly WHERE bucket_start = %s", (bucket_start,)
    ).fetchone() == (7,)


@pytest.mark.parametrize("rollup", ["meter_hourly", "meter_daily"])
def test_a_condition_on_the_bucket_that_is_shown_excludes_chunks(own: Connection, rollup: str) -> None:
    # The shown bucket_start is computed from that of the rollup; chunks hold the latter.
    start = hours_ago(24 * 400)
    insert_meter_readings(own, (("M-1", start + timedelta(hours=12 * i), 0.5, 230.0) for i in range(2 * 399)))
    own.execute("CALL api.refresh_rollups(%s, %s)", (start - timedelta(days=1), hours_ago(0)))

    def chunks_read(relation: str, condition: str) -> set[str]:
        plan = own.execute(f"EXPLAIN (ANALYZE, COSTS off) SELECT * FROM {relation} WHERE {condition}".encode())
        return set(re.findall(r"_hyper_\d+_\d+_chunk", " ".join(row[0] for row in plan.fetchall())))

    everything = chunks_read(f"api.{rollup}", "meter_id = 'M-1'")
    for instant in ("now() - interval '20 days'", f"'{hours_ago(24 * 20).isoformat()}'::timestamptz"):
        shown = chunks_read(f"api.{rollup}", f"meter_id = 'M-1' AND bucket_start >= {instant}")
        kept = chunks_read(f"telemetry.{rollup}", f"meter_id = 'M-1' AND bucket_start > {instant}")
        assert len(shown) <= len(kept) < len(everything) / 2


def _invalidated(connection: Connection, history: str) -> list[tuple[Any, Any]]:
    """Ranges of a history that a refresh has yet to compute anew, oldest first."""
    return connection.execute(
        """
        SELECT
            _timescaledb_functions.to_timestamp(log.lowest_modified_value),
            _timescaledb_functions.to_timestamp(log.greatest_modified_value)
        FROM _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log AS log
        JOIN _timescaledb_catalog.hypertable AS hypertable ON hypertable.id = log.hypertable_id
        WHERE hypertable.table_name = %s
        ORDER BY 1
        """,
        [history],
    ).fetchall()


def test_a_late_reading_invalidates_its_own_hour_and_not_all_from_there_to_the_present(
    client: Client, connection: Connection
) -> None:
    # All in one request and so in one group: fresh readings, and two late ones at the ends of a day. TimescaleDB notes
    # one range a transaction and chunk, from the oldest reading of it to the newest.
    day = now().replace(hour=0, minute=0, second=0) - 2 * timedelta(days=1)
    early, late = day + timedelta(hours=1, minutes=10), day + timedelta(hours=22, minutes=20)
    client.ingest(meter_reading("M-1", day), meter_reading("M-1", now()))
    connection.execute("CALL api.refresh_rollups(now() - interval '4 days', now())")
    before = _invalidated(connection, "meter_telemetry_history")
    result = client.ingest(
        meter_reading("M-2", early), meter_reading("M-3", late), *(meter_reading(f"M-{n}") for n in range(4, 9))
    )
    assert result["accepted"] == 7
    added = [noted for noted in _invalidated(connection, "meter_telemetry_history") if noted not in before]
    assert added == [(early, early), (late, late)]


def test_late_readings_without_a_gap_share_a_transaction(client: Client, connection: Connection) -> None:
    hours = [hours_ago(30 - hour) for hour in range(6)]
    client.ingest(*(meter_reading("M-1", at) for at in hours))
    rows = connection.execute("SELECT DISTINCT xmin::text FROM telemetry.meter_telemetry_history").fetchall()
    assert len(rows) == 1
    # One more than gaps are cut at: the shortest gap stays within a transaction.
    scattered = [hours_ago(60 + (hour + 1) * hour) for hour in range(MAX_LATE_TRANSACTIONS + 1)]
    client.ingest(*(meter_reading("M-2", at) for at in scattered))
    rows = connection.execute(
        "SELECT DISTINCT xmin::text FROM telemetry.meter_telemetry_history WHERE meter_id = 'M-2'"
    ).fetchall()
    assert len(rows) == MAX_LATE_TRANSACTIONS


@pytest.mark.parametrize("rollup", [*ROLLUPS, *DAYS])
def test_answers_read_rollups_whose_watermark_the_planner_evaluates(connection: Connection, rollup: str) -> None:
    row = connection.execute("SELECT pg_get_viewdef(format('internal.%%I', %s::text)::regclass)", [rollup]).fetchone()
    assert row is not None
    # Once for what is materialised, and once for the history after it.
    assert (row[0].count("internal.watermark("), row[0].count("cagg_watermark(")) == (2, 0)
