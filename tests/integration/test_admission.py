"""Who is let in: requests by the name of the service alone, and writes from no page of another origin.

What a browser sends for a page is sent here by hand, header for header.
"""

import re
import socket
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import msgspec
import pytest

from app.db import migrate
from app.http.openapi import OPERATIONS, Operation
from tests.support.readings import meter_reading
from tests.support.servers import Server
from tests.support.service import Answer, Client, running_service

_JSON = {"Content-Type": "application/json"}
_WRITES = [operation for operation in OPERATIONS if operation.method != "GET"]


def _name(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


@pytest.fixture(scope="module")
def service(postgres_server: Server) -> Iterator[Client]:
    """The service on a database of its own, with names beside its addresses."""
    with postgres_server.new_database() as url:
        migrate.migrate(url, "postgres")
        with running_service(
            DATABASE_URL=url, ENERGY_HOST="localhost", ENERGY_ALLOWED_HOSTS="energy.example,app"
        ) as client:
            yield client


def _write(service: Client, operation: Operation, headers: Mapping[str, str], body: bytes | None = b"{}") -> Answer:
    return service.request(operation.method, operation.path.replace("{id}", "1"), body, headers)


def _is_refused(answer: Answer, status: int, code: str, *given: str) -> None:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), answer.body
    assert answer.json["code"] == code
    for text in given:
        assert text in answer.json["detail"]


def _exchange(service: Client, sent: bytes) -> bytes:
    parts = urlsplit(service.address)
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=10) as connection:
        connection.sendall(sent)
        return connection.recv(65_536)


# Content type


@pytest.mark.parametrize("operation", _WRITES, ids=_name)
@pytest.mark.parametrize(
    "media_type", [None, "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_no_write_takes_a_content_type_that_a_page_can_send_unasked(
    service: Client, operation: Operation, media_type: str | None
) -> None:
    answer = _write(service, operation, {} if media_type is None else {"Content-Type": media_type})
    _is_refused(answer, 415, "unsupported_media_type", "send Content-Type: application/json")


def test_a_post_without_a_body_needs_its_content_type_and_a_delete_does_not(service: Client) -> None:
    _is_refused(service.request("POST", "/v1/ingest"), 415, "unsupported_media_type")
    assert service.request("DELETE", "/v1/assignments/1").json["code"] == "unknown_assignment"


def test_a_content_type_that_stands_twice_is_neither_of_the_two(service: Client) -> None:
    body = msgspec.json.encode(meter_reading("M-twice"))
    head = b"POST /v1/ingest HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n" % len(body)
    for media_type in (b"text/plain", b"application/json"):
        given = b"Content-Type: application/json\r\nContent-Type: %b\r\n\r\n" % media_type
        assert _exchange(service, head + given + body).startswith(b"HTTP/1.1 415 ")
    assert service.get("/v1/live/meters/M-twice").status == 404


# Origin


@pytest.mark.parametrize("operation", _WRITES, ids=_name)
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin, cross-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://energy.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://energy.example:3000"},
        {"Origin": "http://energy.example.evil.example"},
        {"Origin": "file://energy.example"},
        {"Origin": "null"},
    ],
    ids=str,
)
def test_no_write_comes_from_a_page_of_another_origin(
    service: Client, operation: Operation, headers: dict[str, str]
) -> None:
    answer = _write(service, operation, {**_JSON, "Host": "energy.example", **headers})
    _is_refused(answer, 403, "cross_origin_write", "Sec-Fetch-Site", "Origin: http://")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        # A proxy that has the TLS may pass on another host than the page's; the browser knows better.
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://energy.example", "Host": "app:8000"},
        {"Origin": "http://energy.example:8000", "Host": "energy.example:8000"},
        {"Origin": "https://energy.example", "Host": "Energy.Example"},
        {"Origin": "http://[::1]:8000", "Host": "[::1]:8000"},
    ],
    ids=str,
)
def test_a_page_of_the_service_itself_writes(service: Client, headers: dict[str, str]) -> None:
    answer = service.request("POST", "/v1/ingest", msgspec.json.encode(meter_reading()), {**_JSON, **headers})
    assert answer.status == 200, answer.body


def test_a_page_of_another_origin_is_answered_and_may_not_read_the_answer(service: Client) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"}
    answer = service.request("GET", "/v1/live/meters", headers=foreign)
    assert answer.status == 200
    preflight = service.request("OPTIONS", "/v1/ingest", headers={**foreign, "Access-Control-Request-Method": "POST"})
    assert preflight.status == 405
    assert not [name for name in (*answer.headers, *preflight.headers) if name.startswith("access-control-")]


# Host


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:1", "LOCALHOST:", "127.0.0.1:8000", "192.168.1.9", "[::1]", "[fe80::1]:80", "app:8000"],
)
@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/v1/live/meters"])
def test_a_request_for_a_name_of_the_service_is_answered(service: Client, host: str, path: str) -> None:
    assert service.request("GET", path, headers={"Host": host}).status == 200


_FOREIGN = ["evil.example", "evil.example:8000", "localhost.evil.example", "energy.example.", "127.0.0.1.evil.example"]
_NO_HOSTS = [
    "[",
    "a b",
    "",
    "?",
    "[::1",
    "a:b:c",
    "localhost:x",
    "localhost@evil.example",
    "é".encode().decode("latin-1"),
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=_name)
def test_no_route_answers_for_a_foreign_host(service: Client, operation: Operation) -> None:
    for host in _FOREIGN:
        answer = _write(service, operation, {**_JSON, "Host": host}, None if operation.method == "GET" else b"{}")
        _is_refused(answer, 400, "host_not_allowed", host, "ENERGY_ALLOWED_HOSTS=")


@pytest.mark.parametrize("host", _NO_HOSTS)
@pytest.mark.parametrize("path", ["/", "/nope", "/v1/ingest"])
def test_a_host_that_is_none_is_refused(service: Client, host: str, path: str) -> None:
    answer = service.request("GET", path, headers={"Host": host})
    if answer.headers.get("content-type", "").startswith("text/plain"):
        # Refused by the HTTP parser, as what is not HTTP is.
        assert answer.status == 400
    else:
        _is_refused(answer, 400, "host_not_allowed")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /livez HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", b"400"),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", b"400"),
        # No browser leaves the host out, and probes of proxies do.
        (b"GET /livez HTTP/1.0\r\n\r\n", b"200"),
        (b"GET /livez HTTP/1.0\r\nHost: evil.example\r\n\r\n", b"400"),
        # The target's own host is a proxy's business: nothing here is made of it.
        (b"GET http://evil.example/livez HTTP/1.1\r\nHost: localhost\r\n\r\n", b"200"),
        (b"GET http://localhost/livez HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"400"),
    ],
)
def test_the_host_of_a_request_is_named_by_one_header(service: Client, head: bytes, status: bytes) -> None:
    assert re.match(rb"HTTP/1\.1 (\d+) ", _exchange(service, head))[1] == status  # type: ignore[index]


def test_a_refused_host_is_refused_on_the_short_cut_of_readings_as_well(service: Client) -> None:
    body = msgspec.json.encode(meter_reading("M-foreign"))
    answer = service.request("POST", "/v1/ingest", body, {**_JSON, "Host": "evil.example"})
    _is_refused(answer, 400, "host_not_allowed")
    assert service.get("/v1/live/meters/M-foreign").status == 404
