"""The database as a DBA asks about it, over HTTP."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.analytics import reports
from app.http.responses import json, listed
from app.http.service import service


async def database_figures(request: Request) -> Response:
    """Sizes, policies and jobs."""
    return json(await reports.database_figures(service(request).database))


async def database_findings(request: Request) -> Response:
    """What is not normal."""
    return listed(request, await reports.database_findings(service(request).database))


ROUTES = [
    Route("/v1/database", database_figures),
    Route("/v1/database/findings", database_findings),
]
