"""Bad days: a database that is not there, that goes away and comes back, a service that is stopped or killed at work.

The promise under all of it: a reading that was answered with 200 is in the history, once. Clients here do what the
contract asks of devices: they send again what was answered with 503, and what was not answered at all.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import psycopg
import pytest
from psycopg.rows import TupleRow

from app.db import migrate
from app.local.embedded.server import EmbeddedServer
from tests.support.readings import meter_reading, minutes_ago, vehicle_reading
from tests.support.servers import Server, open_directory
from tests.support.service import ROOT, Answer, Client, command, running_service

_JSON = {"Content-Type": "application/json"}
# How soon a service has to be itself again once its database is.
_RECOVERY_S = 4.0
_STOP_S = 15.0
_PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def database_url(postgres_server: Server) -> Iterator[str]:
    """A migrated database whose server stays up."""
    with postgres_server.new_database() as url:
        migrate.migrate(url, "postgres")
        yield url


@pytest.fixture(scope="module")
def _cluster() -> Iterator[EmbeddedServer]:
    with open_directory() as directory, EmbeddedServer(directory / "data", durable=True) as server:
        migrate.migrate(server.url, "postgres")
        yield server


@pytest.fixture
def cluster(_cluster: EmbeddedServer) -> EmbeddedServer:
    """A durable server of the tests' own, to be stopped and killed; running."""
    _cluster.start()
    return _cluster


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A directory for an embedded server, with no server left in it afterwards."""
    with open_directory() as directory:
        yield directory / "data"
        if (directory / "data" / "cluster" / "postmaster.pid").exists():
            # A service that was killed leaves its database behind; the next to start ends it.
            with EmbeddedServer(directory / "data"):
                pass


def _assert_problem(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    if status == 503:
        assert int(answer.headers["retry-after"]) > 0


def _until(condition: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


# Starting


def _refusal(status: int, *arguments: str, **environment: str) -> str:
    """The line with which a command says why it could not be done."""
    environment.setdefault("ENERGY_PORT", "0")
    ended = command(*(arguments or ("serve",)), timeout_s=_PATIENCE_S, **environment)
    assert "Traceback" not in ended.stderr, ended.stderr
    assert ended.returncode == status, ended.stderr
    printed = [line for line in ended.stderr.splitlines() if line.startswith("energy: ")]
    assert printed == ended.stderr.splitlines()[-1:], ended.stderr
    assert ended.stdout == ""
    return printed[0]


@contextmanager
def _closed_port() -> Iterator[int]:
    """A port on which nobody listens, and nobody else can meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.mark.parametrize("arguments", [("serve",), ("migrate",)], ids=" ".join)
def test_a_database_that_is_not_there_is_reported_in_one_line(arguments: tuple[str, ...]) -> None:
    with _closed_port() as port:
        printed = _refusal(1, *arguments, DATABASE_URL=f"postgresql://energy:hidden@127.0.0.1:{port}/energy")
    assert "the database cannot be reached" in printed
    assert str(port) in printed
    assert "hidden" not in printed


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "mysql://energy:hidden@localhost/energy",
        "postgresql:/energy:hidden@localhost/energy",
        "postgresql://energy:hidden@localhost/energy?nope=1",
        "postgresql://energy:hidden@localhost:port/energy",
    ],
)
def test_a_database_url_that_is_none_is_reported_without_its_password(text: str) -> None:
    ended = command("serve", DATABASE_URL=text, ENERGY_PORT="0")
    assert "Traceback" not in ended.stderr, ended.stderr
    assert ended.returncode in (1, 2)
    assert ended.stderr.startswith("energy: ")
    assert "hidden" not in ended.stderr


def test_an_unmigrated_database_is_reported_with_the_command_that_mends_it(postgres_server: Server) -> None:
    with postgres_server.new_database() as url:
        assert "ev-fleet-energy migrate" in _refusal(1, DATABASE_URL=url)
        assert command("migrate", DATABASE_URL=url, STORAGE_PROFILE="postgres").returncode == 0
        with running_service(DATABASE_URL=url) as client:
            assert client.get("/readyz").status == 200


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("ENERGY_PORT", "http"),
        ("ENERGY_PORT", "65536"),
        ("ENERGY_READ_TIMEOUT_S", "soon"),
        ("ENERGY_MAX_BODY_BYTES", "8MB"),
        ("STORAGE_PROFILE", "sqlite"),
    ],
)
def test_a_setting_that_cannot_be_used_is_reported_by_name(variable: str, text: str) -> None:
    assert f"{variable}={text}" in _refusal(2, **{variable: text})


