"""What is wrong with the data, over HTTP: issues of all kinds, and conflicts of readings."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.analytics import quality
from app.http import parameters
from app.http.responses import listed
from app.http.service import service
from app.registry import conflicts
from app.wire.quality import QualityKind
from app.wire.values import Label

DEFAULT_SILENT_FOR_S = 3600.0
"""Default of `silentFor` in data quality: from when on a device is silent."""
DEFAULT_LATE_BY_S = 3600.0
"""Default of `lateBy` in data quality: from when on a reading came late."""


async def data_quality(request: Request) -> Response:
    """A page of issues, of a kind or of all."""
    settings, database, _, _ = service(request)
    silent_for_s, late_by_s = (parameters.seconds(request, name) for name in ("silentFor", "lateBy"))
    page = quality.Page(
        kind=parameters.value(request, "kind", QualityKind),
        site=parameters.value(request, "site", Label),
        group=parameters.value(request, "group", Label),
        search=parameters.value(request, "search", Label),
        silent_for_s=DEFAULT_SILENT_FOR_S if silent_for_s is None else silent_for_s,
        late_by_s=DEFAULT_LATE_BY_S if late_by_s is None else late_by_s,
        after=parameters.integer(request, "after", 0, 0, parameters.LARGEST_BIGINT),
        limit=parameters.limit(request, settings.max_list_limit),
    )
    return listed(request, await quality.issues(database, parameters.window(request, settings.max_window_days), page))


async def reading_conflicts(request: Request) -> Response:
    """A page of conflicts, of a device or of all, within a range of time."""
    settings, database, _, _ = service(request)
    begins, ends = parameters.instants(request)
    page = await conflicts.listed(
        database,
        parameters.device(request),
        begins=begins,
        ends=ends,
        after=parameters.place(request),
        limit=parameters.limit(request, settings.max_list_limit),
    )
    return listed(request, page)


ROUTES = [
    Route("/v1/quality", data_quality),
    Route("/v1/quality/conflicts", reading_conflicts),
]
