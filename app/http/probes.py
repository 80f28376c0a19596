"""Probes and metrics: liveness, readiness, and counters for Prometheus."""

from starlette.requests import Request
from starlette.responses import Response

from app import metrics
from app.errors import DatabaseLost
from app.http.responses import json as _json
from app.http.service import service as _service
from app.wire.service import Status


async def livez(request: Request) -> Response:  # noqa: ARG001
    """The process answers."""
    return _json(Status("live"))


async def readyz(request: Request) -> Response:
    """The database answers and readings are being written."""
    settings, database, decoder, writer = _service(request)
    decoder.check_clock()
    if not writer.is_running:
        raise DatabaseLost("readings are not being written")
    if writer.unwritten_for_s > settings.write_timeout_s:
        raise DatabaseLost(f"readings wait, and none was written for {writer.unwritten_for_s:.0f} s")
    await database.fetch_all("ping")
    return _json(Status("ready"))


async def prometheus(request: Request) -> Response:  # noqa: ARG001
    """What the service counts of itself, for Prometheus."""
    return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)