def test_a_setting_that_does_not_exist_is_reported_by_name() -> None:
    assert "ENERGY_MAX_BODYBYTES" in _refusal(2, ENERGY_MAX_BODYBYTES="1024")


def test_a_port_in_use_is_reported_with_its_number(database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        printed = _refusal(2, DATABASE_URL=database_url, ENERGY_PORT=port)
    assert port in printed


@pytest.mark.parametrize("host", ["256.1.1.1", "a..b", "h" * 64 + ".example", "192.0.2.1"])
def test_an_address_that_is_not_ours_is_reported_by_name(database_url: str, host: str) -> None:
    assert host in _refusal(2, DATABASE_URL=database_url, ENERGY_HOST=host)


# A database that goes away


class _Load:
    """Clients that send readings, one a request, as fast as they are answered, and note what was acknowledged."""

    def __init__(self, client: Client, clients: int = 4) -> None:
        parts = urlsplit(client.address)
        assert parts.hostname is not None
        self._host, self._port = parts.hostname, parts.port
        self._at = minutes_ago(10)
        self._name = uuid.uuid4().hex[:8]
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(i,), daemon=True) for i in range(clients)]
        self.acknowledged: list[str] = []
        self.statuses: dict[int, int] = {}
        self.unforeseen: list[Any] = []

    def __enter__(self) -> "_Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join(_PATIENCE_S)
            assert not thread.is_alive()
        assert self.unforeseen == []

    def until_acknowledged(self, count: int) -> None:
        """Wait for as many more acknowledgements."""
        wanted = len(self.acknowledged) + count
        _until(lambda: len(self.acknowledged) >= wanted, _PATIENCE_S)

    def assert_kept_once(self, url: str) -> None:
        """What was acknowledged is in the history, and nothing that was sent is there twice."""
        statement = "SELECT meter_id FROM telemetry.meter_telemetry_history WHERE starts_with(meter_id, %s)"
        with psycopg.connect(url) as connection:
            kept = [row[0] for row in connection.execute(statement, [self._name])]
        assert len(kept) == len(set(kept))
        lost = set(self.acknowledged) - set(kept)
        assert not lost, f"{len(lost)} of {len(self.acknowledged)} acknowledged readings are lost"

    def reading(self, meter_id: str) -> dict[str, Any]:
        """What was sent of a meter."""
        return meter_reading(meter_id, self._at)

    def _send(self, sender: int) -> None:
        sent = 0
        while not self._enough.is_set():
            with closing(http.client.HTTPConnection(self._host, self._port, timeout=_PATIENCE_S)) as connection:
                try:
                    while not self._enough.is_set():
                        self._send_one(connection, f"{self._name}-{sender}-{sent}")
                        sent += 1
                except (OSError, http.client.HTTPException):
                    # The service has gone, or is about to; what was not answered was not acknowledged.
                    self._enough.wait(0.01)

    def _send_one(self, connection: http.client.HTTPConnection, meter_id: str) -> None:
        body = msgspec.json.encode(self.reading(meter_id))
        while not self._enough.is_set():
            connection.request("POST", "/v1/ingest", body, _JSON)
            response = connection.getresponse()
            content = response.read()
            self.statuses[response.status] = self.statuses.get(response.status, 0) + 1
            if response.status == 200:
                self.acknowledged.append(meter_id)
                return
            if response.status != 503 or not response.getheader("retry-after"):
                self.unforeseen.append((response.status, content))
                return


def _assert_the_database_is_missed(client: Client) -> None:
    """The answers of a service whose database is gone."""
    _assert_problem(client.post("/v1/ingest", meter_reading("M-away")), 503, "database_unavailable")
    _assert_problem(client.get("/v1/live/meters"), 503, "database_unavailable")
    _assert_problem(client.get("/v1/analytics/performance/V-1"), 503, "database_unavailable")
    _assert_problem(client.get("/v1/assignments"), 503, "database_unavailable")
    wanted = {"meterId": "M-1", "vehicleId": "V-1", "from": "2026-01-01T00:00:00Z"}
    _assert_problem(client.post("/v1/assignments", wanted), 503, "database_unavailable")
    _assert_problem(client.patch("/v1/assignments/1", {"to": None}), 503, "database_unavailable")
    event = {"event": "plugOut", "meterId": "M-1", "at": "2026-01-01T00:00:00Z"}
    for document in (event, [event]):
        _assert_problem(client.post("/v1/assignments/events", document), 503, "database_unavailable")
    _assert_problem(client.get("/v1/assignments/1"), 503, "database_unavailable")
    _assert_problem(client.put("/v1/meters/M-1", {"ratedPowerKw": 11}), 503, "database_unavailable")
    _assert_problem(client.get("/readyz"), 503, "database_unavailable")
    # What needs no database goes on, and what cannot be read is reported as ever.
    assert client.get("/livez").status == 200
    assert client.get("/metrics").status == 200
    _assert_problem(client.request("POST", "/v1/ingest", b"{", _JSON), 400, "malformed_body")


