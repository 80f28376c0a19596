"""A client of the HTTP contract, and the answers that the demo reads."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from app.errors import OperatorError
from app.local.simulator import rfc3339

_TRIES: Final = 8
_RETRIED_STATUSES: Final = frozenset({429, 503})
_LONGEST_RETRY_AFTER_S: Final = 10.0
_TIMEOUT_S: Final = 30.0
_TIMEOUT_STOPPING_S: Final = 0.8


class _Page(msgspec.Struct):
    """One page of a list; `next` is the `after` of the following one, None on the last."""

    next: int | str | None = None


_T = TypeVar("_T")
_P = TypeVar("_P", bound=_Page)


class LiveVehicle(msgspec.Struct, rename="camel"):
    vehicle_id: str
    timestamp: datetime
    soc: float
    battery_temp: float
    charging: bool


class LiveVehicles(_Page):
    vehicles: list[LiveVehicle] = []


class LiveMeter(msgspec.Struct, rename="camel"):
    meter_id: str
    kwh_consumed_ac: float


class LiveMeters(_Page):
    meters: list[LiveMeter] = []


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


class Assignments(_Page):
    assignments: list[Assignment] = []


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
    code: str
    detail: str


class Client:
    """Requests to the service, each on a connection of its own.

    An answer other than the expected one is an OperatorError.
    """

    def __init__(self, base_url: str, stop: threading.Event) -> None:
        self.base_url: Final = base_url
        self._stop: Final = stop

    def get(self, path: str, kind: type[_T], **query: Any) -> _T:
        return msgspec.json.decode(self.call("GET", f"{path}?{urlencode(query)}"), type=kind)

    def pages(self, path: str, kind: type[_P], **query: Any) -> Iterator[_P]:
        """Every page of a list."""
        while True:
            page = self.get(path, kind, **query)
            yield page
            if page.next is None:
                return
            query["after"] = page.next

    def call(self, method: str, path: str, document: Any = None, *, expected: int = 200) -> bytes:
        """Send a request and return the body of its answer; 429 and 503 are tried again when they say."""
        for _ in range(_TRIES):
            status, retry_after_s, answer = self._exchange(method, path, document)
            if status == expected:
                return answer
            if status not in _RETRIED_STATUSES or self._stop.wait(min(retry_after_s, _LONGEST_RETRY_AFTER_S)):
                break
        problem = msgspec.json.decode(answer, type=_Problem)
        raise OperatorError(f"{method} {self.base_url}{path} answered {status} {problem.code}: {problem.detail}")

    def _exchange(self, method: str, path: str, document: Any) -> tuple[int, float, bytes]:
        headers = {"Content-Type": "application/json"}
        body = None if document is None else msgspec.json.encode(document)
        timeout_s = _TIMEOUT_STOPPING_S if self._stop.is_set() else _TIMEOUT_S
        with closing(http.client.HTTPConnection(urlsplit(self.base_url).netloc, timeout=timeout_s)) as connection:
            try:
                connection.request(method, path, body, headers)
                response = connection.getresponse()
                return response.status, float(response.getheader("Retry-After", "1")), response.read()
            except (OSError, http.client.HTTPException) as error:
                raise OperatorError(f"{method} {self.base_url}{path} got no answer: {error!r}") from error

    def assignments(self, **query: Any) -> list[Assignment]:
        pages = self.pages("/v1/assignments", Assignments, **query)
        return [assignment for page in pages for assignment in page.assignments]

    def end_assignment(self, assignment: Assignment, ends_at: datetime) -> None:
        self.call("PATCH", f"/v1/assignments/{assignment.id}", {"to": rfc3339(ends_at)})
