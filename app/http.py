"""HTTP: decode, call, encode."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import analytics, assignments, live, metrics, pages, requests
from app.config import Settings
from app.db import Database
from app.errors import (
    DatabaseLost,
    InvalidParameter,
    NoReadingAccepted,
    StrictRejected,
    UnknownAssignment,
    UnknownMeter,
    UnknownVehicle,
)
from app.ingest import Writer, Written
from app.models import AssignmentChange, Assignments, DeviceId, IngestResult, NewAssignment, ReadingError, Status
from app.openapi import document
from app.readings import Batch, Reader, conflict

_encoder = msgspec.json.Encoder()


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
    return Response(_encoder.encode(content), status, media_type=requests.JSON)


# Ingest


async def ingest(request: Request) -> Response:
    """Keep readings; answered after the commit that holds them, never before."""
    settings, _, reader, writer = _service(request)
    strict = requests.flag(request, "strict") or False
    media_type = requests.media_type(request, (requests.JSON, requests.NDJSON))
    body = await requests.body(request, settings.max_body_bytes)
    batch = reader.decode_lines(body) if media_type == requests.NDJSON else reader.decode_json(body)
    if batch.errors and strict:
        count = len(batch.errors)
        result = _result(batch, Written(), settings.max_errors_listed, kept=False)
        raise StrictRejected(f"{count} of the readings are refused, so none was kept", msgspec.structs.asdict(result))
    result = _result(batch, await writer.write(batch, strict=strict), settings.max_errors_listed)
    if not len(batch):
        raise NoReadingAccepted("every reading was refused; the errors say why", msgspec.structs.asdict(result))
    return _json(result)


def _result(batch: Batch, written: Written, max_errors: int, *, kept: bool = True) -> IngestResult:
    duplicates, conflicts = len(written.duplicates), len(written.conflicts)
    accepted = len(batch) - duplicates - conflicts if kept else 0
    metrics.count_readings(accepted=accepted, duplicate=duplicates, conflict=conflicts, rejected=len(batch.errors))
    errors: Sequence[ReadingError] = batch.errors
    if conflicts:
        errors = sorted([*errors, *map(conflict, written.conflicts)], key=lambda error: error.index)
    return IngestResult(accepted, duplicates, conflicts, len(batch.errors), list(errors[:max_errors]))


# Analytics


async def vehicle_performance(request: Request) -> Response:
    """A vehicle's AC and DC energy over a window, and their ratio."""
    settings, database, _, _ = _service(request)
    vehicle_id = requests.device_id(request, UnknownVehicle)
    window = requests.window(request, settings.max_window_days)
    return _json(await analytics.vehicle_performance(database, vehicle_id, window))


# Live state


async def live_meters(request: Request) -> Response:
    """A page of meters with their newest readings."""
    return _json(await live.meters(_service(request).database, _live_page(request)))


async def live_meter(request: Request) -> Response:
    """A meter's newest reading."""
    return _json(await live.meter(_service(request).database, requests.device_id(request, UnknownMeter)))


async def live_vehicles(request: Request) -> Response:
    """A page of vehicles with their newest readings."""
    return _json(await live.vehicles(_service(request).database, _live_page(request)))


async def live_vehicle(request: Request) -> Response:
    """A vehicle's newest reading."""
    return _json(await live.vehicle(_service(request).database, requests.device_id(request, UnknownVehicle)))


def _live_page(request: Request) -> live.Page:
    return live.Page(
        after=requests.value(request, "after", DeviceId) or "",
        limit=requests.limit(request, _service(request).settings.max_list_limit),
        charging=requests.flag(request, "charging"),
        silent_for_s=requests.seconds(request, "silentFor"),
    )


# Assignments


async def create_assignments(request: Request) -> Response:
    """Add an assignment, or an array of them whole or not at all."""
    settings, database, _, _ = _service(request)
    body = await requests.json_body(request, settings.max_body_bytes)
    if not requests.is_array(body):
        [created] = await assignments.create(database, [requests.decoded(body, NewAssignment)])
        return _json(created, 201)
    wanted = requests.decoded(body, list[NewAssignment])
    if not 1 <= len(wanted) <= settings.max_assignments_per_request:
        most = settings.max_assignments_per_request
        raise InvalidParameter(f"{len(wanted)} assignments: a request holds 1 to {most}")
    return _json(Assignments(await assignments.create(database, wanted), None), 201)


async def list_assignments(request: Request) -> Response:
    """A page of assignments, of a meter, of a vehicle, at an instant."""
    settings, database, _, _ = _service(request)
    page = await assignments.listed(
        database,
        meter_id=requests.value(request, "meterId", DeviceId),
        vehicle_id=requests.value(request, "vehicleId", DeviceId),
        at=requests.instant(request, "at"),
        after=requests.integer(request, "after", 0, 0, requests.LARGEST_BIGINT),
        limit=requests.limit(request, settings.max_list_limit),
    )
    return _json(page)


async def change_assignment(request: Request) -> Response:
    """Close an assignment, or move its ends."""
    settings, database, _, _ = _service(request)
    text = request.path_params["id"]
    if not re.fullmatch("[0-9]{1,19}", text) or int(text) > requests.LARGEST_BIGINT:
        raise UnknownAssignment("there is no assignment of such an id: it is a number")
    wanted = requests.decoded(await requests.json_body(request, settings.max_body_bytes), AssignmentChange)
    return _json(await assignments.change(database, int(text), wanted))


# The service itself


async def livez(request: Request) -> Response:  # noqa: ARG001
    """The process answers."""
    return _json(Status("live"))


async def readyz(request: Request) -> Response:
    """The database answers and readings are being written."""
    _, database, _, writer = _service(request)
    if not writer.is_running:
        raise DatabaseLost("readings are not being written")
    await database.fetch_all("ping")
    return _json(Status("ready"))


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
