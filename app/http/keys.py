"""Keys of the API over HTTP, for admins."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.errors import InvalidParameter, UnknownKey
from app.http import bodies, parameters
from app.http.responses import json
from app.http.service import service
from app.registry import keys
from app.wire.allowed import convert
from app.wire.keys import KeyId, NewKey


async def make_key(request: Request) -> Response:
    """Make a key; the answer has it, this once."""
    settings, database, _, _ = service(request)
    wanted = bodies.decoded(await bodies.json_body(request, settings.max_body_bytes), NewKey)
    return json(await keys.make(database, wanted, parameters.author(request)), 201)


async def list_keys(request: Request) -> Response:
    """All keys, without what they are checked by."""
    return json(await keys.keys(service(request).database))


async def rotate_key(request: Request) -> Response:
    """Make a key like another one, which stays valid for a day."""
    return json(await keys.rotate(service(request).database, _key_id(request), parameters.author(request)), 201)


async def revoke_key(request: Request) -> Response:
    """Make a key invalid for good."""
    return json(await keys.revoke(service(request).database, _key_id(request), parameters.author(request)))


def _key_id(request: Request) -> str:
    try:
        found: str = convert(request.path_params["id"], KeyId, "id")
    except InvalidParameter as error:
        raise UnknownKey(error.detail, error.extra) from None
    return found


ROUTES = [
    Route("/v1/keys", list_keys),
    Route("/v1/keys", make_key, methods=["POST"]),
    Route("/v1/keys/{id}", revoke_key, methods=["DELETE"]),
    Route("/v1/keys/{id}/rotate", rotate_key, methods=["POST"]),
]
