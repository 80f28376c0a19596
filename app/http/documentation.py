"""The description of this API, for programs and for people."""

from starlette.requests import Request
from starlette.responses import Response

from app.http.openapi import document
from app.http.responses import json as _json
from app.web import pages


async def openapi(request: Request) -> Response:  # noqa: ARG001
    """This API, described."""
    return _json(document())


async def docs(request: Request) -> Response:  # noqa: ARG001
    """This API, described for a person."""
    return Response(pages.docs(document()), media_type="text/html")


async def home(request: Request) -> Response:  # noqa: ARG001
    """The home page."""
    return Response(pages.home(), media_type="text/html")
