"""Register events over HTTP: listed; decided, withdrawn; and the changes of decisions."""

from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.errors import InvalidParameter
from app.http import bodies, parameters
from app.http.responses import json, listed
from app.http.service import service
from app.registry import register_events
from app.registry.register_events import Device, Place
from app.wire.allowed import convert, missing
from app.wire.register_events import EventKind, NewDecision
from app.wire.values import DeviceId, Instant


async def list_register_events(request: Request) -> Response:
    """A page of events, of a device or of all, within a range of time, of a kind."""
    settings, database, _, _ = service(request)
    begins, ends = parameters.instant(request, "from"), parameters.instant(request, "to")
    if begins and ends and begins >= ends:
        raise InvalidParameter("from must be earlier than to", {"field": "from"})
    page = await register_events.events(
        database,
        _device_of_query(request),
        begins=begins,
        ends=ends,
        kind=parameters.value(request, "kind", EventKind),
        after=_after(request),
        limit=parameters.limit(request, settings.max_list_limit),
    )
    return listed(request, page)


async def list_decisions(request: Request) -> Response:
    """A page of the decisions that hold, of a device or of all."""
    settings, database, _, _ = service(request)
    page = await register_events.decisions(
        database,
        _device_of_query(request),
        after=_after(request),
        limit=parameters.limit(request, settings.max_list_limit),
    )
    return listed(request, page)


async def decide_step(request: Request) -> Response:
    """Decide a step of a register, or announce the exchange of a meter."""
    settings, database, _, _ = service(request)
    author = parameters.author(request)
    wanted = bodies.decoded(await bodies.json_body(request, settings.max_body_bytes), NewDecision)
    device = _one_device(wanted.meterId, wanted.vehicleId)
    if device is None:
        raise InvalidParameter(f"{missing('meterId', DeviceId)}, or a vehicleId", {"field": "meterId"})
    return json(await register_events.decide(database, device, wanted, author))


async def withdraw_decision(request: Request) -> Response:
    """Withdraw a decision; the rules judge the step again."""
    _, database, _, _ = service(request)
    author = parameters.author(request)
    device, at = _device_of_query(request), parameters.instant(request, "at")
    if device is None:
        raise InvalidParameter(f"{missing('meterId', DeviceId)}, or a vehicleId", {"field": "meterId"})
    if at is None:
        raise InvalidParameter(missing("at", Instant), {"field": "at"})
    return json(await register_events.withdraw(database, device, at, author))


async def decision_changes(request: Request) -> Response:
    """A page of changes of decisions, in the order they were made."""
    settings, database, _, _ = service(request)
    page = await register_events.changes(
        database,
        after=parameters.integer(request, "after", 0, 0, parameters.LARGEST_BIGINT),
        limit=parameters.limit(request, settings.max_list_limit),
    )
    return listed(request, page)


def _device_of_query(request: Request) -> Device | None:
    return _one_device(parameters.value(request, "meterId", DeviceId), parameters.value(request, "vehicleId", DeviceId))


def _one_device(meter_id: str | None, vehicle_id: str | None) -> Device | None:
    if meter_id is not None and vehicle_id is not None:
        raise InvalidParameter(
            "meterId and vehicleId exclude each other: an event is of one device, such as meterId M-101",
            {"field": "vehicleId"},
        )
    if meter_id is not None:
        return Device("meter", meter_id)
    return None if vehicle_id is None else Device("vehicle", vehicle_id)


def _after(request: Request) -> Place | None:
    """Where the previous page ended. Raises :class:`InvalidParameter` where it is not what `next` was."""
    text = request.query_params.get("after")
    if text is None:
        return None
    try:
        instant, device_type, device_id = text.split(",", 2)
        at: datetime = convert(instant, Instant, "after")
        if device_type == "meter":
            return Place(at, "meter", convert(device_id, DeviceId, "after"))
        if device_type == "vehicle":
            return Place(at, "vehicle", convert(device_id, DeviceId, "after"))
    except (ValueError, InvalidParameter):
        pass
    raise InvalidParameter(
        "after must be the next of the previous page, such as 2026-11-20T08:00:00Z,meter,M-101", {"field": "after"}
    )


ROUTES = [
    Route("/v1/register-events", list_register_events),
    Route("/v1/register-decisions", list_decisions),
    Route("/v1/register-decisions", decide_step, methods=["PUT"]),
    Route("/v1/register-decisions", withdraw_decision, methods=["DELETE"]),
    Route("/v1/register-decisions/changes", decision_changes),
]
