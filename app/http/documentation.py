"""The description of this API, for programs."""

from starlette.requests import Request
from starlette.responses import Response

from app.http.openapi import document
from app.http.responses import json as _json


async def openapi(request: Request) -> Response:  # noqa: ARG001
    """This API, described."""
    return _json(document())
