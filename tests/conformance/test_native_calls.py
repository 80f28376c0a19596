"""A DBA's own calls: what TimescaleDB and SQL drop, delete and change by themselves leaves the rollups whole.

Twenty days of readings are rolled up; then a native call takes a part of the history away, or changes how it is stored;
then every kind of refresh that the service makes or offers runs. Rollups are compared row by row with what they were.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from app.__main__ import main
from app.db import migrate
from tests.support.readings import insert_meter_readings, insert_vehicle_readings, meter_reading, now
from tests.support.servers import ONLY_TIMESCALE, run_jobs
from tests.support.service import running_service

Connection = psycopg.Connection[TupleRow]

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
HISTORY = "telemetry.meter_telemetry_history"
ROLLUPS = ("meter_hourly", "vehicle_hourly", "meter_daily", "vehicle_daily")

Rollups = dict[str, list[tuple[Any, ...]]]

# Drops what is older than 10 days, of meters.
RETENTION = {
    "drop_chunks": f"SELECT drop_chunks('{HISTORY}', older_than => interval '10 days')",
    "drop_chunks_in_the_middle": (
        f"SELECT drop_chunks('{HISTORY}', older_than => interval '10 days', newer_than => interval '15 days')"
    ),
    "alter_job": """
        SELECT alter_job(job_id, config => config || '{"drop_after": "10 days"}') FROM timescaledb_information.jobs
        WHERE hypertable_name = 'meter_telemetry_history' AND proc_name = 'policy_retention'
    """,
    "add_retention_policy": f"""
        SELECT remove_retention_policy('{HISTORY}');
        SELECT add_retention_policy('{HISTORY}', drop_after => interval '10 days')
    """,
    "drop_created_before": f"SELECT drop_chunks('{HISTORY}', created_before => now() + interval '1 hour')",
    "drop_a_rollup": "SELECT drop_chunks('telemetry.meter_hourly', older_than => interval '10 days')",
}
DELETION = {
    "delete": f"DELETE FROM {HISTORY} WHERE recorded_at < now() - interval '10 days'",
    "delete_within_an_hour": (
        f"DELETE FROM {HISTORY} WHERE recorded_at < date_trunc('hour', now()) - interval '239 hours 30 minutes'"
    ),
    "delete_all": f"DELETE FROM {HISTORY}",
    "truncate": f"TRUNCATE {HISTORY}",
}
STORAGE = {
    "compress_chunk": f"SELECT compress_chunk(c, true) FROM show_chunks('{HISTORY}') AS c",
    "decompress_chunk": f"SELECT decompress_chunk(c, true) FROM show_chunks('{HISTORY}') AS c",
    "set_chunk_time_interval": f"SELECT set_chunk_time_interval('{HISTORY}', interval '90 minutes')",
}
REFRESHES = {
    "all of it": "CALL api.refresh_rollups('-infinity', 'infinity')",
    "what is gone": "CALL api.refresh_rollups(now() - interval '19 days', now() - interval '12 days')",
    "across the edge": "CALL api.refresh_rollups(now() - interval '10 days 30 minutes', now())",
    "upkeep": "CALL api.upkeep()",
}


def rollups(connection: Connection) -> Rollups:
    """All rows of all rollups, but the newest, which a continuous aggregate reads from the history itself."""
    rows = "SELECT * FROM telemetry.{} WHERE bucket_start < now() - interval '3 days' ORDER BY 1, 2"
    return {name: connection.execute(rows.format(name).encode()).fetchall() for name in ROLLUPS}


def changed(before: Rollups, after: Rollups) -> dict[str, int]:
    """How many rows of each rollup differ, in either direction."""
    return {name: len(set(before[name]) ^ set(after[name])) for name in ROLLUPS if before[name] != after[name]}


def readings(start: datetime, device: int) -> list[datetime]:
    return [start + device * MINUTE + 20 * MINUTE * i for i in range(20 * 24 * 3)]


@pytest.fixture
def twenty_days(own: Connection) -> Connection:
    """Two devices of a kind that reported three times an hour for 20 days, rolled up."""
    start = (now() - 20 * DAY).replace(minute=0, second=0)
    insert_meter_readings(own, ((f"M-{d}", at, 0.5, 230.0) for d in (1, 2) for at in readings(start, d)))
    insert_vehicle_readings(own, ((f"V-{d}", at, 50.0, 0.25, 20.0) for d in (1, 2) for at in readings(start, d)))
    own.execute("CALL api.refresh_rollups(%s, %s)", (start - DAY, now()))
    return own


def carry_out(connection: Connection, statements: str) -> None:
    for statement in statements.split(";"):
        connection.execute(statement.encode())
    if "retention" in statements:
        run_jobs(connection)


def is_expected(name: str, before: Rollups, after: Rollups) -> bool:
    """Nothing changed, but for what the call itself dropped of a rollup."""
    if name == "drop_a_rollup":
        before = {**before, "meter_hourly": [row for row in before["meter_hourly"] if row in after["meter_hourly"]]}
    return changed(before, after) == {}


def without_late_device(found: Rollups) -> Rollups:
    return {name: [row for row in rows if row[0] != "M-9"] for name, rows in found.items()}


def check_rollups_outlive(connection: Connection, call: str, statements: str) -> None:
    before = rollups(connection)
    carry_out(connection, statements)
    after_call = rollups(connection)
    for name, refresh in REFRESHES.items():
        connection.execute(refresh.encode())
        assert is_expected(call, before, rollups(connection)), (name, changed(before, rollups(connection)))
    run_jobs(connection)
    assert is_expected(call, before, rollups(connection)), "jobs"
    # A late reading that falls among what was dropped, as somebody might insert it.
    insert_meter_readings(connection, [("M-9", now() - 12 * DAY, 0.5, 230.0)])
    run_jobs(connection)
    connection.execute(REFRESHES["all of it"].encode())
    assert without_late_device(rollups(connection)) == after_call


@ONLY_TIMESCALE
@pytest.mark.parametrize("call", [*RETENTION, *STORAGE])
def test_rollups_outlive_what_calls_of_timescaledb_do_to_their_history(twenty_days: Connection, call: str) -> None:
    check_rollups_outlive(twenty_days, call, {**RETENTION, **STORAGE}[call])


@ONLY_TIMESCALE
def test_an_hour_that_lost_a_part_of_its_readings_keeps_its_figures(own: Connection) -> None:
    # Chunks of 90 minutes, aligned to 01:30: every third hour lies in two of them.
    own.execute(f"SELECT set_chunk_time_interval('{HISTORY}', interval '90 minutes')".encode())
    start = (now() - 10 * DAY).replace(hour=0, minute=0, second=0)
    insert_meter_readings(own, (("M-1", start + 15 * MINUTE * (i + 1), 0.5, 230.0) for i in range(24 * 4)))
    own.execute("CALL api.refresh_rollups(%s, %s)", (start, start + DAY))
    before = rollups(own)
    assert {row[2] for row in before["meter_hourly"]} == {4}
    for hours in (4, 5, 6):
        own.execute(f"SELECT drop_chunks('{HISTORY}', older_than => %s::timestamptz)", [start + hours * 60 * MINUTE])
        own.execute(REFRESHES["all of it"].encode())
        run_jobs(own)
        assert changed(before, rollups(own)) == {}


@ONLY_TIMESCALE
@pytest.mark.parametrize("dropped", ["the day before", "the day after"])
def test_a_reading_stamped_at_midnight_stays_in_its_hour_when_a_day_beside_it_is_dropped(
    own: Connection, dropped: str
) -> None:
    # It lies in the chunk of the day that begins, and in the rollup of the hour and the day that end.
    midnight = (now() - 10 * DAY).replace(hour=0, minute=0, second=0)
    instants = (midnight + 15 * MINUTE * i for i in range(-2 * 96 + 1, 2 * 96 + 1))
    insert_meter_readings(own, (("M-1", at, 0.5, 230.0) for at in instants))
    own.execute("CALL api.refresh_rollups(%s, %s)", (midnight - 3 * DAY, midnight + 3 * DAY))
    before = rollups(own)
    assert {row[2] for row in before["meter_hourly"]} == {4}
    assert [row[2] for row in before["meter_daily"]] == [96] * 4
    gone_to = midnight if dropped == "the day before" else midnight + DAY
    own.execute(f"SELECT drop_chunks('{HISTORY}', older_than => %s::timestamptz)".encode(), [gone_to])
    for refresh in REFRESHES.values():
        own.execute(refresh.encode())
        run_jobs(own)
        assert changed(before, rollups(own)) == {}
    # The hour that begins at midnight is kept whole: a late reading shows in it, and in no hour before.
    assert dropped_before(own) == gone_to
    insert_meter_readings(own, [("M-1", gone_to + timedelta(microseconds=1), 0.5, 230.0)])
    own.execute(REFRESHES["all of it"].encode())
    hours = {row[1]: row[2] for row in rollups(own)["meter_hourly"]}
    assert {hour for hour, count in hours.items() if count != 4} == {gone_to + timedelta(microseconds=1)}
    assert hours[gone_to + timedelta(microseconds=1)] == 5


@ONLY_TIMESCALE
def test_a_day_whose_only_reading_is_stamped_at_its_midnight_was_not_dropped(own: Connection) -> None:
    # Its hour has no chunk of its own: the reading lies in that of the day after.
    midnight = (now() - 10 * DAY).replace(hour=0, minute=0, second=0)
    insert_meter_readings(own, [("M-1", midnight, 0.5, 230.0)])
    own.execute("CALL api.refresh_rollups(%s, %s)", (midnight - DAY, midnight + DAY))
    insert_meter_readings(own, [("M-2", midnight, 0.5, 230.0)])
    backlog = "SELECT backlog_ranges, backlog_from, backlog_to FROM api.refresh_lag WHERE relation = 'meter_hourly'"
    assert own.execute(backlog).fetchone() == (1, midnight - 60 * MINUTE, midnight)
    own.execute("CALL api.refresh_rollups(%s, %s)", (midnight - 60 * MINUTE, midnight))
    assert own.execute("SELECT backlog_ranges FROM api.refresh_lag WHERE relation = 'meter_hourly'").fetchone() == (0,)
    assert dropped_before(own) is None
    assert [row[:3] for row in rollups(own)["meter_hourly"]] == [
        (meter, midnight - 60 * MINUTE + timedelta(microseconds=1), 1) for meter in ("M-1", "M-2")
    ]


@ONLY_TIMESCALE
def test_chunks_shorter_than_an_hour_are_not_taken_for_dropped_ones(own: Connection) -> None:
    # Between two readings of an hour no chunk was ever made.
    for relation in (HISTORY, "_timescaledb_internal.{}".format(*materialised_hours(own))):
        own.execute(f"SELECT set_chunk_time_interval('{relation}', interval '15 minutes')".encode())
    start = (now() - 3 * DAY).replace(minute=0, second=0)
    insert_meter_readings(own, (("M-1", start + 45 * MINUTE * i + 5 * MINUTE, 0.5, 230.0) for i in range(32)))
    own.execute("CALL api.refresh_rollups(%s, %s)", (start, start + 2 * DAY))
    insert_meter_readings(own, [("M-1", start + 6 * MINUTE, 0.5, 230.0)])
    run_jobs(own)
    assert own.execute("SELECT count(dropped_before) FROM telemetry.policy").fetchone() == (0,)
    assert own.execute("SELECT sum(readings) FROM telemetry.meter_daily").fetchone() == (33,)


def materialised_hours(connection: Connection) -> tuple[str]:
    [name] = connection.execute("""
        SELECT materialization_hypertable_name FROM timescaledb_information.continuous_aggregates
        WHERE view_name = 'meter_hourly'
    """).fetchall()
    return name


@pytest.mark.parametrize("call", [*DELETION])
def test_rollups_outlive_a_deletion_of_all_that_is_older(twenty_days: Connection, call: str) -> None:
    check_rollups_outlive(twenty_days, call, DELETION[call])


def test_a_deletion_that_leaves_older_readings_is_a_correction(twenty_days: Connection) -> None:
    before = rollups(twenty_days)
    twenty_days.execute(
        f"DELETE FROM {HISTORY} WHERE meter_id = 'M-1' AND recorded_at < now() - interval '10 days'".encode()
    )
    twenty_days.execute(REFRESHES["all of it"].encode())
    after = rollups(twenty_days)
    assert {name: len(rows) for name, rows in after.items() if rows != before[name]}.keys() == {
        "meter_hourly",
        "meter_daily",
    }
    assert {row[0] for row in after["meter_hourly"] if row[1] < now() - 11 * DAY} == {"M-2"}


def dropped_before(connection: Connection) -> datetime | None:
    """Up to where the meters' history is remembered as gone."""
    [(instant,)] = connection.execute(
        "SELECT dropped_before FROM telemetry.policy WHERE relation = 'meter_telemetry_history'"
    ).fetchall()
    assert instant is None or isinstance(instant, datetime)
    return instant


