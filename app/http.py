"""HTTP: decode, call, encode. Every answer other than success is a problem document."""

import logging
import re
import zlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from app import analytics, assignments, live, metrics, pages
from app.config import Settings
from app.db import Database
from app.errors import (
    BodyTooLarge,
    DatabaseLost,
    InvalidParameter,
    MalformedBody,
    MethodNotAllowed,
    NoReadingAccepted,
    ProblemError,
    StrictRejected,
    UnknownAssignment,
    UnknownMeter,
    UnknownRoute,
    UnknownVehicle,
    UnsupportedMediaType,
)
from app.ingest import Writer
from app.models import AssignmentChange, DeviceId, IngestResult, Instant, NewAssignment, ReadingError, Window
from app.openapi import document
from app.readings import Batch, Reader

logger = logging.getLogger("energy.http")

DEFAULT_LIST_LIMIT = 100
DEFAULT_WINDOW = timedelta(hours=24)
JSON = "application/json"
NDJSON = "application/x-ndjson"
PROBLEM = "application/problem+json"

_T = TypeVar("_T")
_encoder = msgspec.json.Encoder()
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd]?)")
_SECONDS_PER = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


class Service(NamedTuple):
    """What the handlers work with; the application keeps it at `app.state.service`."""

    settings: Settings
    database: Database
    reader: Reader
    writer: Writer


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _json(content: Any, status: int = 200) -> Response:
    return Response(_encoder.encode(content), status, media_type=JSON)


# Ingest


async def ingest(request: Request) -> Response:
    """Keep readings; answered after the commit that holds them, never before."""
    service = _service(request)
    strict = _flag(request, "strict") or False
    lines = _media_type(request, (JSON, NDJSON)) == NDJSON
    body = await _body(request, service.settings.max_body_bytes)
    batch = service.reader.decode_lines(body) if lines else service.reader.decode_json(body)
    if strict and batch.errors:
        raise StrictRejected(
            f"{len(batch.errors)} of the readings are refused, so none was kept",
            msgspec.structs.asdict(_result(batch, 0, [], [], service.settings.max_errors_listed)),
        )
    written = await service.writer.write(batch, strict=strict)
    accepted = len(batch) - len(written.duplicates) - len(written.conflicts)
    result = _result(batch, accepted, written.duplicates, written.conflicts, service.settings.max_errors_listed)
    if not len(batch):
        raise NoReadingAccepted("every reading was refused; the errors say why", msgspec.structs.asdict(result))
    return _json(result)


def _result(
    batch: Batch, accepted: int, duplicates: Sequence[int], conflicts: Sequence[int], max_errors: int
) -> IngestResult:
    for outcome, count in (
        ("accepted", accepted),
        ("duplicate", len(duplicates)),
        ("conflict", len(conflicts)),
        ("rejected", len(batch.errors)),
    ):
        if count:
            metrics.READINGS.labels(outcome=outcome).inc(count)
    errors = batch.errors
    if conflicts:
        told = "the same device and time with other values was kept before; the first stands"
        errors = sorted(
            [*errors, *(ReadingError(index, "conflict", None, told) for index in conflicts)],
            key=lambda error: error.index,
        )
    return IngestResult(accepted, len(duplicates), len(conflicts), len(batch.errors), errors[:max_errors])


def _media_type(request: Request, known: Sequence[str]) -> str:
    """The body's media type; the first known one where the request names none."""
    named = request.headers.get("content-type", known[0]).split(";")[0].strip().lower()
    if named not in known:
        raise UnsupportedMediaType(f"Content-Type {named or '(empty)'} is not read here; send {' or '.join(known)}")
    return named


async def _body(request: Request, max_bytes: int) -> bytes:
    """The body, decompressed, never holding more than the limit."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise UnsupportedMediaType(f"Content-Encoding {encoding} is not read here; send gzip or none")
    too_large = BodyTooLarge(f"the body is larger than {max_bytes} bytes")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > max_bytes:
        raise too_large
    inflate = _Inflate(max_bytes) if encoding == "gzip" else None
    body = bytearray()
    async for chunk in request.stream():
        body += inflate.feed(chunk, max_bytes - len(body)) if inflate else chunk
        if len(body) > max_bytes:
            raise too_large
    if inflate:
        inflate.finish()
    return bytes(body)


class _Inflate:
    """Decompresses gzip, of one member or several, and never more than it is allowed."""

    def __init__(self, max_bytes: int) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._max_bytes = max_bytes
        self._began = False

    def feed(self, data: bytes, room: int) -> bytes:
        """What the data decompresses to: at most one byte more than there is room for."""
        out = bytearray()
        while data and len(out) <= room:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            self._began = True
            try:
                out += self._member.decompress(data, room + 1 - len(out))
            except zlib.error as error:
                raise MalformedBody(f"the body is not gzip: {error}") from None
            data = self._member.unconsumed_tail or self._member.unused_data
        return bytes(out)

    def finish(self) -> None:
        """Raises :class:`MalformedBody` where the data ended too early."""
        if not self._began or not self._member.eof:
            raise MalformedBody("the gzip body ends too early")


# Analytics


async def vehicle_performance(request: Request) -> Response:
    """A vehicle's AC and DC energy over a window, and their ratio."""
    vehicle_id = _device_id(request, UnknownVehicle)
    service = _service(request)
    return _json(await analytics.vehicle_performance(service.database, vehicle_id, _window(request, service.settings)))


