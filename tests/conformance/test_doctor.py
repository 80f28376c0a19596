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

from app.__main__ import main
from app.db import migrate
from app.errors import DatabaseUnavailable
from app.tools import doctor
from tests.support.readings import hours_ago, insert_meter_readings, insert_vehicle_readings, minutes_ago, now
from tests.support.servers import ONLY_TIMESCALE, Server, signed_in, stop_jobs, url_of

Connection = psycopg.Connection[TupleRow]

HISTORY = "meter_telemetry_history"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WAIT_S = 60
FAILED_TO_START = """
    WITH history AS (
        INSERT INTO _timescaledb_internal.bgw_job_stat_history (
            job_id, pid, execution_start, execution_finish, succeeded, data
        )
        SELECT
            %(job)s, 1, now() - %(age)s, now() - %(age)s, false,
            jsonb_build_object(
                'job', '{}'::jsonb,
                'error_data',
                jsonb_build_object('message', format('failed to start job Job %%s failed to start', %(job)s::integer))
            )
    )
    INSERT INTO _timescaledb_internal.bgw_job_stat (
        job_id, last_start, last_finish, next_start, last_successful_finish, last_run_success, total_runs,
        total_duration, total_duration_failures, total_successes, total_failures, total_crashes,
        consecutive_failures, consecutive_crashes
    )
    VALUES (
        %(job)s, now() - %(age)s, now() - %(age)s, now(), '-infinity', false, 1, '0', '0', 0, 1, 0, 1, 0
    )
    ON CONFLICT (job_id) DO UPDATE SET
        last_start = excluded.last_start, last_finish = excluded.last_finish,
        last_successful_finish = excluded.last_successful_finish, last_run_success = excluded.last_run_success,
        total_runs = excluded.total_runs, total_failures = excluded.total_failures
"""

Examine = Callable[[Connection], tuple[int, dict[str, Any]]]


@pytest.fixture
def enough_workers(migrated_database: str) -> None:
    """Skips where the server cannot run all jobs at once: doctor warns of that in every database."""
    with psycopg.connect(migrated_database) as connection:
        [(jobs, workers)] = connection.execute("SELECT jobs, workers FROM internal.job_workers").fetchall()
    if workers is not None and jobs > workers:
        pytest.skip(f"the server of TIMESCALE_URL runs {workers} of {jobs} jobs at once: give it 24 background workers")


@pytest.fixture
def examine(capsys: pytest.CaptureFixture[str]) -> Examine:
    """Runs `doctor --json`; returns its exit status and what it prints, decoded."""

    def run(connection: Connection) -> tuple[int, dict[str, Any]]:
        status = doctor.run(url_of(connection), Namespace(json=True, silent_for="1 hour"))
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


@pytest.mark.usefixtures("enough_workers")
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
    assert findings(document) == {"meters": ("note", "no reading from 1 of 10 for more than 1 hour")}
    assert [device["device_id"] for device in document["silent devices"]] == ["M-3"]
    own.execute("UPDATE telemetry.live_meter_state SET recorded_at = now() - interval '2 hours' WHERE meter_id < 'M-3'")
    status, document = examine(own)
    assert (status, findings(document)["meters"][0]) == (3, "warning")
    own.execute("UPDATE telemetry.upkeep_run SET finished_at = now() - interval '2 days'")
    status, document = examine(own)
    assert (status, findings(document)["upkeep"][0]) == (4, "critical")
    assert [found["severity"] for found in document["findings"]] == ["critical", "warning"]


def test_upkeep_is_judged_by_when_it_last_succeeded_however_often_it_is_tried(own: Connection) -> None:
    upkeep = "SELECT severity, message FROM api.findings() WHERE subject = 'upkeep'"
    status = "SELECT last_status FROM api.job_health WHERE job = 'upkeep'"
    # Nothing is kept yet, so nothing is due.
    assert own.execute(upkeep).fetchall() == []
    assert own.execute(status).fetchone() == ("never ran",)
    insert_meter_readings(own, [("M-1", now() - 2 * DAY, 0.5, 230.0)])
    assert own.execute(upkeep).fetchall() == [("warning", "it never ran")]
    own.execute("CALL api.upkeep()")
    assert own.execute(upkeep).fetchall() == []
    assert own.execute(status).fetchone() == ("Success",)
    for hours, severity in ((2, None), (4, "warning"), (25, "critical")):
        own.execute(
            "UPDATE telemetry.upkeep_run SET finished_at = now() - %s * interval '1 hour', started_at = now()", (hours,)
        )
        own.execute("CALL internal.note_upkeep(is_over => false)")
        found = own.execute(upkeep).fetchall()
        assert [row[0] for row in found] == ([severity] if severity else [])
        assert own.execute(status).fetchone() == ("Running or failed",)
    assert "last succeeded at" in found[0][1]
    own.execute("UPDATE telemetry.policy SET drop_after = NULL")
    assert own.execute(upkeep).fetchall() == [("warning", found[0][1])]
    own.execute("UPDATE telemetry.upkeep_run SET finished_at = NULL")
    assert "it never succeeded, and began last at" in own.execute(upkeep).fetchall()[0][1]
    own.execute("DELETE FROM telemetry.upkeep_run")
    assert own.execute(upkeep).fetchall() == []


