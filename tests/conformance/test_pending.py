"""Late readings are in an answer at once, or the answer is pending until a refresh has been there.

In the postgres profile rollups are right at every commit, so nothing is ever pending there but registers to be judged.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Thread
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.support.readings import hours_ago, meter_reading, vehicle_reading
from tests.support.servers import Server
from tests.support.service import Client

Connection = psycopg.Connection[TupleRow]

US = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

METERS = "telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v)"


def begin() -> datetime:
    """Midnight UTC of a day that is over, and whose hours any refresh may materialise."""
    return (hours_ago(0) - 3 * DAY).replace(hour=0)


def window() -> tuple[datetime, datetime]:
    """A day of whole hours."""
    return begin(), begin() + DAY


def ask(client: Client, what: str, **parameters: Any) -> Any:
    """An answer about the day."""
    begins, ends = (end.isoformat() for end in window())
    answer = client.get(f"/v1/analytics/{what}", from_=begins, to=ends, **parameters)
    assert answer.status == 200, answer.body
    return answer.json


def refresh(connection: Connection) -> None:
    """Complete the rollups of the day."""
    connection.execute("CALL api.refresh_rollups(%s, %s)", [begin() - DAY, begin() + 2 * DAY])


@pytest.fixture
def materialised(client: Client, connection: Connection) -> Client:
    """A meter and a vehicle with a reading in each of two hours that are materialised, and another pair."""
    start = begin()
    for number in (1, 2):
        client.ingest(
            *(meter_reading(f"M-{number}", start + i * HOUR, kwhConsumedAc=2.0) for i in (2, 4)),
            *(vehicle_reading(f"V-{number}", start + i * HOUR, kwhDeliveredDc=1.5) for i in (2, 4)),
        )
        assignment = {"meterId": f"M-{number}", "vehicleId": f"V-{number}", "from": start, "to": start + DAY}
        assert client.post("/v1/assignments", assignment).status == 201
    refresh(connection)
    return client


def by_http(client: Client, _: Connection, at: datetime) -> None:
    assert client.ingest(meter_reading("M-1", at, kwhConsumedAc=1.0))["accepted"] == 1


def by_insert(_: Client, connection: Connection, at: datetime) -> None:
    connection.execute(f"INSERT INTO {METERS} VALUES ('M-1', %s, 1, 230)", [at])


def by_copy(_: Client, connection: Connection, at: datetime) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {METERS} FROM STDIN") as copy,
    ):
        copy.write_row(("M-1", at, 1.0, 230.0))


def by_insert_into_the_columnstore(_: Client, connection: Connection, at: datetime) -> None:
    if connection.execute("SELECT profile FROM telemetry.installation").fetchone() == ("timescale",):
        connection.execute(
            "SELECT public.compress_chunk(chunk, if_not_compressed => true) "
            "FROM public.show_chunks('telemetry.meter_telemetry_history', older_than => interval '1 day') AS chunk"
        )
    by_insert(_, connection, at)


@pytest.mark.parametrize("late", [by_http, by_insert, by_copy, by_insert_into_the_columnstore])
def test_a_late_reading_is_in_the_answer_or_the_answer_is_pending(
    materialised: Client, connection: Connection, late: Callable[[Client, Connection, datetime], None]
) -> None:
    client = materialised
    late(client, connection, begin() + HOUR + 30 * MINUTE)
    energies = {
        "performance/V-1": ask(client, "performance/V-1")["totalEnergy"]["acConsumedKwh"],
        "meters/M-1": ask(client, "meters/M-1")["acConsumedKwh"],
        "fleet": ask(client, "fleet")["totalEnergy"]["acConsumedKwh"] - 4.0,
    }
    for what, energy in energies.items():
        assert ask(client, what)["pending"] or energy == pytest.approx(5.0), what
    for what in ("losses", "health/V-1", "health/meters/M-1"):
        assert ask(client, what)["pending"] == ask(client, "fleet")["pending"] or what == "health/V-1"
    # Another pair has nothing late, and neither has another day.
    assert ask(client, "performance/V-2")["pending"] is ask(client, "meters/M-2")["pending"] is False
    buckets = ask(client, "performance/V-1/series", bucket="hour")["buckets"]
    assert {bucket["pending"] for bucket in buckets[6:]} == {False}

    refresh(connection)
    for what in ("performance/V-1", "meters/M-1", "fleet", "losses", "health/V-1", "health/meters/M-1"):
        assert ask(client, what)["pending"] is False, what
    assert ask(client, "performance/V-1")["totalEnergy"]["acConsumedKwh"] == pytest.approx(5.0)
    assert ask(client, "fleet")["totalEnergy"]["acConsumedKwh"] == pytest.approx(9.0)


def test_a_late_reading_of_a_vehicle_concerns_the_meter_that_fed_it(
    materialised: Client, connection: Connection
) -> None:
    client = materialised
    client.ingest(vehicle_reading("V-1", begin() + HOUR + 30 * MINUTE, kwhDeliveredDc=1.0))
    pending = ask(client, "performance/V-1")["pending"]
    assert pending or ask(client, "performance/V-1")["totalEnergy"]["dcDeliveredKwh"] == pytest.approx(4.0)
    assert ask(client, "meters/M-1")["pending"] is ask(client, "health/V-1")["pending"] is pending
    refresh(connection)
    assert ask(client, "performance/V-1")["pending"] is False
    assert ask(client, "performance/V-1")["totalEnergy"]["dcDeliveredKwh"] == pytest.approx(4.0)


def test_readings_in_order_leave_no_answer_pending(materialised: Client) -> None:
    client = materialised
    client.ingest(meter_reading("M-1"), vehicle_reading("V-1"))
    assert client.get("/v1/analytics/performance/V-1").json["pending"] is False
    assert client.get("/v1/analytics/fleet").json["pending"] is False


def test_a_large_late_load_is_written_down_by_hours(materialised: Client, connection: Connection) -> None:
    start = begin()
    connection.execute(
        f"INSERT INTO {METERS} "
        "SELECT 'L-' || number, %s + number %% 20 * interval '1 hour', 1, 230 FROM generate_series(1, 400) AS number",
        [start + 30 * MINUTE],
    )
    rows = connection.execute("SELECT device_id, count(*) FROM telemetry.stale_hour GROUP BY 1").fetchall()
    profile = connection.execute("SELECT profile FROM telemetry.installation").fetchone()
    assert rows == ([(None, 20)] if profile == ("timescale",) else [])
    # Hours alone concern every device.
    assert ask(materialised, "meters/M-2")["pending"] is (profile == ("timescale",))
    refresh(connection)
    assert connection.execute("SELECT FROM telemetry.stale_hour").fetchall() == []
    assert ask(materialised, "meters/M-2")["pending"] is False
    assert ask(materialised, "fleet")["totalEnergy"]["acConsumedKwh"] == pytest.approx(8.0 + 400)


def test_hours_far_apart_are_all_settled(materialised: Client, connection: Connection) -> None:
    start = begin()
    for hour in range(0, 24, 3):
        by_copy(materialised, connection, start + hour * HOUR + 10 * MINUTE)
    refresh(connection)
    answered = ask(materialised, "meters/M-1")
    assert (answered["pending"], answered["acConsumedKwh"]) == (False, pytest.approx(4.0 + 8))


def test_a_reading_that_is_not_committed_when_a_refresh_begins_stays_pending(
    materialised: Client, connection: Connection, server: Server
) -> None:
    # The writer holds its transaction open while a refresh runs from beginning to end, and commits after it.
    at = begin() + HOUR + 30 * MINUTE
    with psycopg.connect(connection.info.dsn) as writer:
        by_insert(materialised, writer, at)
        refreshing = Thread(target=refresh, args=[connection])
        refreshing.start()
        # On postgres a refresh waits for the writer, whose rows of the rollup it wants.
        refreshing.join(timeout=2)
        writer.commit()
        refreshing.join()
    answered = ask(materialised, "meters/M-1")
    assert answered["pending"] or answered["acConsumedKwh"] == pytest.approx(5.0)
    if server.profile == "timescale":
        assert answered["pending"]
    refresh(connection)
    answered = ask(materialised, "meters/M-1")
    assert (answered["pending"], answered["acConsumedKwh"]) == (False, pytest.approx(5.0))


def test_a_register_that_is_being_judged_leaves_answers_pending(materialised: Client, connection: Connection) -> None:
    connection.execute(
        "INSERT INTO telemetry.register_backlog (device_type, device_id, judged_before) VALUES ('meter', 'M-1', %s)",
        [begin() + 3 * HOUR],
    )
    for what, pending in (
        ("performance/V-1", True),
        ("meters/M-1", True),
        ("performance/V-2", False),
        ("meters/M-2", False),
        ("fleet", True),
        ("losses", True),
    ):
        assert ask(materialised, what)["pending"] is pending, what
    buckets = ask(materialised, "performance/V-1/series", bucket="hour")["buckets"]
    assert [bucket["pending"] for bucket in buckets] == [False] * 2 + [True] * 22