# Live state


async def live_meters(request: Request) -> Response:
    """A page of meters with their newest readings."""
    return _json(await live.meters(_service(request).database, _live_page(request)))


async def live_meter(request: Request) -> Response:
    """A meter's newest reading."""
    return _json(await live.meter(_service(request).database, _device_id(request, UnknownMeter)))


async def live_vehicles(request: Request) -> Response:
    """A page of vehicles with their newest readings."""
    return _json(await live.vehicles(_service(request).database, _live_page(request)))


async def live_vehicle(request: Request) -> Response:
    """A vehicle's newest reading."""
    return _json(await live.vehicle(_service(request).database, _device_id(request, UnknownVehicle)))


# Assignments


async def create_assignments(request: Request) -> Response:
    """Add an assignment, or an array of them whole or not at all."""
    service = _service(request)
    body = await _json_body(request)
    is_array = body.lstrip()[:1] == b"["
    wanted = _decode(body, list[NewAssignment]) if is_array else [_decode(body, NewAssignment)]
    if not 1 <= len(wanted) <= service.settings.max_assignments_per_request:
        raise InvalidParameter(
            f"{len(wanted)} assignments: 1 to {service.settings.max_assignments_per_request} at once"
        )
    created = await assignments.create(service.database, wanted)
    return _json({"assignments": created} if is_array else created[0], 201)


async def list_assignments(request: Request) -> Response:
    """A page of assignments, of a meter, of a vehicle, at an instant."""
    service = _service(request)
    return _json(
        await assignments.listed(
            service.database,
            meter_id=_parameter(request, "meterId", DeviceId),
            vehicle_id=_parameter(request, "vehicleId", DeviceId),
            at=_instant(request, "at"),
            after=_integer(request, "after", 0, 0, 2**63 - 1),
            limit=_limit(request),
        )
    )


async def change_assignment(request: Request) -> Response:
    """Close an assignment, or move its ends."""
    text = request.path_params["id"]
    if not text.isascii() or not text.isdigit() or int(text) >= 2**63:
        raise UnknownAssignment(f"there is no assignment {text[:64]}")
    wanted = _decode(await _json_body(request), AssignmentChange)
    return _json(await assignments.change(_service(request).database, int(text), wanted))


# The service itself


async def livez(request: Request) -> Response:  # noqa: ARG001
    """The process answers."""
    return _json({"status": "live"})


async def readyz(request: Request) -> Response:
    """The database answers and readings are being written."""
    service = _service(request)
    if not service.writer.is_running:
        raise DatabaseLost("readings are not being written")
    await service.database.fetch_all("ping")
    return _json({"status": "ready"})


async def prometheus(request: Request) -> Response:  # noqa: ARG001
    """What the service counts of itself, for Prometheus."""
    return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)


async def openapi(request: Request) -> Response:  # noqa: ARG001
    """This API, described."""
    return _json(document())


async def docs(request: Request) -> Response:  # noqa: ARG001
    """This API, described for a person."""
    return Response(pages.docs(document()), media_type="text/html")


async def home(request: Request) -> Response:  # noqa: ARG001
    """Where to go from here."""
    return Response(pages.home(), media_type="text/html")


# Parameters


def _device_id(request: Request, unknown: type[ProblemError]) -> str:
    text: str = request.path_params["id"]
    try:
        return msgspec.convert(text, DeviceId)
    except msgspec.ValidationError:
        raise unknown("no device has such an id: 1 to 64 of A-Z a-z 0-9 . _ : -") from None


