"""Every answer other than success: an RFC 9457 problem document."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import psycopg
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.errors import KeyMissing, MalformedBody, MethodNotAllowed, ProblemError, RightMissing, UnknownRoute
from app.http import rejections

logger = logging.getLogger("energy.http")

MEDIA_TYPE = "application/problem+json"

_encoder = msgspec.json.Encoder()


class Problem(Response):
    """An error as an RFC 9457 document; sending it counts the request as rejected."""

    media_type = MEDIA_TYPE

    def __init__(self, error: ProblemError) -> None:
        self._error = error
        headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
        if error.status == KeyMissing.status:
            # Browsers ask for a name and a password, which is the key; pages then send it with all they ask.
            headers["WWW-Authenticate"] = 'Basic realm="ev-fleet-energy", charset="UTF-8"'
        super().__init__(_encoder.encode(_document(error)), error.status, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the document."""
        rejections.note_request(scope, self._error)
        await super().__call__(scope, receive, send)


def _document(error: ProblemError) -> dict[str, Any]:
    return {
        "type": f"urn:problem:ev-fleet-energy:{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
        **error.extra,
    }


async def on_problem(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Answers an error raised on purpose."""
    assert isinstance(error, ProblemError)
    return Problem(error)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answers what the router refuses."""
    assert isinstance(error, HTTPException)
    if error.status_code == MethodNotAllowed.status:
        # The router names the methods of the first route that fits; a path may have several.
        fitting = [route for route in request.app.routes if route.path_regex.fullmatch(request.url.path)]
        allowed = ", ".join(sorted({method for route in fitting for method in route.methods}))
        response = Problem(
            MethodNotAllowed(f"{request.method} is not served at {request.url.path}, which takes {allowed}")
        )
        response.headers["Allow"] = allowed
        return response
    return Problem(UnknownRoute(f"nothing is served at {request.url.path}; /docs lists the paths"))


async def on_disconnect(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """The client disconnected while it was sending; nobody reads this answer."""
    return Problem(MalformedBody("the body ends too early"))


async def on_missing_right(request: Request, error: Exception) -> Response:
    """Names the right that the role of a connection lacks."""
    assert isinstance(error, psycopg.errors.InsufficientPrivilege)
    logger.error("%s %s: %s; see Roles in docs/operations.md", request.method, request.url.path, error)
    return Problem(RightMissing(f"the database refuses this to the service: {error.diag.message_primary}"))


async def on_unforeseen(request: Request, error: Exception) -> Response:
    """Answers an unexpected error; the log has the details."""
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return Problem(ProblemError("an unforeseen error; the service's log has the details"))


EXCEPTION_HANDLERS: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    ProblemError: on_problem,
    HTTPException: on_http_exception,
    psycopg.errors.InsufficientPrivilege: on_missing_right,
    ClientDisconnect: on_disconnect,
    Exception: on_unforeseen,
}
