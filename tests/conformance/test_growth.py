"""A second release on a database that holds data and takes readings: none is lost, and ingest waits a second at most.

The release is in tests/support/next_release: a column more in the history of meters, and one more in its rollups, which
takes rebuilding them. A stream of readings is posted without a pause, some of them late, while the steps of the recipe
in docs/operations.md are taken one by one; each acknowledgement is timed. The service is this release's all along, as
it is while a new one is rolled out. At the end every reading acknowledged is in the history, and the rebuilt rollup
says what the history says.
"""

import http.client
import itertools
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import psycopg
import pytest
from psycopg.rows import TupleRow

from app.db import migrate, reapply
from tests.support.readings import hours_ago, meter_reading, now, vehicle_reading
from tests.support.servers import Server, signed_in
from tests.support.service import ROOT, running_service

Connection = psycopg.Connection[TupleRow]

NEXT_RELEASE = ROOT / "tests" / "support" / "next_release"
METERS = 40
DAYS = 3
# Readings wait while the schemas are made anew; a busy machine takes its time for that.
LONGEST_GAP_S = 10.0

FILL = """
    INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v)
    SELECT 'M-' || device, at, 0.1 + random() / 3, 229 + random()
    FROM generate_series(1, %(meters)s) AS device
    CROSS JOIN generate_series(%(from)s::timestamptz, now() - interval '2 hours', '2 minutes') AS at
    ORDER BY 1, 2
"""
ROLLUP = """
    SELECT
        meter_id, bucket_start, readings,
        round(energy_ac_sum_kwh::numeric, 9), round(voltage_square_sum_v2::numeric, 3)
    FROM telemetry.meter_hourly
    ORDER BY 1, 2
"""
HISTORY = """
    SELECT
        meter_id, date_trunc('hour', recorded_at - interval '1 us', 'UTC') + interval '1 us', count(*),
        round(sum(energy_ac_kwh)::numeric, 9), round(sum(voltage_v::float8 * voltage_v::float8)::numeric, 3)
    FROM telemetry.meter_telemetry_history
    GROUP BY 1, 2
    ORDER BY 1, 2
"""


