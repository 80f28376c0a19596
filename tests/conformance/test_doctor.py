"""What a DBA looks at: figures that are right, findings where something is wrong, and silence where nothing is."""

import json
import time
from argparse import Namespace
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from app import doctor
from app.__main__ import main
from app.errors import DatabaseUnavailable
from tests.readings import hours_ago, insert_meter_readings, insert_vehicle_readings, minutes_ago, now

Connection = psycopg.Connection[TupleRow]

ONLY_TIMESCALE = pytest.mark.parametrize("server", ["timescale"], indirect=True)
HISTORY = "meter_telemetry_history"
DAY = timedelta(days=1)
WAIT_S = 60

Examine = Callable[[Connection], tuple[int, dict[str, Any]]]


@pytest.fixture
def examine(capsys: pytest.CaptureFixture[str]) -> Examine:
    """Runs `doctor --json`; returns its exit status and what it prints, decoded."""

    def run(connection: Connection) -> tuple[int, dict[str, Any]]:
        status = doctor.run(connection.info.dsn, Namespace(json=True, silent_for="1 hour"))
        return status, json.loads(capsys.readouterr().out)

    return run


def findings(document: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Severity and message by subject."""
    return {found["subject"]: (found["severity"], found["message"]) for found in document["findings"]}


def is_timescale(connection: Connection) -> bool:
    return connection.execute("SELECT profile FROM telemetry.installation").fetchone() == ("timescale",)


def keep_fleet(connection: Connection, devices: int = 10) -> None:
    """A reading of each device a minute ago, and one of a day for a week, all in the rollups."""
    instants = [minutes_ago(1), *(now() - days * DAY for days in range(1, 8))]
    insert_meter_readings(connection, ((f"M-{i}", at, 0.5, 230.0) for i in range(devices) for at in instants))
    insert_vehicle_readings(connection, ((f"V-{i}", at, 50.0, 0.25, 20.0) for i in range(devices) for at in instants))
    connection.execute("CALL api.refresh_rollups(now() - interval '10 days', now())")
    if is_timescale(connection):
        connection.execute("""
            SELECT public.compress_chunk(chunk)
            FROM public.show_chunks('telemetry.meter_telemetry_history', older_than => interval '2 days') AS chunk
        """)
        connection.execute("""
            SELECT public.compress_chunk(chunk)
            FROM public.show_chunks('telemetry.vehicle_telemetry_history', older_than => interval '2 days') AS chunk
        """)


def test_where_all_is_well_there_is_no_finding_and_each_wrong_is_found(own: Connection, examine: Examine) -> None:
    """One database that is well, and then less and less so: each finding appears with what causes it."""
    keep_fleet(own)
    own.execute("CALL api.set_disk_size('1 TB')")
    own.execute("CALL api.upkeep()")
    # A sample of so few readings says nothing of lateness, though most came late.
    status, document = examine(own)
    assert (status, document["severity"], document["findings"]) == (0, "none", [])
    own.execute("UPDATE telemetry.live_meter_state SET recorded_at = now() - interval '2 hours' WHERE meter_id = 'M-3'")
    status, document = examine(own)
    assert (status, document["severity"]) == (0, "note")
    assert findings(document) == {"meters": ("note", "1 of 10 are silent for longer than 01:00:00")}
    assert [device["device_id"] for device in document["silent devices"]] == ["M-3"]
    own.execute("UPDATE telemetry.live_meter_state SET recorded_at = now() - interval '2 hours' WHERE meter_id < 'M-3'")
    status, document = examine(own)
    assert (status, findings(document)["meters"][0]) == (3, "warning")
    own.execute("UPDATE telemetry.upkeep_run SET started_at = now() - interval '2 hours', finished_at = NULL")
    status, document = examine(own)
    assert (status, findings(document)["upkeep"][0]) == (4, "critical")
    assert [found["severity"] for found in document["findings"]] == ["critical", "warning"]


def test_a_disk_that_fills_up_is_found_in_time(own: Connection) -> None:
    keep_fleet(own)
    [(size, growing)] = own.execute("SELECT database_bytes, growing_bytes_per_day FROM api.disk_outlook()").fetchall()
    assert growing > 0
    assert own.execute("SELECT disk_free_bytes, days_left FROM api.disk_outlook()").fetchone() == (None, None)
    for days, severity in ((40, None), (20, "warning"), (3, "critical")):
        row = own.execute("SELECT days_left FROM api.disk_outlook(%s)", (days * growing,)).fetchone()
        assert row == (pytest.approx(days),)
        found = own.execute(
            "SELECT severity FROM api.findings(free_bytes => %s) WHERE subject = 'disk'", (days * growing,)
        ).fetchone()
        assert found == (severity and (severity,))
    own.execute("CALL api.set_disk_size(%s)", (f"{size + 10**12}",))
    [(free,)] = own.execute("SELECT disk_free_bytes FROM api.disk_outlook()").fetchall()
    assert free == pytest.approx(10**12, rel=1e-3)


def test_days_count_their_readings_and_a_day_with_few_is_found(own: Connection) -> None:
    keep_fleet(own)
    days = own.execute(
        "SELECT day_start, readings FROM api.readings_per_day WHERE relation = %s ORDER BY 1", (HISTORY,)
    ).fetchall()
    assert [readings for _, readings in days] == [10] * 8
    assert own.execute("SELECT message FROM api.findings() WHERE subject = %s", (HISTORY,)).fetchall() == []
    insert_meter_readings(own, ((f"M-{i}", now() - 3 * DAY, 0.5, 230.0) for i in range(100, 600)))
    own.execute("CALL api.refresh_rollups(now() - interval '10 days', now())")
    assert own.execute("SELECT message FROM api.findings() WHERE subject = %s", (HISTORY,)).fetchall() == [
        ("10 readings yesterday, 93 a day in the week before",)
    ]


def test_an_index_that_lost_most_of_its_rows_shows_as_bloated(own: Connection) -> None:
    start = hours_ago(2)
    insert_meter_readings(own, ((f"M-{i:05}", start, 0.5, 230.0) for i in range(5000)))
    own.execute("VACUUM ANALYZE telemetry.meter_telemetry_history")
    ratio = "SELECT bloat_ratio FROM api.index_bloat WHERE relation = 'meter_telemetry_history'"
    [(before,)] = own.execute(ratio).fetchall()
    assert 0.8 < before < 2.5
    own.execute("DELETE FROM telemetry.meter_telemetry_history WHERE meter_id >= 'M-00500'")
    own.execute("VACUUM ANALYZE telemetry.meter_telemetry_history")
    [(after,)] = own.execute(ratio).fetchall()
    assert after > 4 * before


@ONLY_TIMESCALE
def test_a_chunk_in_the_columnstore_shows_its_ratio_and_one_that_should_be_there_its_delay(own: Connection) -> None:
    start = (now() - 6 * DAY).replace(hour=0, minute=0, second=0)
    for day in range(2):
        insert_meter_readings(own, (("M-1", start + day * DAY + timedelta(minutes=i), 0.5, 230.0) for i in range(1440)))
    own.execute(
        "SELECT public.compress_chunk(chunk) "
        "FROM public.show_chunks('telemetry.meter_telemetry_history', newer_than => %s::timestamptz) AS chunk",
        (start + DAY,),
    )
    chunks = own.execute(
        "SELECT range_from, is_compressed, total_bytes, uncompressed_bytes, compression_ratio FROM api.chunk_size "
        "WHERE relation = %s ORDER BY 1",
        (HISTORY,),
    ).fetchall()
    assert [(row[0], row[1]) for row in chunks] == [(start, False), (start + DAY, True)]
    assert chunks[0][2:] == (chunks[0][2], chunks[0][2], None)
    assert chunks[1][4] == pytest.approx(chunks[1][3] / chunks[1][2])
    assert own.execute(
        "SELECT chunks, chunks_compressed, total_bytes FROM api.relation_size WHERE relation = %s", (HISTORY,)
    ).fetchone() == (2, 1, chunks[0][2] + chunks[1][2])
    [(oldest, overdue, by)] = own.execute(
        "SELECT oldest_uncompressed_from, chunks_overdue, overdue_by FROM api.columnstore_lag WHERE relation = %s",
        (HISTORY,),
    ).fetchall()
    assert (oldest, overdue) == (start, 1)
    assert abs(by - (now() - start - 3 * DAY)) < timedelta(minutes=1)
    assert own.execute("SELECT message FROM api.findings() WHERE subject = %s", (HISTORY,)).fetchone()


@ONLY_TIMESCALE
def test_a_backlog_of_late_readings_shows_until_it_is_refreshed(own: Connection, examine: Examine) -> None:
    keep_fleet(own)
    backlog = "SELECT backlog_ranges, backlog_from, backlog_to, backlog_h FROM api.refresh_lag WHERE relation = %s"
    assert own.execute(backlog, ("meter_hourly",)).fetchone() == (0, None, None, 0)
    late = hours_ago(50)
    insert_meter_readings(own, [("M-1", late + timedelta(minutes=5), 0.5, 230.0)])
    [(ranges, begins, ends, hours)] = own.execute(backlog, ("meter_hourly",)).fetchall()
    assert ranges == 1
    assert late <= begins < ends <= late + timedelta(hours=1)
    assert 0 < hours <= 1
    # The days hear of it when the hours are refreshed, not before.
    assert own.execute(backlog, ("meter_daily",)).fetchone() == (0, None, None, 0)
    _, document = examine(own)
    assert findings(document)["meter_hourly"][0] == "note"
    own.execute("CALL api.refresh_rollups(%s, %s)", (begins, ends))
    assert own.execute(backlog, ("meter_hourly",)).fetchone() == (0, None, None, 0)
    # Older than the job looks back: it would wait for upkeep.
    insert_meter_readings(own, [("M-1", now() - 40 * DAY, 0.5, 230.0)])
    own.execute("CALL api.refresh_rollups(now() - interval '50 days', now())")
    insert_meter_readings(own, [("M-2", now() - 40 * DAY, 0.5, 230.0)])
    _, document = examine(own)
    severity, message = findings(document)["meter_hourly"]
    assert (severity, "older than its job looks back" in message) == ("warning", True)


@ONLY_TIMESCALE
def test_a_job_that_fails_is_found_with_its_message(own: Connection) -> None:
    own.execute("""
        CREATE PROCEDURE telemetry.fail(job_id integer, config jsonb)
        LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the tape is full'; END $$
    """)
    own.execute("SELECT public.add_job('telemetry.fail', '1 minute')")
    own.execute("SELECT _timescaledb_functions.start_background_workers()")
    found = "SELECT severity, message FROM api.findings() WHERE message LIKE '%the tape is full'"
    deadline = time.monotonic() + WAIT_S
    while not (rows := own.execute(found).fetchall()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert rows[0][0] == "critical"
    assert own.execute("SELECT last_error FROM api.job_health WHERE job = 'fail'").fetchone() == ("the tape is full",)


def test_a_question_that_fails_leaves_the_others_and_the_table_says_so(
    own: Connection, own_database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own.execute("DROP VIEW api.cache_hits CASCADE")
    monkeypatch.setenv("DATABASE_URL", own_database)
    assert main(["doctor"]) == 3
    shown = capsys.readouterr().out
    assert shown.startswith("FINDINGS\n  could not be asked: ")
    assert "CACHE\n  could not be asked: relation" in shown
    assert "RELATIONS\n  relation  " in shown
    with pytest.raises(DatabaseUnavailable):
        doctor.run("postgresql://127.0.0.1:1/none", Namespace(json=False, silent_for="1 hour"))