@ONLY_TIMESCALE
def test_a_late_reading_that_hides_a_drop_before_the_next_refresh_erases_nothing(twenty_days: Connection) -> None:
    before = rollups(twenty_days)
    twenty_days.execute(RETENTION["drop_chunks"].encode())
    # Into the newest day that was dropped: its chunk is there again, with nothing else in it.
    midnight = (now() - 10 * DAY).replace(hour=0, minute=0, second=0)
    insert_meter_readings(twenty_days, (("M-9", midnight - 20 * MINUTE * i, 0.5, 230.0) for i in range(1, 72)))
    run_jobs(twenty_days)
    twenty_days.execute(REFRESHES["all of it"].encode())
    assert changed(before, without_late_device(rollups(twenty_days))) == {}


def test_one_reading_of_a_wrong_clock_is_corrected_by_a_delete(twenty_days: Connection) -> None:
    before = rollups(twenty_days)
    wrong = now() - 200 * DAY
    insert_meter_readings(twenty_days, [("M-1", wrong, 5.0, 230.0)])
    twenty_days.execute("CALL api.refresh_rollups(%s, %s)", (wrong - DAY, now()))
    assert len(rollups(twenty_days)["meter_hourly"]) == len(before["meter_hourly"]) + 1
    twenty_days.execute(f"DELETE FROM {HISTORY} WHERE recorded_at = %s".encode(), [wrong])
    twenty_days.execute(REFRESHES["all of it"].encode())
    assert changed(before, rollups(twenty_days)) == {}
    assert dropped_before(twenty_days) is None


