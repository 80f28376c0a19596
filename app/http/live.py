"""Live state over HTTP."""

from starlette.requests import Request
from starlette.responses import Response

from app.errors import UnknownMeter, UnknownVehicle
from app.http import parameters
from app.http.responses import json as _json
from app.http.service import service as _service
from app.registry import live
from app.wire.values import DeviceId


async def live_meters(request: Request) -> Response:
    """A page of meters with their newest readings."""
    return _json(await live.meters(_service(request).database, _live_page(request)))


async def live_meter(request: Request) -> Response:
    """A meter's newest reading."""
    return _json(await live.meter(_service(request).database, parameters.device_id(request, UnknownMeter)))


async def live_vehicles(request: Request) -> Response:
    """A page of vehicles with their newest readings."""
    return _json(await live.vehicles(_service(request).database, _live_page(request)))


async def live_vehicle(request: Request) -> Response:
    """A vehicle's newest reading."""
    return _json(await live.vehicle(_service(request).database, parameters.device_id(request, UnknownVehicle)))


def _live_page(request: Request) -> live.Page:
    return live.Page(
        after=parameters.value(request, "after", DeviceId) or "",
        limit=parameters.limit(request, _service(request).settings.max_list_limit),
        charging=parameters.flag(request, "charging"),
        silent_for_s=parameters.seconds(request, "silentFor"),
    )
