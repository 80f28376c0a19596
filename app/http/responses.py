"""An answer in JSON, or of a list or series as a table; one that a client has already is not sent again."""

import re
from hashlib import blake2b
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from app.http import bodies, parameters, tables

_encoder = msgspec.json.Encoder()
_TAG = re.compile(r'"[^"]*"')


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


def validated(request: Request, response: Response) -> Response:
    """An answer with an `ETag` of its content, or 304 where `If-None-Match` names it.

    The tag is weak, so that it holds for the compressed answer too.
    """
    if response.status_code != 200:
        return response
    tag = f'"{blake2b(bytes(response.body), digest_size=12).hexdigest()}"'
    response.headers["ETag"] = f"W/{tag}"
    # Late readings, corrections and assignments change answers about the past at any time: nothing may be kept unasked.
    response.headers["Cache-Control"] = "private, no-cache"
    known = request.headers.get("if-none-match", "")
    if known.strip() != "*" and tag not in _TAG.findall(known):
        return response
    kept = {
        name: response.headers[name] for name in ("ETag", "Cache-Control", "Vary", "Link") if name in response.headers
    }
    return Response(status_code=304, headers=kept)