def test_what_was_never_there_is_not_reported_as_dropped(own: Connection) -> None:
    # Two weeks of a pilot, long before the fleet; retention drops the pilot, and nothing was between the two.
    pilot, fleet = now() - 100 * DAY, now() - 5 * DAY
    for start, days in ((pilot, 14), (fleet, 5)):
        insert_meter_readings(own, (("M-1", start + 2 * 60 * MINUTE * i, 0.5, 230.0) for i in range(12 * days)))
    own.execute("CALL api.refresh_rollups(%s, %s)", (pilot - DAY, now()))
    before = rollups(own)
    drop = (
        "SELECT drop_chunks('{}', older_than => interval '60 days')"
        if is_timescale(own)
        else ("DELETE FROM {} WHERE recorded_at < now() - interval '60 days'")
    )
    own.execute(drop.format(HISTORY).encode())
    own.execute(REFRESHES["all of it"].encode())
    assert changed(before, rollups(own)) == {}
    gone_to = dropped_before(own)
    assert gone_to is not None
    assert gone_to <= pilot + 15 * DAY


def is_timescale(connection: Connection) -> bool:
    return connection.execute("SELECT profile FROM telemetry.installation").fetchone() == ("timescale",)


def test_a_service_starts_on_a_history_that_was_emptied_in_any_order(own: Connection, own_database: str) -> None:
    insert_meter_readings(own, [("M-1", now() - 2 * DAY, 0.5, 230.0), ("M-2", now() - DAY, 0.5, 230.0)])
    own.execute(REFRESHES["all of it"].encode())
    own.execute(f"TRUNCATE {HISTORY}, telemetry.live_meter_state".encode())
    own.execute(REFRESHES["all of it"].encode())
    gone_to = dropped_before(own)
    assert gone_to is None or gone_to <= now()
    with running_service(DATABASE_URL=own_database) as client:
        assert client.ingest(meter_reading("M-1", now()))["accepted"] == 1


