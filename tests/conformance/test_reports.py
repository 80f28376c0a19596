"""Figures and findings of the database, computed in the background: what SQL says, at the time that they tell."""

import asyncio
import csv
import io
import time
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from app.analytics import reports
from app.config import Settings
from tests.support.readings import hours_ago, insert_meter_readings, now
from tests.support.servers import Server, signed_in
from tests.support.service import Client, running_service

Connection = psycopg.Connection[TupleRow]

DAY = timedelta(days=1)
WAIT_S = 30.0


def compute(url: str, *, is_forced: bool = True) -> bool:
    """Compute the reports as the service does, by default before they are due."""
    return asyncio.run(reports.compute(url, Settings(), is_forced=is_forced))


@pytest.fixture
def kept(client: Client, connection: Connection, migrated_database: str) -> Client:
    """Three days of readings of a meter, and reports on them."""
    start = hours_ago(0).replace(hour=0) - 3 * DAY
    insert_meter_readings(connection, [("M-1", start + (i + 1) * timedelta(hours=1), 1.0, 230.0) for i in range(72)])
    connection.execute("CALL api.refresh_rollups(%s, %s)", [start, start + 3 * DAY])
    connection.execute("ANALYZE")
    deadline = time.monotonic() + WAIT_S
    # The service may be at it, of the empty database.
    while not compute(migrated_database):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return client


def document(client: Client, path: str = "database") -> Any:
    answer = client.get(f"/v1/{path}")
    assert answer.status == 200, answer.body
    return answer.json


def test_figures_are_those_of_the_views(kept: Client, connection: Connection) -> None:
    shown = document(kept)
    assert (
        timedelta(0)
        <= now() + timedelta(seconds=1) - datetime.fromisoformat(shown["computedAt"])
        < timedelta(minutes=2)
    )
    of_sql = connection.execute(
        "SELECT size.relation, size.rows_estimated, size.chunks, date_part('epoch', policy.drop_after) / 86400 "
        "FROM api.relation_size AS size JOIN api.policy USING (relation) ORDER BY size.relation"
    ).fetchall()
    assert [
        (one["relation"], one["rows"], one["chunks"], one["policy"]["dropAfterDays"]) for one in shown["relations"]
    ] == of_sql
    relations = {one["relation"]: one for one in shown["relations"]}
    history = relations["meter_telemetry_history"]
    assert history["rows"] == 72
    assert history["totalBytes"] > history["indexBytes"] > 0
    # From the first midnight on, whatever its chunk begins with.
    assert 3 <= history["historyDays"] < 4.1
    assert relations["meter_daily"]["historyDays"] == history["historyDays"]
    assert relations["vehicle_daily"]["historyDays"] is None
    [size] = connection.execute("SELECT pg_database_size(current_database())").fetchall()
    assert shown["databaseBytes"] == pytest.approx(size[0], rel=0.5)
    growing = sum(one["bytesPerDay"] or 0 for one in shown["relations"] if one["growing"])
    assert shown["growthBytesPerDay"] == growing > 0


def test_jobs_are_those_of_the_database(kept: Client, connection: Connection) -> None:
    jobs = document(kept)["jobs"]
    of_sql = connection.execute(
        "SELECT job, relation, date_part('epoch', every), last_status, runs, failures, is_scheduled FROM api.job_health"
    ).fetchall()
    names = ("job", "relation", "everySeconds", "lastStatus", "runs", "failures", "scheduled")
    assert sorted((tuple(job[name] for name in names) for job in jobs), key=str) == sorted(of_sql, key=str)
    assert [job["nextRunAt"] for job in jobs if job["job"] == "upkeep"] == [None]


def test_days_left_follow_the_size_of_the_disk_where_the_server_is_elsewhere(
    kept: Client, connection: Connection, migrated_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "free_bytes", lambda *_: None)
    assert compute(migrated_database)
    shown = document(kept)
    assert (shown["diskFreeBytes"], shown["diskDaysLeft"]) == (None, None)
    connection.execute("CALL api.set_disk_size('500 GB')")
    try:
        assert compute(migrated_database)
        shown = document(kept)
    finally:
        connection.execute("DELETE FROM telemetry.disk")
    assert shown["diskFreeBytes"] + shown["databaseBytes"] == 500 * 1024**3
    assert shown["diskDaysLeft"] == pytest.approx(shown["diskFreeBytes"] / shown["growthBytesPerDay"], abs=0.01)


def test_findings_are_those_of_doctor_and_a_table(kept: Client, connection: Connection) -> None:
    shown = document(kept, "database/findings")
    subjects = {(one["severity"], one["subject"]) for one in shown["findings"]}
    of_sql = connection.execute("SELECT severity, subject FROM api.findings() WHERE subject <> 'disk'").fetchall()
    assert {one for one in subjects if one[1] != "disk"} == set(of_sql)
    # M-1 is silent since midnight, or before.
    assert ("critical", "meters") in subjects or ("warning", "meters") in subjects
    assert shown["severity"] == shown["findings"][0]["severity"]
    answer = kept.get("/v1/database/findings", format="csv")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))
    assert [row["message"] for row in rows] == [one["message"] for one in shown["findings"]]


def test_reports_are_due_after_a_minute_or_when_they_are_1_percent_of_the_time(
    kept: Client, connection: Connection, migrated_database: str
) -> None:
    for age_s, computed_in_s, is_due in ((50, 0.1, False), (70, 0.1, True), (70, 1.0, False), (210, 1.0, True)):
        connection.execute(
            "UPDATE telemetry.report SET computed_at = clock_timestamp() - make_interval(secs => %s), "
            "content = content || jsonb_build_object('computedInSeconds', %s::float8)",
            [age_s, computed_in_s],
        )
        # Two of them: 2 s are due after 200 s.
        assert compute(migrated_database, is_forced=False) is is_due, (age_s, computed_in_s)
    assert document(kept)["computedInSeconds"] < WAIT_S


def test_one_service_at_a_time_computes(kept: Client, migrated_database: str) -> None:
    computed_at = document(kept)["computedAt"]
    with psycopg.connect(migrated_database, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(hashtext('telemetry.report'))")
        assert not compute(migrated_database)
    assert compute(migrated_database)
    assert document(kept)["computedAt"] > computed_at


def test_what_is_not_computed_yet_or_by_another_release_is_503(kept: Client, connection: Connection) -> None:
    for change in ("UPDATE telemetry.report SET content = '{\"bytes\": 1}'", "TRUNCATE telemetry.report"):
        connection.execute(change.encode())
        for path in ("database", "database/findings"):
            answer = kept.get(f"/v1/{path}")
            assert (answer.status, answer.json["code"]) == (503, "not_computed_yet")
            assert int(answer.headers["retry-after"]) > 0


def test_a_service_computes_them_by_itself(server: Server, template: str) -> None:
    with server.new_database(template=template) as url, running_service(DATABASE_URL=url) as client:
        deadline = time.monotonic() + WAIT_S
        while client.get("/v1/database").status == 503 or client.get("/v1/database/findings").status == 503:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert {one["rows"] for one in document(client)["relations"]} <= {0, None}


def test_a_role_that_only_writes_computes_them(kept: Client, migrated_database: str) -> None:
    computed_at = document(kept)["computedAt"]
    assert compute(signed_in(migrated_database, "energy_writer"))
    assert document(kept)["computedAt"] > computed_at