def test_rows_that_should_have_been_dropped_are_found(own: Connection) -> None:
    # Nobody drops: jobs stand still, and nobody calls upkeep.
    insert_meter_readings(own, [("M-1", now() - 400 * DAY - timedelta(hours=20), 0.5, 230.0)])
    found = "SELECT severity, message FROM api.findings() WHERE message LIKE 'its oldest rows are older%'"
    assert own.execute(found).fetchall() == []
    insert_meter_readings(own, [("M-2", now() - 420 * DAY, 0.5, 230.0)])
    [(severity, message)] = own.execute(found).fetchall()
    assert severity == "warning"
    assert message.startswith("its oldest rows are older than drop_after (400 days) by 20 days")
    own.execute("UPDATE telemetry.policy SET drop_after = '500 days' WHERE relation = %s", (HISTORY,))
    assert own.execute(found).fetchall() == []
    own.execute("UPDATE telemetry.policy SET drop_after = '410 days' WHERE relation IN ('meter_hourly', 'meter_daily')")
    own.execute("CALL api.refresh_rollups(now() - interval '499 days', now())")
    if not is_timescale(own):
        subjects = "SELECT subject FROM api.findings() WHERE message LIKE 'its oldest rows are older%'"
        assert own.execute(subjects).fetchall() == [("meter_daily",), ("meter_hourly",)]


def test_a_fleet_that_grows_is_measured_by_its_last_week(own: Connection) -> None:
    """Sixty days of one meter, then ten of a hundred: the average over all of them would be a seventh of what comes."""
    today = now().replace(hour=0, minute=0, second=0)
    for days, meters in ((range(11, 70), 1), (range(1, 11), 100)):
        instants = [today - day * DAY + timedelta(minutes=30 * i) for day in days for i in range(48)]
        insert_meter_readings(own, ((f"M-{i}", at, 0.5, 230.0) for i in range(meters) for at in instants))
    own.execute("CALL api.refresh_rollups(now() - interval '80 days', now())")
    own.execute("VACUUM ANALYZE")
    [(per_day, total)] = own.execute(
        "SELECT settled_bytes_per_day, total_bytes FROM api.relation_size WHERE relation = %s", (HISTORY,)
    ).fetchall()
    # Nearly all of it came in ten days of the seventy.
    assert 3 * total / 70 < per_day < 1.3 * total / 10
    [(growing,)] = own.execute("SELECT growing_bytes_per_day FROM api.disk_outlook()").fetchall()
    assert growing > per_day
    assert own.execute("SELECT growing_bytes_per_day FROM api.disk_outlook(NULL, 5)").fetchone() == (5,)


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
    ratio = "SELECT bloat_ratio FROM internal.index_bloat WHERE relation = 'meter_telemetry_history'"
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
        "SELECT oldest_uncompressed_from, chunks_overdue, overdue_by FROM internal.columnstore_lag WHERE relation = %s",
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
def test_a_backlog_is_counted_in_whole_buckets_each_once(own: Connection) -> None:
    """A late reading is an instant to TimescaleDB's log, and a whole hour to the refresh that shows it."""
    backlog = "SELECT backlog_h FROM api.refresh_lag WHERE relation = %s"
    keep_fleet(own)
    start = now().replace(minute=0, second=0) - 20 * DAY
    hours = [start + timedelta(hours=2 * i) for i in range(200)]
    insert_meter_readings(own, (("M-1", at, 0.5, 230.0) for at in hours))
    own.execute("CALL api.refresh_rollups(now() - interval '30 days', now())")
    assert own.execute(backlog, ("meter_hourly",)).fetchone() == (0,)
    for minutes in (10, 20, 50):
        for at in hours:
            insert_meter_readings(own, [(f"M-{minutes}", at + timedelta(minutes=minutes), 0.5, 230.0)])
    assert own.execute(backlog, ("meter_hourly",)).fetchone() == (200,)
    found = "SELECT severity, message FROM api.findings() WHERE subject = 'meter_hourly'"
    [(severity, message)] = own.execute(found).fetchall()
    assert (severity, message.split(" between ")[0]) == ("warning", "200 hours")
    # The hours once refreshed, the days have it before them: all of the days, and each of them once.
    own.execute(
        "CALL public.refresh_continuous_aggregate('telemetry.meter_hourly', %s::timestamptz, %s::timestamptz)",
        (start, start + 17 * DAY),
    )
    assert own.execute(backlog, ("meter_hourly",)).fetchone() == (0,)
    days = {at.date() for at in hours}
    assert own.execute(backlog, ("meter_daily",)).fetchone() == (24 * len(days),)


