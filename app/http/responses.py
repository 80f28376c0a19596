"""An answer in JSON, or of a list or series as a table."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from app.http import bodies, parameters, tables

_encoder = msgspec.json.Encoder()


def json(content: Any, status: int = 200) -> Response:
    """Structs of the wire as an answer."""
    return Response(_encoder.encode(content), status, media_type=bodies.JSON)


def listed(request: Request, content: Any) -> Response:
    """A list or series in the format that was asked for; the header `Link` of a table leads to what comes after it."""
    if not parameters.wants_table(request):
        response = json(content)
        response.headers["Vary"] = "Accept"
        return response
    response = Response(tables.table(content), media_type=f"{tables.MEDIA_TYPE}; charset=utf-8")
    response.headers["Content-Disposition"] = (
        f'attachment; filename="{request.url.path.strip("/").replace("/", "-")}.csv"'
    )
    response.headers["Vary"] = "Accept"
    if (following := getattr(content, "next", None)) is not None:
        url = request.url.include_query_params(after=following)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return response