@dataclass
class Stream:
    """Readings posted one batch after the other, and when each was acknowledged."""

    address: str
    acknowledged: list[tuple[str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    failures: list[Any] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Post until it is over; now and then a reading of hours ago is among them."""
        parts = urlsplit(self.address)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
        number = 0
        while not self.over.is_set():
            number += 1
            at = now() + timedelta(microseconds=number)
            readings = [meter_reading(f"M-{meter}", at) for meter in range(number % 4 + 1, METERS, 4)]
            readings.append(vehicle_reading("V-1", at))
            if number % 5 == 0:
                readings.append(meter_reading("M-1", hours_ago(3 + number % 60) + timedelta(microseconds=number)))
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/v1/ingest?strict=true", msgspec.json.encode(readings), headers)
            response = connection.getresponse()
            answer = response.read()
            self.times.append(time.monotonic())
            if response.status == 200:
                self.acknowledged += [
                    (reading.get("meterId") or reading["vehicleId"], reading["timestamp"].isoformat())
                    for reading in readings
                ]
            else:
                self.failures.append((response.status, answer))
            time.sleep(0.005)
        connection.close()

    def longest_gap_s(self, since: float) -> float:
        """The longest time without an acknowledgement since an instant of the monotonic clock, up to now."""
        times = [since, *(at for at in self.times if at > since), time.monotonic()]
        return max(later - earlier for earlier, later in itertools.pairwise(times))


@contextmanager
def streaming(address: str) -> Iterator[Stream]:
    """A stream while the block lasts."""
    stream = Stream(address)
    thread = threading.Thread(target=stream.run)
    thread.start()
    try:
        yield stream
    finally:
        stream.over.set()
        thread.join()


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a migration of the next release where this process looks for them; the first brings that release's SQL."""
    for module, name in ((migrate, "MIGRATIONS_DIRECTORY"), (reapply, "SQL_DIRECTORY")):
        folder = getattr(module, name)
        shutil.copytree(folder, tmp_path / folder.name)
        monkeypatch.setattr(module, name, tmp_path / folder.name)

    def add(number: str) -> None:
        for path in NEXT_RELEASE.glob(f"migrations/*/{number}_*.sql"):
            shutil.copy(path, tmp_path / path.relative_to(NEXT_RELEASE))
        if number == "9003":
            shutil.copytree(NEXT_RELEASE / "sql", tmp_path / "sql", dirs_exist_ok=True)

    return add


def fill_by_parts(connection: Connection) -> None:
    """What the DBA does between two releases."""
    day = hours_ago(0).replace(hour=0) - timedelta(days=DAYS + 1)
    while day < now():
        connection.execute("CALL telemetry.fill_meter_hourly_next(%s, %s)", [day, day + timedelta(days=1)])
        day += timedelta(days=1)


def check_nothing_is_lost(connection: Connection, stream: Stream) -> None:
    """Every reading acknowledged is there once, and rollups, old and new columns alike, say what the history says."""
    kept = {
        (name, at.isoformat())
        for name, at in connection.execute(
            "SELECT meter_id, recorded_at FROM telemetry.meter_telemetry_history "
            "UNION ALL SELECT vehicle_id, recorded_at FROM telemetry.vehicle_telemetry_history"
        )
    }
    assert stream.failures == []
    assert len(set(stream.acknowledged)) == len(stream.acknowledged) > 1000
    assert set(stream.acknowledged) - kept == set()
    for completed_by in ("internal.complete_rollups", "api.refresh_rollups"):
        connection.execute(f"CALL {completed_by}(now() - interval '10 days', now())".encode())
        assert connection.execute(ROLLUP).fetchall() == connection.execute(HISTORY).fetchall(), completed_by


def test_a_second_release_adds_a_column_and_rebuilds_a_rollup_under_load(
    own: Connection, own_database: str, server: Server, release: Callable[[str], None]
) -> None:
    with psycopg.ClientCursor(own) as cursor:
        cursor.execute(FILL, {"meters": METERS, "from": hours_ago(0) - timedelta(days=DAYS)})
    own.execute("CALL api.refresh_rollups(now() - interval '10 days', now())")
    writer, reader = signed_in(own_database, "energy_writer"), signed_in(own_database, "energy_reader")
    steps: list[tuple[str, Callable[[], object]]] = [
        ("9001", lambda: migrate.migrate(own_database)),
        ("9002", lambda: migrate.migrate(own_database)),
        ("fill", lambda: fill_by_parts(own)),
        ("9003", lambda: migrate.migrate(own_database)),
        ("9004", lambda: migrate.migrate(own_database)),
    ]
    gaps = {}
    with running_service(DATABASE_URL=writer, DATABASE_READ_URL=reader) as client, streaming(client.address) as stream:
        time.sleep(0.5)
        for name, step in steps:
            release(name)
            began = time.monotonic()
            step()
            assert client.get("/v1/live/meters/M-1").status == 200
            time.sleep(0.3)
            gaps[name] = round(stream.longest_gap_s(began), 3)
    sys.stdout.write(f"{server.profile}: longest time without an acknowledgement, s, by step: {gaps}\n")
    assert max(gaps.values()) < LONGEST_GAP_S, gaps
    check_nothing_is_lost(own, stream)
    columns = own.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'internal'"
    ).fetchall()
    assert {("frequency_hz",), ("voltage_square_sum_v2",)} <= set(columns)
    assert own.execute("SELECT 1 FROM pg_class WHERE relname ~ '_(before|next)$'").fetchall() == []
    with psycopg.connect(reader) as dashboard:
        dashboard.execute("SELECT sqrt(sum(voltage_square_sum_v2)), sum(readings) FROM internal.meter_hourly")
