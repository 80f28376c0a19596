"""Charging sessions over HTTP."""

from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.analytics import sessions
from app.analytics.sessions import Page, Place
from app.errors import InvalidParameter, UnknownSession
from app.http import parameters
from app.http.responses import json, listed
from app.http.service import service
from app.wire.allowed import convert
from app.wire.sessions import SessionState
from app.wire.values import DeviceId, Instant, Label


async def list_sessions(request: Request) -> Response:
    """A page of the sessions that overlap a window, newest first."""
    settings, database, _, _ = service(request)
    page = Page(
        vehicle_id=parameters.value(request, "vehicleId", DeviceId),
        meter_id=parameters.value(request, "meterId", DeviceId),
        group=parameters.value(request, "group", Label),
        site=parameters.value(request, "site", Label),
        state=parameters.value(request, "state", SessionState),
        after=_after(request),
        limit=parameters.limit(request, settings.max_list_limit),
    )
    return listed(
        request, await sessions.sessions(database, parameters.window(request, settings.max_window_days), page)
    )


async def session(request: Request) -> Response:
    """One session as a whole."""
    settings, database, _, _ = service(request)
    return json(await sessions.session(database, _session_id(request.path_params["id"]), settings.max_window_days))


def _session_id(text: str) -> int | Place:
    if parameters.NUMBER.fullmatch(text) and int(text) <= parameters.LARGEST_BIGINT:
        return int(text)
    try:
        vehicle_id, instant = text.split(",")
        return Place(convert(instant, Instant, "id"), convert(vehicle_id, DeviceId, "id"))
    except (ValueError, InvalidParameter):
        raise UnknownSession("there is no such session: an id is like 42 or V-202,2026-11-20T08:00:00Z") from None


def _after(request: Request) -> Place | None:
    """Where the previous page ended. Raises :class:`InvalidParameter` where it is not what `next` was."""
    text = request.query_params.get("after")
    if text is None:
        return None
    try:
        instant, vehicle_id = text.split(",")
        at: datetime = convert(instant, Instant, "after")
        return Place(at, convert(vehicle_id, DeviceId, "after"))
    except (ValueError, InvalidParameter):
        raise InvalidParameter(
            "after must be the next of the previous page, such as 2026-11-20T08:00:00Z,V-202", {"field": "after"}
        ) from None


ROUTES = [
    Route("/v1/sessions", list_sessions),
    Route("/v1/sessions/{id}", session),
]