@pytest.mark.usefixtures("enough_workers")
@ONLY_TIMESCALE
def test_more_jobs_than_workers_are_one_finding_and_a_warning_of_migrate(
    own: Connection, own_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = "SELECT severity, message FROM api.findings() WHERE subject = 'jobs'"
    assert own.execute(found).fetchall() == []
    migrate.migrate(own_database)
    assert "background workers" not in caplog.text
    [(jobs, workers)] = own.execute("SELECT jobs, workers FROM internal.job_workers").fetchall()
    for _ in range(workers - jobs + 1):
        own.execute("SELECT public.add_job('telemetry.upkeep_job', '1 day')")
    [(severity, message)] = own.execute(found).fetchall()
    assert severity == "warning"
    assert message.startswith(f"they are {workers + 1}, but the server has background workers for {workers} at once")
    migrate.migrate(own_database)
    assert f"the database has {workers + 1} jobs, but the server has background workers for {workers}" in caplog.text


@ONLY_TIMESCALE
def test_jobs_that_failed_to_start_are_one_finding(own: Connection) -> None:
    """Written into TimescaleDB's statistics as it writes it: each message names its job."""
    jobs = own.execute(
        "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = 'policy_retention'"
    ).fetchall()
    for age, (job,) in enumerate(jobs):
        own.execute(FAILED_TO_START, {"job": job, "age": timedelta(hours=age)})
    assert len(jobs) == 2
    assert own.execute("SELECT subject, message FROM api.findings() WHERE message LIKE '%%start job%%'").fetchall() == [
        (
            "retention of meter_telemetry_history, retention of vehicle_telemetry_history",
            "the newest run failed (2 of 2): failed to start job",
        )
    ]


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
    error = "SELECT last_error FROM api.job_health WHERE job = 'fail'"
    assert own.execute(error).fetchone() == ("the tape is full",)
    # TimescaleDB shows messages to members of the owner alone. Who does not see one cannot tell how bad it is.
    for role in ("energy_writer", "energy_reader"):
        with psycopg.connect(signed_in(url_of(own), role)) as other:
            assert other.execute(error).fetchone() == ("message visible to the owner only",)
            severities = other.execute(
                "SELECT severity FROM api.findings() WHERE message LIKE '%owner only'"
            ).fetchall()
            assert severities == [("warning",)]


@pytest.mark.usefixtures("enough_workers")
@pytest.mark.parametrize("role", ["energy_owner", "energy_writer", "energy_reader"])
def test_every_role_may_ask_everything(
    fresh_database: str,
    server: Server,
    role: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    migrate.create_roles(fresh_database)
    stop_jobs(fresh_database, server.profile)
    migrate.migrate(signed_in(fresh_database, "energy_owner"))
    with psycopg.connect(signed_in(fresh_database, "energy_owner"), autocommit=True) as owner:
        keep_fleet(owner)
        owner.execute("CALL api.upkeep()")
    monkeypatch.setenv("DATABASE_URL", signed_in(fresh_database, role))
    assert main(["doctor", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [title for title, answer in document.items() if isinstance(answer, dict)] == []
    assert len(document["newest chunks"]) >= 6
    assert {found["severity"] for found in document["findings"]} <= {"note"}


def test_late_readings_are_no_reason_to_change_a_columnstore_where_there_is_none(own: Connection) -> None:
    late = [now() - 5 * DAY - timedelta(minutes=i) for i in range(200)]
    insert_meter_readings(own, (("M-1", at, 0.5, 230.0) for at in late))
    found = own.execute("SELECT action FROM api.findings() WHERE action LIKE '%columnstore_after%'").fetchall()
    assert len(found) == (1 if is_timescale(own) else 0)


@pytest.mark.parametrize("kind", ["meter", "vehicle"])
def test_a_register_that_begins_anew_with_each_session_is_a_counter_of_sessions(
    own: Connection, examine: Examine, kind: str
) -> None:
    def suspects() -> list[str]:
        return [
            f"{found['severity']} {found['message'].split(':')[0]}: {found['action'].split(';')[0]}"
            for found in examine(own)[1]["findings"]
            if "counter of sessions" in found["message"]
        ]

    insert = insert_meter_readings if kind == "meter" else insert_vehicle_readings
    begins = now() - 8 * DAY
    # D-2 begins anew four times, D-3 falls as often as D-1, but not to zero.
    for device, sessions, floor in (("D-1", 6, 0.0), ("D-2", 5, 0.0), ("D-3", 6, 40.0)):
        own.execute(f"SELECT api.set_{kind}_kind(%s, 'register', NULL, NULL)", [device])
        counted = [
            (begins + session * DAY + step * HOUR, floor + 9.0 * step)
            for session in range(sessions)
            for step in range(4)
        ]
        rows: list[Any] = [
            (device, at, kwh, 230.0) if kind == "meter" else (device, at, 50.0, kwh, 20.0) for at, kwh in counted
        ]
        insert(own, rows)
    assert suspects() == [f"note D-1: SELECT api.set_{kind}_kind('D-1', 'session', NULL, NULL)"]
    own.execute(f"SELECT api.set_{kind}_kind('D-1', 'session', NULL, NULL)")
    assert suspects() == []


def test_registers_that_nobody_judges_are_found(own: Connection, examine: Examine) -> None:
    def waiting() -> list[tuple[str, str]]:
        return [
            (found["severity"], found["message"][:9])
            for found in examine(own)[1]["findings"]
            if found["subject"] == "registers"
        ]

    insert_meter_readings(own, [("M-1", minutes_ago(minutes), 10.0 - minutes, 230.0) for minutes in (3, 2, 1)])
    own.execute(
        "INSERT INTO telemetry.register_backlog (device_type, device_id, judged_before) "
        "VALUES ('meter', 'M-1', '-infinity')"
    )
    assert waiting() == []
    own.execute("UPDATE telemetry.register_backlog SET since = now() - interval '11 minutes'")
    assert waiting() == [("warning", "1 wait fo")]
    own.execute("SELECT api.judge_backlog(10)")
    assert waiting() == []


@pytest.mark.usefixtures("enough_workers")
def test_a_device_that_was_listed_and_never_heard_of_is_silent(own: Connection, examine: Examine) -> None:
    keep_fleet(own)
    own.execute("CALL api.upkeep()")
    own.execute("CALL api.set_disk_size('1 TB')")
    own.execute("INSERT INTO telemetry.meter (meter_id) VALUES ('M-1'), ('M-listed')")
    own.execute("INSERT INTO telemetry.vehicle (vehicle_id) SELECT 'V-listed-' || n FROM generate_series(1, 20) AS n")
    assert own.execute("SELECT device_id, last_recorded_at FROM api.silent_devices() LIMIT 1").fetchall() == [
        ("M-listed", None)
    ]
    _, document = examine(own)
    # A fleet that is listed beforehand is no alarm.
    assert findings(document) == {
        "meters": ("note", "1 registered without a reading so far"),
        "vehicles": ("note", "20 registered without a reading so far"),
    }


@pytest.mark.parametrize("silent_for", ["banana", "-1 hour", "1e99 years", "90", "1.5"])
def test_what_is_no_length_of_time_is_refused_before_anything_is_asked(
    own_database: str, silent_for: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", own_database)
    assert main(["doctor", f"--silent-for={silent_for}"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("energy: --silent-for wants a length of time, such as '90 minutes', and got ")


def test_a_question_that_fails_leaves_the_others_and_the_table_says_so(
    own: Connection, own_database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own.execute("DROP VIEW internal.cache_hits CASCADE")
    monkeypatch.setenv("DATABASE_URL", own_database)
    # How bad it is, nobody knows then.
    assert main(["doctor"]) == 4
    shown = capsys.readouterr().out
    assert shown.startswith("FINDINGS\n  could not be asked: ")
    assert "CACHE\n  could not be asked: relation" in shown
    assert "RELATIONS\n  relation  " in shown
    with pytest.raises(DatabaseUnavailable):
        doctor.run("postgresql://127.0.0.1:1/none", Namespace(json=False, silent_for="1 hour"))


def test_what_the_profile_does_not_have_is_not_shown_and_json_has_it_all(
    own: Connection, capsys: pytest.CaptureFixture[str], examine: Examine
) -> None:
    keep_fleet(own)
    doctor.run(url_of(own), Namespace(json=False, silent_for="1 hour"))
    shown = capsys.readouterr().out
    has_columnstore = is_timescale(own)
    for words in ("\nCOLUMNSTORE\n", "\nNEWEST CHUNKS\n", "chunks compressed"):
        assert (words in shown) == has_columnstore
    assert "400 days" in shown
    _, document = examine(own)
    assert "columnstore" in document
    assert document["retention"][0]["drop_after"] == 400 * DAY.total_seconds()
    assert "chunks_compressed" in document["relations"][0]
