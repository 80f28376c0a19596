"""Corrections of readings over HTTP: previewed, made, undone, listed."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.errors import InvalidParameter, UnknownCorrection
from app.http import bodies, parameters
from app.http.responses import json, listed
from app.http.service import service
from app.registry import corrections
from app.registry.assignments import Author
from app.wire.allowed import missing
from app.wire.corrections import NewCorrection
from app.wire.values import DeviceId


async def correct(request: Request) -> Response:
    """Void, scale or replace the readings of a device in a window; a preview where `dryRun` is true."""
    settings, database, _, _ = service(request)
    is_preview = bool(parameters.flag(request, "dryRun"))
    author = _author(request)
    wanted = bodies.decoded(await bodies.json_body(request, settings.max_body_bytes), NewCorrection)
    device = parameters.one_device(wanted.meterId, wanted.vehicleId)
    if device is None:
        raise InvalidParameter(f"{missing('meterId', DeviceId)}, or a vehicleId", {"field": "meterId"})
    made = await corrections.correct(database, device, wanted, author, is_preview=is_preview)
    return json(made, 200 if is_preview else 201)


async def undo(request: Request) -> Response:
    """Take back what a correction did; a preview where `dryRun` is true."""
    _, database, _, _ = service(request)
    is_preview = bool(parameters.flag(request, "dryRun"))
    made = await corrections.undo(database, _number(request), _author(request), is_preview=is_preview)
    return json(made, 200 if is_preview else 201)


async def list_corrections(request: Request) -> Response:
    """A page of corrections, newest first, of a device or of all."""
    settings, database, _, _ = service(request)
    page = await corrections.corrections(
        database,
        parameters.device(request),
        before=parameters.integer(request, "after", 0, 0, parameters.LARGEST_BIGINT) or None,
        limit=parameters.limit(request, settings.max_list_limit),
    )
    return listed(request, page)


async def correction(request: Request) -> Response:
    """A correction, and a page of the readings that it changed."""
    settings, database, _, _ = service(request)
    after = parameters.instant(request, "after")
    limit = parameters.limit(request, settings.max_list_limit)
    page = await corrections.correction(database, _number(request), after=after, limit=limit)
    return listed(request, page)


def _author(request: Request) -> Author:
    author = parameters.author(request)
    if author.reason is None:
        raise InvalidParameter("reason is missing: say why, such as reason=sent%20Wh%20as%20kWh", {"field": "reason"})
    return author


def _number(request: Request) -> int:
    text = request.path_params["id"]
    if not parameters.NUMBER.fullmatch(text) or int(text) > parameters.LARGEST_BIGINT:
        raise UnknownCorrection("id must be a whole number, such as 42", {"field": "id"})
    return int(text)


ROUTES = [
    Route("/v1/corrections", list_corrections),
    Route("/v1/corrections", correct, methods=["POST"]),
    Route("/v1/corrections/{id}", correction),
    Route("/v1/corrections/{id}/undo", undo, methods=["POST"]),
]
