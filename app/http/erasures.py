"""Erasure of devices over HTTP."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.errors import InvalidParameter
from app.http import bodies, parameters
from app.http.responses import json, listed
from app.http.service import service
from app.registry import erasures
from app.wire.allowed import missing
from app.wire.erasures import NewErasure
from app.wire.values import DeviceId


async def erase(request: Request) -> Response:
    """Erase a meter or vehicle; a preview where `dryRun` is true."""
    settings, database, _, _ = service(request)
    is_preview = bool(parameters.flag(request, "dryRun"))
    operator = parameters.author(request).operator
    wanted = bodies.decoded(await bodies.json_body(request, settings.max_body_bytes), NewErasure)
    device = parameters.one_device(wanted.meterId, wanted.vehicleId)
    if device is None:
        raise InvalidParameter(f"{missing('meterId', DeviceId)}, or a vehicleId", {"field": "meterId"})
    return json(await erasures.erase(database, device, operator, is_preview=is_preview))


async def list_erasures(request: Request) -> Response:
    """A page of erasures, newest first."""
    settings, database, _, _ = service(request)
    page = await erasures.erasures(
        database,
        before=parameters.integer(request, "after", 0, 0, parameters.LARGEST_BIGINT) or None,
        limit=parameters.limit(request, settings.max_list_limit),
    )
    return listed(request, page)


ROUTES = [
    Route("/v1/erasures", list_erasures),
    Route("/v1/erasures", erase, methods=["POST"]),
]
