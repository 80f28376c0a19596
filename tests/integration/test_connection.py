"""What one connection may hold: a client that sends faster than it is answered is slowed down, not queued."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from app.db import migrate
from app.server.connection import MAX_BYTES_PER_STEP, MAX_HEAD_BYTES
from tests.support.readings import meter_reading, minutes_ago
from tests.support.servers import Server
from tests.support.service import Client, running_service

_PATIENCE_S = 60.0
_GET = b"GET /livez HTTP/1.1\r\nHost:localhost\r\n\r\n"
_LAST_GET = b"GET /livez HTTP/1.1\r\nHost:localhost\r\nConnection:close\r\n\r\n"


@pytest.fixture(scope="module")
def service(postgres_server: Server) -> Iterator[Client]:
    with postgres_server.new_database() as url:
        migrate.migrate(url, "postgres")
        with running_service(DATABASE_URL=url) as client:
            yield client


def _connected(service: Client) -> socket.socket:
    parts = urlsplit(service.address)
    return socket.create_connection((parts.hostname, parts.port or 80), timeout=_PATIENCE_S)


def _peak_memory(service: Client) -> int:
    """The most bytes that were resident in the service."""
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]


def _answers(service: Client, sent: bytes) -> list[bytes]:
    """The statuses of all that is answered until the service closes, to a client that sends while it reads."""
    with closing(_connected(service)) as connection:
        sender = threading.Thread(target=connection.sendall, args=(sent,))
        sender.start()
        received = bytearray()
        while got := connection.recv(1 << 20):
            received += got
        sender.join()
    return re.findall(rb"HTTP/1\.1 (\d{3}) ", received)


def test_requests_that_come_faster_than_they_are_answered_are_all_answered_and_not_held(service: Client) -> None:
    count = 20_000
    assert _answers(service, _GET + _LAST_GET) == [b"200", b"200"]
    before = _peak_memory(service)
    assert _answers(service, _GET * (count - 1) + _LAST_GET) == [b"200"] * count
    # Queued, they take 2 kB each.
    assert _peak_memory(service) - before < 500 * count


def test_a_client_that_reads_no_answer_is_read_no_further(service: Client) -> None:
    before = _peak_memory(service)
    with closing(_connected(service)) as connection:
        connection.settimeout(2)
        with pytest.raises(TimeoutError):
            connection.sendall(_GET * 2_000_000)
        assert service.get("/livez").status == 200
    assert _peak_memory(service) - before < 16 * 1024 * 1024


@pytest.mark.parametrize("padding", [0, MAX_BYTES_PER_STEP // 3, MAX_BYTES_PER_STEP, 300_000])
def test_readings_that_are_sent_without_waiting_are_kept_in_order(service: Client, padding: int) -> None:
    # Bodies and heads end anywhere within a step, and the longest are several reads from the socket.
    begin, sent = minutes_ago(50), bytearray()
    for number in range(60):
        body = msgspec.json.encode(meter_reading(f"M-{padding}", begin + timedelta(seconds=number))) + b" " * padding
        sent += b"POST /v1/ingest HTTP/1.1\r\nHost:localhost\r\nContent-Type:application/json\r\n"
        sent += b"Content-Length:%d\r\n\r\n" % len(body) + body + (_GET if number % 3 == 0 else b"")
    assert _answers(service, bytes(sent) + _LAST_GET) == [b"200"] * 81
    newest = service.get(f"/v1/live/meters/M-{padding}").json
    assert newest["timestamp"] == msgspec.to_builtins(begin + timedelta(seconds=59))


@pytest.mark.parametrize(
    "head",
    [
        b"GET /livez?",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Endless: ",
        b"GET /livez HTTP/1.1\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nHost:localhost\r\nContent-Type:application/json\r\n"
        b"Transfer-Encoding:chunked\r\n\r\n1;",
    ],
    ids=["target", "header", "headers", "chunk"],
)
def test_a_head_without_an_end_is_refused(service: Client, head: bytes) -> None:
    filling = b"X-A: b\r\n" if head.endswith(b"1\r\n") else b"a"
    with closing(_connected(service)) as connection:
        connection.sendall(head + filling * ((MAX_HEAD_BYTES + MAX_BYTES_PER_STEP) // len(filling)))
        answer = connection.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"larger than 65536 bytes" in answer


def test_a_head_of_almost_the_limit_is_read(service: Client) -> None:
    answer = service.request("GET", "/livez", headers={"X-Long": "a" * (MAX_HEAD_BYTES - 1000)})
    assert answer.status == 200