# Drift: what the database does and what telemetry.policy says

BY_HAND = """
    SELECT alter_job(job_id, config => config || '{"drop_after": "90 days"}')
        FROM timescaledb_information.jobs
        WHERE hypertable_name = 'meter_telemetry_history' AND proc_name = 'policy_retention';
    SELECT remove_retention_policy('telemetry.vehicle_telemetry_history');
    SELECT add_retention_policy('telemetry.meter_hourly', drop_after => interval '3 months');
    CALL remove_columnstore_policy('telemetry.vehicle_hourly');
    SELECT set_chunk_time_interval('telemetry.vehicle_telemetry_history', interval '12 hours');
    SELECT alter_job(job_id, scheduled => false)
        FROM timescaledb_information.jobs
        WHERE hypertable_name = 'meter_telemetry_history' AND proc_name = 'policy_compression';
    SELECT alter_job(job_id, schedule_interval => interval '5 minutes')
        FROM timescaledb_information.jobs WHERE config ->> 'relation' = 'meter_hourly';
    SELECT add_continuous_aggregate_policy(
        'telemetry.vehicle_hourly', interval '90 days', interval '2 hours', interval '1 hour'
    );
    SELECT add_reorder_policy(
        'telemetry.vehicle_telemetry_history', 'vehicle_telemetry_history_key'
    )
"""


@pytest.fixture
def changed_by_hand(own: Connection) -> Connection:
    """A database whose jobs and chunk intervals a DBA changed by TimescaleDB's own calls."""
    for statement in BY_HAND.split(";"):
        own.execute(statement.encode())
    return own


