"""Live state over HTTP."""

from starlette.requests import Request
from starlette.responses import Response

from app.analytics import live
from app.errors import UnknownMeter, UnknownVehicle
from app.http import parameters
from app.http.responses import json as _json
from app.http.responses import listed
from app.http.service import service as _service
from app.wire.values import DeviceId, Label


async def live_meters(request: Request) -> Response:
    """A page of meters with their newest readings."""
    return listed(request, await live.meters(_service(request).database, _live_page(request, "site")))


async def live_meter(request: Request) -> Response:
    """A meter's newest reading."""
    return _json(await live.meter(_service(request).database, parameters.device_id(request, UnknownMeter)))


async def live_vehicles(request: Request) -> Response:
    """A page of vehicles with their newest readings."""
    return listed(request, await live.vehicles(_service(request).database, _live_page(request, "group")))


async def live_vehicle(request: Request) -> Response:
    """A vehicle's newest reading."""
    return _json(await live.vehicle(_service(request).database, parameters.device_id(request, UnknownVehicle)))


async def live_fleet(request: Request) -> Response:
    """How many devices charge now, and at which power."""
    site, group = (parameters.value(request, name, Label) for name in ("site", "group"))
    return _json(await live.fleet(_service(request).database, site, group))


def _live_page(request: Request, place: str) -> live.Page:
    return live.Page(
        after=parameters.value(request, "after", DeviceId) or "",
        limit=parameters.limit(request, _service(request).settings.max_list_limit),
        charging=parameters.flag(request, "charging"),
        silent_for_s=parameters.seconds(request, "silentFor"),
        seen_within_s=parameters.seconds(request, "seenWithin"),
        place=parameters.value(request, place, Label),
        search=parameters.value(request, "search", Label),
    )