def _assert_recovered(client: Client) -> None:
    """The service is itself again soon, in everything it does, without having been started anew."""
    deadline = time.monotonic() + _RECOVERY_S
    for answers in (
        lambda: client.get("/readyz").status == 200,
        lambda: client.post("/v1/ingest", meter_reading("M-back", minutes_ago(1))).status == 200,
        lambda: client.get("/v1/live/meters/M-back").status == 200,
        lambda: client.patch("/v1/assignments/999", {"to": None}).status == 404,
    ):
        _until(answers, max(0.0, deadline - time.monotonic()))
    assert client.process is not None
    assert client.process.poll() is None


@pytest.mark.parametrize(("end", "away_s"), [("stopped", 7.8), ("killed", 0)])
def test_a_database_that_goes_and_comes_back_is_waited_for(cluster: EmbeddedServer, end: str, away_s: float) -> None:
    with running_service(DATABASE_URL=cluster.url, ENERGY_CONNECT_TIMEOUT_S="0.5") as client:
        with _Load(client) as load:
            load.until_acknowledged(200)
            if end == "killed":
                os.kill(cluster.pid, signal.SIGKILL)
            cluster.stop()
            gone_at = time.monotonic()
            _assert_the_database_is_missed(client)
            # Away long enough for attempts to connect to have become rare, were each to wait twice as long as the last.
            _until(lambda: client.get("/readyz").status == 503 and time.monotonic() > gone_at + away_s, _PATIENCE_S)
            cluster.start()
            _assert_recovered(client)
            load.until_acknowledged(200)
        assert set(load.statuses) == {200, 503}
        load.assert_kept_once(cluster.url)


def test_a_restart_that_nobody_noticed_costs_neither_a_read_nor_a_write_anything(cluster: EmbeddedServer) -> None:
    # Every pooled connection is dead and does not know it. The service asks again itself; what it writes again was not
    # kept, or is a duplicate. An assignment would overlap itself: it is not written to a dead connection at all.
    fed = {"meterId": "M-before", "vehicleId": "V-before", "from": "2026-01-01T00:00:00Z"}
    with running_service(DATABASE_URL=cluster.url) as client:
        client.ingest(meter_reading("M-before"))
        assert client.get("/v1/live/meters/M-before").status == 200
        for ask_first in (
            lambda: client.get("/v1/live/meters/M-before").status == 200,
            lambda: client.ingest(meter_reading("M-after"))["rejected"] == 0,
            lambda: client.put("/v1/meters/M-before", {"ratedPowerKw": 11}).status == 200,
            lambda: client.post("/v1/assignments", fed).status == 201,
        ):
            cluster.stop()
            cluster.start()
            assert ask_first()
        _assert_recovered(client)


def test_sessions_that_are_ended_at_work_lose_nothing_that_was_acknowledged(database_url: str) -> None:
    with running_service(DATABASE_URL=database_url) as client, _Load(client) as load:
        with psycopg.connect(database_url, autocommit=True) as dba:
            for _ in range(15):
                load.until_acknowledged(40)
                dba.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND application_name LIKE 'energy-%'"
                )
        load.until_acknowledged(100)
        assert client.get("/readyz").status == 200
    assert load.statuses.keys() <= {200, 503}
    load.assert_kept_once(database_url)


def _lock(dba: psycopg.Connection[TupleRow], tables: str) -> None:
    """Lock tables for this transaction alone; the service's reports may be reading them in another order."""
    while True:
        try:
            dba.execute(f"LOCK TABLE {tables}".encode())
        except psycopg.errors.DeadlockDetected:
            dba.rollback()
        else:
            return


