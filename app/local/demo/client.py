"""A client of the HTTP contract: one connection, and the answers that the demo reads."""

import http.client
import threading
import time
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from app.errors import OperatorError
from app.local.simulator import rfc3339

_TRIES: Final = 8
_RETRIED_STATUSES: Final = frozenset({429, 502, 503, 504})
_LONGEST_RETRY_AFTER_S: Final = 10.0
_TIMEOUT_S: Final = 30.0
_TIMEOUT_STOPPING_S: Final = 0.8
# Servers close a connection that has been idle for a few seconds; one this old is opened anew before it is used.
_IDLE_S: Final = 2.0
_T = TypeVar("_T")


class LiveVehicle(msgspec.Struct, rename="camel"):
    vehicle_id: str
    timestamp: datetime
    soc: float
    battery_temp: float
    charging: bool


class LiveVehicles(msgspec.Struct):
    vehicles: list[LiveVehicle]
    next: str | None = None


class _Device(msgspec.Struct, rename="camel"):
    meter_id: str = ""
    vehicle_id: str = ""


class Devices(msgspec.Struct):
    meters: list[_Device] = []
    vehicles: list[_Device] = []


class Assignment(msgspec.Struct, rename={"begins_at": "from", "ends_at": "to", "meter_id": "meterId"}):
    id: int | str
    meter_id: str
    begins_at: datetime
    ends_at: datetime | None = None


class Assignments(msgspec.Struct):
    assignments: list[Assignment]
    next: int | str | None = None


class _ReadingError(msgspec.Struct):
    code: str
    detail: str


class Ingested(msgspec.Struct):
    accepted: int
    duplicates: int
    conflicts: int
    rejected: int
    errors: list[_ReadingError]


class _TotalEnergy(msgspec.Struct, rename="camel"):
    ac_consumed_kwh: float | None
    dc_delivered_kwh: float | None


class Performance(msgspec.Struct, rename="camel"):
    vehicle_id: str
    total_energy: _TotalEnergy
    efficiency_ratio: float | None
    avg_battery_temp: float | None


class _Problem(msgspec.Struct):
    code: str = ""
    title: str = ""
    detail: str = ""


class Client:
    """One keep-alive connection to the API; every answer other than the expected one is an OperatorError."""

    def __init__(self, base_url: str, stop: threading.Event) -> None:
        url = urlsplit(base_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise OperatorError(f"{base_url} is not the http address of a service")
        connection = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        self.base_url: Final = base_url.rstrip("/")
        self._prefix: Final = url.path.rstrip("/")
        self._connection: Final = connection(url.hostname, url.port, timeout=_TIMEOUT_S)
        self._stop: Final = stop
        self._used_at_s = 0.0

    def get(self, path: str, kind: type[_T]) -> _T:
        return self.decode(path, self.call("GET", path), kind)

    def decode(self, path: str, body: bytes, kind: type[_T]) -> _T:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            raise OperatorError(f"{self.base_url}{path} answered what the contract does not say: {error}") from None

    def call(self, method: str, path: str, document: Any = None, *, expected: int = 200) -> bytes:
        """Send a request and return the body of its answer; 429, 502, 503 and 504 are tried again when they say."""
        body = None if document is None else msgspec.json.encode(document)
        for attempt in range(1, _TRIES + 1):
            try:
                status, retry_after, answer = self._exchange(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                # An assignment sent twice would overlap itself, and it is unknown whether the first one arrived.
                repeatable = method != "POST" or path == "/v1/ingest" or isinstance(error, ConnectionRefusedError)
                failure = f"{method} {self.base_url}{path} got no answer: {error or type(error).__name__}"
                wait_s = 0.5
            else:
                if status == expected:
                    return answer
                repeatable = status in _RETRIED_STATUSES
                failure = f"{method} {self.base_url}{path} answered {status} {_reason(answer)}"
                wait_s = _retry_after_s(retry_after)
            if not repeatable or attempt == _TRIES or self._stop.wait(wait_s):
                raise OperatorError(failure)
        raise AssertionError("the last try returns or raises")

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[int, str | None, bytes]:
        if time.monotonic() - self._used_at_s > _IDLE_S:
            self.close()
        timeout_s = _TIMEOUT_STOPPING_S if self._stop.is_set() else _TIMEOUT_S
        self._connection.timeout = timeout_s
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout_s)
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        self._connection.request(method, self._prefix + path, body, headers)
        response = self._connection.getresponse()
        answer = response.read()
        self._used_at_s = time.monotonic()
        return response.status, response.getheader("Retry-After"), answer

    def close(self) -> None:
        self._connection.close()


def assignments(client: Client, **query: Any) -> list[Assignment]:
    listed: list[Assignment] = []
    while True:
        page = client.get(f"/v1/assignments?{urlencode(query)}", Assignments)
        listed += page.assignments
        if page.next is None:
            return listed
        query["after"] = page.next


def close(client: Client, assignment: Assignment, ends_at: datetime) -> None:
    client.call("PATCH", f"/v1/assignments/{quote(str(assignment.id))}", {"to": rfc3339(ends_at)})


def _reason(answer: bytes) -> str:
    try:
        problem = msgspec.json.decode(answer, type=_Problem)
    except msgspec.DecodeError:
        return repr(answer[:200])
    return f"{problem.code}: {problem.detail or problem.title}"


def _retry_after_s(header: str | None) -> float:
    seconds = float(header) if header is not None and header.isdigit() else 1.0
    return min(seconds, _LONGEST_RETRY_AFTER_S)