DRIFT = """\
meter_hourly.drop_after: 3 months -> never
meter_hourly.refresh_every: 5 minutes -> 1 minute
meter_telemetry_history.columnstore_after: never -> 2 days
meter_telemetry_history.drop_after: 90 days -> 400 days
vehicle_hourly.columnstore_after: never -> 35 days
vehicle_telemetry_history.chunk_interval: 12 hours -> 1 day
vehicle_telemetry_history.drop_after: never -> 400 days
"""


def jobs(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute("""
        SELECT job_id, proc_name, hypertable_name, schedule_interval, scheduled, config
        FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY job_id
    """).fetchall()


@pytest.fixture
def run(own_database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command on the test's own database; returns what it prints."""
    monkeypatch.setenv("DATABASE_URL", own_database)

    def command(*arguments: str) -> str:
        capsys.readouterr()
        main(arguments)
        return capsys.readouterr().out

    return command


@ONLY_TIMESCALE
def test_a_plan_names_every_difference_and_migrate_leaves_all_of_them(
    changed_by_hand: Connection, own_database: str, run: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    before = jobs(changed_by_hand)
    migrate.migrate(own_database)
    assert jobs(changed_by_hand) == before
    warned = "\n".join(record.getMessage() for record in caplog.records)
    assert "meter_telemetry_history.drop_after is 90 days in the database, and 400 days in telemetry.policy" in warned
    assert "policy_refresh_continuous_aggregate of vehicle_hourly" in warned
    assert "policy_reorder of vehicle_telemetry_history" in warned
    shown = run("policies", "plan")
    assert shown.startswith(DRIFT)
    assert shown.count("left alone") == 2
    findings = changed_by_hand.execute("SELECT subject, message FROM api.findings()").fetchall()
    assert ("meter_hourly", "refresh_every is 5 minutes in the database, and 1 minute in its policy") in findings
    assert [message for subject, message in findings if "policy_refresh" in subject] == [
        "it is not this service's: where history is gone, its refreshes erase the rollup"
    ]
    assert jobs(changed_by_hand) == before


@ONLY_TIMESCALE
def test_adopting_writes_down_what_the_database_has_and_changes_no_job(
    changed_by_hand: Connection, run: Callable[..., str]
) -> None:
    before = jobs(changed_by_hand)
    shown = run("policies", "adopt")
    assert "meter_telemetry_history.drop_after: 400 days -> 90 days\n" in shown
    assert jobs(changed_by_hand) == before
    assert run("policies", "plan").startswith("nothing to change\n")
    assert changed_by_hand.execute("SELECT count(*) FROM telemetry.policy_change").fetchone() == (7,)
    # What was adopted stays when another policy is changed.
    changed_by_hand.execute("CALL api.set_policy('meter_daily', drop_after => '900 days')")
    assert len(jobs(changed_by_hand)) == len(before) + 1


@ONLY_TIMESCALE
def test_applying_changes_the_database_and_leaves_the_jobs_it_does_not_know(
    changed_by_hand: Connection, run: Callable[..., str]
) -> None:
    shown = run("policies", "apply")
    assert shown.startswith(DRIFT)
    assert "applied\n" in shown
    assert run("policies", "plan").startswith("nothing to change\n")
    assert changed_by_hand.execute("SELECT count(*) FROM telemetry.policy_change").fetchone() == (0,)
    kept = [name for _, name, *_ in jobs(changed_by_hand)]
    assert kept.count("policy_refresh_continuous_aggregate") == 1
    assert kept.count("policy_reorder") == 1
    assert all(job[4] for job in jobs(changed_by_hand))


@ONLY_TIMESCALE
def test_a_change_of_one_setting_leaves_what_a_dba_changed_of_others(changed_by_hand: Connection) -> None:
    changed_by_hand.execute("CALL api.set_policy('meter_daily', drop_after => '900 days')")
    # Of the same relation too: what was to be kept is not dropped by a change of something else.
    changed_by_hand.execute("CALL api.set_policy('vehicle_telemetry_history', columnstore_after => '3 days')")
    assert (
        "".join(
            f"{relation}.{setting}: {now} -> {wanted}\n"
            for relation, setting, now, wanted in changed_by_hand.execute("SELECT * FROM api.policy_plan()").fetchall()
        )
        == DRIFT
    )


def test_a_database_that_nobody_changed_has_nothing_to_plan_or_adopt(own: Connection, run: Callable[..., str]) -> None:
    for action in ("plan", "apply", "adopt"):
        assert run("policies", action).splitlines()[0] == "nothing to change"
    assert own.execute("SELECT count(*) FROM telemetry.policy_change").fetchone() == (0,)