def _parameter(request: Request, name: str, type_: Any) -> Any:
    """A query parameter of a wire type; None where it is not given."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return msgspec.convert(text, type_)
    except msgspec.ValidationError as error:
        raise InvalidParameter(f"{name}: {error}", {"field": name}) from None


def _instant(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if text is not None and re.fullmatch(r".*[0-9] [0-9]{2}:[0-9]{2}", text) and len(text) > len("2026-01-01 00:00"):
        # A plus sign that nobody escaped arrives as a space.
        text = text[:-6] + "+" + text[-5:]
    if text is None:
        return None
    try:
        instant: datetime = msgspec.convert(text, Instant)
        return instant.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError) as error:
        raise InvalidParameter(f"{name}: {error}", {"field": name}) from None


def _window(request: Request, settings: Settings) -> Window:
    to = _instant(request, "to") or datetime.now(UTC)
    try:
        begins = _instant(request, "from") or to - DEFAULT_WINDOW
    except OverflowError:
        raise InvalidParameter("to: is too early", {"field": "to"}) from None
    if begins >= to:
        raise InvalidParameter("`from` has to be earlier than `to`", {"field": "from"})
    if to - begins > timedelta(days=settings.max_window_days):
        raise InvalidParameter(f"a window is {settings.max_window_days} days at most", {"field": "from"})
    return Window(begins, to)


def _flag(request: Request, name: str) -> bool | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if text not in ("true", "false"):
        raise InvalidParameter(f"{name} is true or false", {"field": name})
    return text == "true"


def _integer(request: Request, name: str, default: int, lowest: int, highest: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 19 or not lowest <= int(text) <= highest:
        raise InvalidParameter(f"{name} is a whole number from {lowest} to {highest}", {"field": name})
    return int(text)


def _limit(request: Request) -> int:
    return _integer(request, "limit", DEFAULT_LIST_LIMIT, 1, _service(request).settings.max_list_limit)


def _live_page(request: Request) -> live.Page:
    silent_for = request.query_params.get("silentFor")
    silent_for_s = None
    if silent_for is not None:
        match = _DURATION.fullmatch(silent_for)
        if not match or len(silent_for) > 12:
            raise InvalidParameter("silentFor is a number of seconds, or one with s, m, h or d", {"field": "silentFor"})
        silent_for_s = float(match[1]) * _SECONDS_PER[match[2]]
    return live.Page(
        after=_parameter(request, "after", DeviceId) or "",
        limit=_limit(request),
        charging=_flag(request, "charging"),
        silent_for_s=silent_for_s,
    )


async def _json_body(request: Request) -> bytes:
    _media_type(request, (JSON,))
    return await _body(request, _service(request).settings.max_body_bytes)


def _decode(body: bytes, type_: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError as error:
        raise InvalidParameter(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody(f"the body is not JSON: {error}") from None


# Problems


def problem(error: ProblemError) -> Response:
    """An error as an RFC 9457 document."""
    content = {
        "type": f"urn:problem:ev-fleet-energy:{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
        **error.extra,
    }
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    return Response(_encoder.encode(content), error.status, headers, PROBLEM)


async def on_problem(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Answers an error raised on purpose."""
    assert isinstance(error, ProblemError)
    return problem(error)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answers what the router refuses."""
    assert isinstance(error, HTTPException)
    if error.status_code == MethodNotAllowed.status:
        response = problem(MethodNotAllowed(f"{request.method} is not served at {request.url.path}"))
        response.headers.update(error.headers or {})
        return response
    return problem(UnknownRoute(f"nothing is served at {request.url.path}"))


async def on_disconnect(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """The client went away while it was sending; nobody reads this answer."""
    return problem(MalformedBody("the body ends too early"))


async def on_unforeseen(request: Request, error: Exception) -> Response:
    """Answers what nobody foresaw; the log has the rest."""
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(ProblemError("an unforeseen error; the service's log has the details"))


EXCEPTION_HANDLERS: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    ProblemError: on_problem,
    HTTPException: on_http_exception,
    ClientDisconnect: on_disconnect,
    Exception: on_unforeseen,
}

ROUTES = [
    Route("/v1/ingest", ingest, methods=["POST"]),
    Route("/v1/analytics/performance/{id}", vehicle_performance),
    Route("/v1/live/meters", live_meters),
    Route("/v1/live/meters/{id}", live_meter),
    Route("/v1/live/vehicles", live_vehicles),
    Route("/v1/live/vehicles/{id}", live_vehicle),
    Route("/v1/assignments", create_assignments, methods=["POST"]),
    Route("/v1/assignments", list_assignments),
    Route("/v1/assignments/{id}", change_assignment, methods=["PATCH"]),
    Route("/livez", livez),
    Route("/readyz", readyz),
    Route("/metrics", prometheus),
    Route("/openapi.json", openapi),
    Route("/docs", docs),
    Route("/", home),
]
