"""Several workers on one port: who answers, what happens when one dies, and how all of them end.

Killed workers are those that the supervisor has started, found by their parent, as an operator would find them.
"""

import http.client
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.db import migrate
from app.local.embedded.server import EmbeddedServer
from tests.support.readings import meter_reading, minutes_ago, vehicle_reading
from tests.support.servers import Server, open_directory
from tests.support.service import Client, command, running_service

_PATIENCE_S = 30.0


@pytest.fixture
def database_url(postgres_server: Server) -> Iterator[str]:
    with postgres_server.new_database() as url:
        migrate.migrate(url, "postgres")
        yield url


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


def _workers(client: Client) -> set[int]:
    """Process ids of the workers: children of the service that run its code, and not the library's bookkeeper."""
    assert client.process is not None
    children = Path(f"/proc/{client.process.pid}/task/{client.process.pid}/children").read_text().split()
    return {int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def _is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _figure(client: Client, name: str) -> float:
    lines = client.get("/metrics").body.decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def _post_until(client: Client, stop: threading.Event, number: int, kept: list[dict[str, Any]]) -> None:
    """Posts one reading after another and notes those that were answered with 200."""
    at = minutes_ago(30)
    while not stop.is_set():
        at += timedelta(milliseconds=7)
        reading = meter_reading(f"M-{number}", at)
        with suppress(OSError):
            if client.post("/v1/ingest", reading).status == 200:
                kept.append(reading)


def test_the_same_devices_through_all_workers_at_once_are_kept_once(database_url: str) -> None:
    minutes = [minutes_ago(30 - minute) for minute in range(20)]

    def post(sender: int) -> int:
        accepted = 0
        for at in minutes if sender % 2 else reversed(minutes):
            devices = range(40) if sender % 3 else reversed(range(40))
            readings = [make(f"D-{device}", at) for device in devices for make in (meter_reading, vehicle_reading)]
            accepted += client.ingest(*readings)["accepted"]
        return accepted

    with running_service(DATABASE_URL=database_url, ENERGY_WORKERS="2") as client:
        assert len(_workers(client)) == 2
        with ThreadPoolExecutor(6) as senders:
            accepted = sum(senders.map(post, range(6)))
        assert accepted == 20 * 40 * 2
        # Of both workers together, whichever of them is asked.
        for _ in range(10):
            assert _figure(client, 'energy_readings_total{outcome="accepted"}') == accepted
            assert _figure(client, 'energy_readings_total{outcome="duplicate"}') == 5 * accepted
    with psycopg.connect(database_url) as connection:
        for history in ("meter_telemetry_history", "vehicle_telemetry_history"):
            row = connection.execute(f"SELECT count(*) FROM telemetry.{history}".encode()).fetchone()
            assert row == (20 * 40,)


def test_a_worker_that_is_killed_is_replaced_and_what_it_acknowledged_is_kept(database_url: str) -> None:
    kept: list[dict[str, Any]] = []
    stop = threading.Event()
    with running_service(DATABASE_URL=database_url, ENERGY_WORKERS="2") as client:
        before = _workers(client)
        with ThreadPoolExecutor(4) as senders:
            for number in range(4):
                senders.submit(_post_until, client, stop, number, kept)
            try:
                _until(lambda: len(kept) > 50)
                killed = min(before)
                os.kill(killed, signal.SIGKILL)
                _until(lambda: len(_workers(client)) == 2 and killed not in _workers(client))
                count = len(kept)
                _until(lambda: len(kept) > count + 50)
            finally:
                stop.set()
        assert client.get("/readyz").status == 200
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT meter_id, recorded_at FROM telemetry.meter_telemetry_history").fetchall()
    assert len(rows) == len(set(rows))
    assert {(reading["meterId"], reading["timestamp"]) for reading in kept} <= set(rows)


def test_workers_end_when_their_supervisor_is_killed(database_url: str) -> None:
    with running_service(DATABASE_URL=database_url, ENERGY_WORKERS="2") as client:
        workers = _workers(client)
        assert len(workers) == 2
        assert client.process is not None
        client.process.kill()
        client.process.wait()
        _until(lambda: not any(map(_is_there, workers)))


def test_a_worker_that_replaces_another_waits_for_a_database_that_is_away() -> None:
    with open_directory() as directory, EmbeddedServer(directory / "data", durable=True) as server:
        migrate.migrate(server.url, "postgres")
        with running_service(DATABASE_URL=server.url, ENERGY_WORKERS="2", ENERGY_CONNECT_TIMEOUT_S="1") as client:
            before = _workers(client)
            server.stop()
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            _until(lambda: len(_workers(client)) == 2 and not _workers(client) & before)

            def status(path: str) -> int | None:
                with suppress(OSError):
                    return client.get(path).status
                return None

            _until(lambda: status("/livez") == 200)
            assert status("/readyz") == 503
            server.start()
            _until(lambda: status("/readyz") == 200)
            assert client.ingest(meter_reading())["accepted"] == 1


def test_a_port_that_workers_of_another_service_share_is_reported_as_in_use(database_url: str) -> None:
    with running_service(DATABASE_URL=database_url, ENERGY_WORKERS="2") as client:
        port = client.address.rsplit(":", 1)[1]
        for workers in ("1", "2"):
            ended = command("serve", "--workers", workers, DATABASE_URL=database_url, ENERGY_PORT=port)
            assert ended.returncode == 2
            assert (
                f"energy: port {port} of 127.0.0.1 is in use by a service of this project: stop that, " in ended.stderr
            )


def test_a_few_connections_are_shared_out_among_the_workers(database_url: str) -> None:
    def connections(pid: int) -> int:
        return sum(str(entry.readlink()).startswith("socket:") for entry in Path(f"/proc/{pid}/fd").iterdir())

    with running_service(DATABASE_URL=database_url, ENERGY_WORKERS="2") as client, ExitStack() as stack:
        host, port = client.address.removeprefix("http://").split(":")
        before = {pid: connections(pid) for pid in _workers(client)}
        for _ in range(32):
            opened = stack.enter_context(closing(http.client.HTTPConnection(host, int(port), timeout=_PATIENCE_S)))
            opened.request("GET", "/livez")
            opened.getresponse().read()
        # Each has some: that chance gives one of two all of 32 happens once in two thousand million times.
        assert all(connections(pid) > before[pid] for pid in before)


@pytest.mark.parametrize("workers", ["0", "65", "two"])
def test_a_number_of_workers_that_cannot_be_is_named(workers: str) -> None:
    ended = command("serve", "--workers", workers)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"energy: --workers {workers} ")
