"""Register events over HTTP: listed; decided, withdrawn; and the changes of decisions."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.errors import InvalidParameter
from app.http import bodies, parameters
from app.http.responses import json, listed
from app.http.service import service
from app.registry import register_events
from app.wire.allowed import missing
from app.wire.register_events import EventKind, NewDecision
from app.wire.values import DeviceId, Instant


async def list_register_events(request: Request) -> Response:
    """A page of events, of a device or of all, within a range of time, of a kind."""
    settings, database, _, _ = service(request)
    begins, ends = parameters.instants(request)
    page = await register_events.events(
        database,
        parameters.device(request),
        begins=begins,
        ends=ends,
        kind=parameters.value(request, "kind", EventKind),
        to_decide=parameters.flag(request, "toDecide"),
        after=parameters.place(request),
        limit=parameters.limit(request, settings.max_list_limit),
    )
    return listed(request, page)


async def list_decisions(request: Request) -> Response:
    """A page of the decisions that hold, of a device or of all."""
    settings, database, _, _ = service(request)
    page = await register_events.decisions(
        database,
        parameters.device(request),
        after=parameters.place(request),
        limit=parameters.limit(request, settings.max_list_limit),
    )
    return listed(request, page)


async def decide_step(request: Request) -> Response:
    """Decide a step of a register, or announce the exchange of a meter."""
    settings, database, _, _ = service(request)
    author = parameters.author(request)
    wanted = bodies.decoded(await bodies.json_body(request, settings.max_body_bytes), NewDecision)
    device = parameters.one_device(wanted.meterId, wanted.vehicleId)
    if device is None:
        raise InvalidParameter(f"{missing('meterId', DeviceId)}, or a vehicleId", {"field": "meterId"})
    return json(await register_events.decide(database, device, wanted, author))


async def withdraw_decision(request: Request) -> Response:
    """Withdraw a decision; the rules judge the step again."""
    _, database, _, _ = service(request)
    author = parameters.author(request)
    device, at = parameters.device(request), parameters.instant(request, "at")
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


ROUTES = [
    Route("/v1/register-events", list_register_events),
    Route("/v1/register-decisions", list_decisions),
    Route("/v1/register-decisions", decide_step, methods=["PUT"]),
    Route("/v1/register-decisions", withdraw_decision, methods=["DELETE"]),
    Route("/v1/register-decisions/changes", decision_changes),
]
