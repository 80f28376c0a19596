"""Assignments over HTTP: created, applied as events, listed, corrected, voided; and their changes."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.config import Settings
from app.errors import InvalidParameter, NoItemAccepted
from app.http import access, bodies, parameters
from app.http.responses import json, listed
from app.http.service import service
from app.registry import assignments
from app.wire.assignments import AssignmentChange, Assignments, ItemResults, NewAssignment, PlugEvent
from app.wire.values import DeviceId


async def create_assignments(request: Request) -> Response:
    """Add an assignment, or several: all or none, or with `partial` those that fit."""
    settings, database, _, _ = service(request)
    author, partial = parameters.author(request), parameters.flag(request, "partial") or False
    is_lines, body = await _assignment_body(request)
    if not is_lines and not bodies.is_array(body):
        wanted = bodies.decoded(body, NewAssignment)
        if not partial:
            return json((await assignments.create(database, [wanted], author))[0], 201)
        return _item_results(await assignments.create_each(database, [wanted], author))
    items = bodies.items(body, is_lines)
    _check_count(settings, items)
    decoded = [bodies.decoded_item(item, NewAssignment) for item in items]
    if partial:
        return _item_results(await assignments.create_each(database, decoded, author))
    return json(Assignments(await assignments.create(database, bodies.all_good(decoded), author), None), 201)


async def plug_events(request: Request) -> Response:
    """Apply a plug-in, plug-out or hand-over event, or several."""
    settings, database, decoder, _ = service(request)
    decoder.check_clock()
    author = parameters.author(request)
    is_lines, body = await _assignment_body(request)
    if not is_lines and not bodies.is_array(body):
        event = bodies.decoded(body, PlugEvent)
        access.check_device(request, event.meterId)
        return json(await assignments.apply_event(database, event, author, _clocks(settings)))
    items = bodies.items(body, is_lines)
    _check_count(settings, items)
    events = [bodies.decoded_item(item, PlugEvent) for item in items]
    for sent in events:
        if isinstance(sent, PlugEvent):
            access.check_device(request, sent.meterId)
    return _item_results(await assignments.apply_events(database, events, author, _clocks(settings)))


def _clocks(settings: Settings) -> assignments.Clocks:
    return assignments.Clocks(
        timedelta(seconds=settings.max_clock_skew_s), timedelta(seconds=settings.plug_clock_tolerance_s)
    )


async def _assignment_body(request: Request) -> tuple[bool, bytes]:
    """Whether a body is lines of JSON, and the body."""
    media_type = bodies.media_type(request, bodies.MEDIA_TYPES)
    return media_type == bodies.NDJSON, await bodies.body(request, service(request).settings.max_body_bytes)


def _check_count(settings: Settings, items: Sequence[bytes]) -> None:
    most = settings.max_assignments_per_request
    if not 1 <= len(items) <= most:
        raise InvalidParameter(f"a request must hold 1 item{'' if most == 1 else f' to {most:,}'}, not {len(items):,}")


def _item_results(results: ItemResults) -> Response:
    if results.refused == len(results.results):
        raise NoItemAccepted("every item is rejected; the results say why", msgspec.to_builtins(results))
    return json(results)


async def list_assignments(request: Request) -> Response:
    """A page of assignments, of a meter, of a vehicle, at an instant, within a range of time."""
    settings, database, _, _ = service(request)
    begins, ends = parameters.instants(request)
    page = await assignments.listed(
        database,
        meter_id=parameters.value(request, "meterId", DeviceId),
        vehicle_id=parameters.value(request, "vehicleId", DeviceId),
        at=parameters.instant(request, "at"),
        begins=begins,
        ends=ends,
        after=parameters.integer(request, "after", 0, 0, parameters.LARGEST_BIGINT),
        limit=parameters.limit(request, settings.max_list_limit),
    )
    return listed(request, page)


async def waiting_plug_outs(request: Request) -> Response:
    """A page of plug-outs that wait for their plug-in, at a meter or at all, of a vehicle or of any."""
    settings, database, _, _ = service(request)
    page = await assignments.waiting(
        database,
        meter_id=parameters.value(request, "meterId", DeviceId),
        vehicle_id=parameters.value(request, "vehicleId", DeviceId),
        after=parameters.integer(request, "after", 0, 0, parameters.LARGEST_BIGINT),
        limit=parameters.limit(request, settings.max_list_limit),
    )
    return listed(request, page)


async def assignment(request: Request) -> Response:
    """An assignment with its changes; a voided one too."""
    return json(await assignments.history(service(request).database, parameters.assignment_id(request)))


async def change_assignment(request: Request) -> Response:
    """Close an assignment, or correct its ends or its devices."""
    settings, database, _, _ = service(request)
    assignment_id, author = parameters.assignment_id(request), parameters.author(request)
    wanted = bodies.decoded(await bodies.json_body(request, settings.max_body_bytes), AssignmentChange)
    return json(await assignments.change(database, assignment_id, wanted, author))


async def void_assignment(request: Request) -> Response:
    """Void a wrong assignment; its changes stay."""
    assignment_id, author = parameters.assignment_id(request), parameters.author(request)
    return json(await assignments.void(service(request).database, assignment_id, author))


async def assignment_changes(request: Request) -> Response:
    """A page of changes of assignments, in the order they were made."""
    settings, database, _, _ = service(request)
    page = await assignments.changes(
        database,
        after=parameters.integer(request, "after", 0, 0, parameters.LARGEST_BIGINT),
        limit=parameters.limit(request, settings.max_list_limit),
    )
    return listed(request, page)


ROUTES = [
    Route("/v1/assignments", create_assignments, methods=["POST"]),
    Route("/v1/assignments", list_assignments),
    Route("/v1/assignments/events", plug_events, methods=["POST"]),
    Route("/v1/assignments/changes", assignment_changes),
    Route("/v1/assignments/waiting", waiting_plug_outs),
    Route("/v1/assignments/{id}", assignment),
    Route("/v1/assignments/{id}", change_assignment, methods=["PATCH"]),
    Route("/v1/assignments/{id}", void_assignment, methods=["DELETE"]),
]