def test_a_database_that_does_not_answer_in_time_is_not_waited_for(database_url: str) -> None:
    settings = {"ENERGY_READ_TIMEOUT_S": "0.3", "ENERGY_WRITE_TIMEOUT_S": "0.3"}
    with running_service(DATABASE_URL=database_url, **settings) as client:
        client.ingest(meter_reading("M-slow"))
        with psycopg.connect(database_url) as dba:
            _lock(dba, "telemetry.meter_telemetry_history, telemetry.live_meter_state")
            _assert_problem(client.get("/v1/live/meters/M-slow"), 503, "database_unavailable")
            _assert_problem(client.post("/v1/ingest", meter_reading("M-slow-2")), 503, "database_unavailable")
            # Others are answered meanwhile.
            assert client.get("/readyz").status == 200
            assert client.get("/v1/assignments").status == 200
        assert client.get("/v1/live/meters/M-slow").status == 200
        assert client.ingest(meter_reading("M-slow-2"))["accepted"] == 1


def test_a_database_that_takes_no_writes_is_read_and_no_reading_is_refused_for_it(postgres_server: Server) -> None:
    # As on a standby after a failover: what a device sends has to be sent again, not dropped.
    with postgres_server.new_database() as url:
        migrate.migrate(url, "postgres")
        with psycopg.connect(url, autocommit=True) as dba:
            name = dba.info.dbname
            dba.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
        with running_service(DATABASE_URL=url) as client:
            _assert_problem(client.post("/v1/ingest", meter_reading()), 503, "database_unavailable")
            wanted = {"meterId": "M-1", "vehicleId": "V-1", "from": "2026-01-01T00:00:00Z"}
            _assert_problem(client.post("/v1/assignments", wanted), 503, "database_unavailable")
            assert client.get("/v1/live/meters").json == {"meters": [], "total": 0, "next": None}


# A service that is stopped, or killed


def test_a_service_stopped_at_work_ends_in_time_and_has_kept_what_it_acknowledged(database_url: str) -> None:
    with running_service(DATABASE_URL=database_url) as client, _Load(client, clients=8) as load:
        process = client.process
        assert process is not None
        load.until_acknowledged(300)
        process.send_signal(signal.SIGTERM)
        assert process.wait(_STOP_S) == 0
    assert load.statuses.keys() <= {200, 503}
    load.assert_kept_once(database_url)


# Each round waits for signals beside a thread that leaves the interpreter little time, as a busy service does. What
# comes after the round has ended is ignored.
_ROUNDS = 60
_WAITING = f"""
import signal, threading
from app.server.signals import stopped_by_signals
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
def work():
    while True:
        sum(range(1000))
threading.Thread(target=work, daemon=True).start()
for _ in range({_ROUNDS}):
    with stopped_by_signals() as stop:
        print("waiting", flush=True)
        stop.wait()
        print("stopped", flush=True)
"""


def test_signals_that_come_together_stop_a_service_as_one_does() -> None:
    # Ctrl-C pressed twice; a terminal's SIGINT and a supervisor's SIGTERM.
    with subprocess.Popen([sys.executable, "-c", _WAITING], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        watch = threading.Timer(_PATIENCE_S, process.kill)
        watch.start()
        try:
            assert process.stdout is not None
            printed = []
            for line in process.stdout:
                printed.append(line.strip())
                if line.startswith("waiting"):
                    for request in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
                        process.send_signal(request)
        finally:
            watch.cancel()
    assert printed == ["waiting", "stopped"] * _ROUNDS, f"round {len(printed) // 2 + 1} heard no signal"


def test_a_connection_that_idles_does_not_hold_up_the_end(database_url: str) -> None:
    with running_service(DATABASE_URL=database_url, ENERGY_DRAIN_TIMEOUT_S="1") as client:
        parts = urlsplit(client.address)
        process = client.process
        assert process is not None
        with (
            socket.create_connection((parts.hostname, parts.port or 80)) as silent,
            socket.create_connection((parts.hostname, parts.port or 80)) as half,
        ):
            silent.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert silent.recv(1024).startswith(b"HTTP/1.1 200 ")
            # A body that never comes to its end is waited for, but not longer than ENERGY_DRAIN_TIMEOUT_S.
            head = b"POST /v1/ingest HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            half.sendall(head + b"Content-Length: 100\r\n\r\n[")
            process.send_signal(signal.SIGTERM)
            assert process.wait(_STOP_S) == 0


def test_a_service_killed_at_work_has_kept_what_it_acknowledged_once(database_url: str) -> None:
    with running_service(DATABASE_URL=database_url) as client, _Load(client, clients=8) as load:
        load.until_acknowledged(300)
        assert client.process is not None
        client.process.kill()
        client.process.wait(_STOP_S)
    # The commit that was under way may still become visible: its session ends when it finds its client gone.
    with psycopg.connect(database_url, autocommit=True) as connection:
        count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'energy-writer' AND datname = %s"
        _until(lambda: connection.execute(count, [connection.info.dbname]).fetchone() == (0,), _PATIENCE_S)
    load.assert_kept_once(database_url)

    # Devices that send all of it again, not knowing what arrived, double nothing.
    with running_service(DATABASE_URL=database_url) as client:
        again = client.ingest(*map(load.reading, load.acknowledged))
    assert (again["accepted"], again["duplicates"]) == (0, len(load.acknowledged))
    load.assert_kept_once(database_url)


# The embedded server


def test_without_a_database_url_the_service_brings_its_own_and_keeps_its_data(data_dir: Path) -> None:
    with running_service(ENERGY_DATA_DIR=str(data_dir)) as client:
        client.ingest(meter_reading("M-1", voltage=231.5), vehicle_reading("V-1"))

        # A second service on the same directory is refused, and the first does not feel it.
        printed = _refusal(1, ENERGY_DATA_DIR=str(data_dir))
        assert f"{data_dir} is in use by process" in printed
        assert "ENERGY_DATA_DIR" in printed
        assert client.get("/readyz").status == 200

    assert not (data_dir / "cluster" / "postmaster.pid").exists()
    with running_service(ENERGY_DATA_DIR=str(data_dir)) as client:
        assert client.get("/v1/live/meters/M-1").json["voltage"] == 231.5
        assert client.get("/v1/live/vehicles/V-1").status == 200
        assert client.process is not None
        client.ingest(meter_reading("M-2"))
        client.process.kill()
        client.process.wait(_STOP_S)

    # Its database outlived it; the next service ends that one, recovers the data and goes on.
    with running_service(ENERGY_DATA_DIR=str(data_dir)) as client:
        assert client.get("/v1/live/meters/M-2").status == 200
        assert client.ingest(meter_reading("M-3"))["accepted"] == 1
    assert not (data_dir / "cluster" / "postmaster.pid").exists()


def test_a_data_directory_that_cannot_be_one_is_reported_by_name(data_dir: Path) -> None:
    data_dir.write_text("in the way")
    assert str(data_dir) in _refusal(1, ENERGY_DATA_DIR=str(data_dir))


def test_an_installation_without_postgresql_is_reported_by_name() -> None:
    assert "POSTGRES_BINDIR" in _refusal(1, POSTGRES_BINDIR=str(ROOT / "app"))


def test_assignments_that_wait_for_a_lock_keep_no_reading_waiting(postgres_server: Server) -> None:
    with postgres_server.new_database() as url:
        migrate.migrate(url, "postgres")
        wanted = {"meterId": "M-1", "vehicleId": "V-1", "from": minutes_ago(60)}
        with running_service(DATABASE_URL=url, ENERGY_CONNECT_TIMEOUT_S="1") as client, psycopg.connect(url) as dba:
            dba.execute(
                "INSERT INTO telemetry.assignment (meter_id, vehicle_id, during) "
                "VALUES ('M-1', 'V-1', tstzrange(now() - interval '2 hours', NULL))"
            )
            with ThreadPoolExecutor(3) as pool:
                posts = [pool.submit(client.post, "/v1/assignments", wanted) for _ in range(3)]
                _until(lambda: not all(post.done() for post in posts) and _waiting_for_a_lock(dba), 20)
                for i in range(5):
                    assert client.ingest(meter_reading(f"M-{i}"))["accepted"] == 1
                dba.rollback()
                assert {post.result().status for post in posts} <= {201, 409, 503}


def _waiting_for_a_lock(connection: psycopg.Connection[TupleRow]) -> bool:
    row = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    return row is not None and row[0] > 0


def test_an_unforeseen_error_is_counted_and_reported_without_its_cause(postgres_server: Server) -> None:
    with postgres_server.new_database() as url:
        migrate.migrate(url, "postgres")
        with running_service(DATABASE_URL=url) as client:
            with psycopg.connect(url, autocommit=True) as dba:
                dba.execute("DROP FUNCTION api.vehicle_performance")
            answer = client.get("/v1/analytics/performance/V-1")
            assert (answer.status, answer.json["code"]) == (500, "internal_error")
            assert b"vehicle_performance" not in answer.body
            counted = b'energy_http_request_seconds_count{endpoint="vehicle_performance",status="500"} 1.0'
            assert counted in client.get("/metrics").body
