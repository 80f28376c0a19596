"""HTTP: decode, call, encode."""

from functools import wraps

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import (
    analytics,
    assignments_http,
    devices_http,
    fleet,
    health,
    ingest_http,
    live,
    meters,
    metrics,
    pages,
    requests,
    series,
)
from app.errors import DatabaseLost, UnknownMeter, UnknownVehicle
from app.models import DeviceId, Status
from app.openapi import document, query_parameters
from app.replies import json as _json
from app.replies import service as _service

# Analytics


async def vehicle_performance(request: Request) -> Response:
    """A vehicle's AC and DC energy over a window, and their ratio."""
    settings, database, _, _ = _service(request)
    vehicle_id = requests.device_id(request, UnknownVehicle)
    window = requests.window(request, settings.max_window_days)
    return _json(await analytics.vehicle_performance(database, vehicle_id, window))


async def vehicle_explanation(request: Request) -> Response:
    """What a vehicle's performance is made of."""
    settings, database, _, _ = _service(request)
    vehicle_id = requests.device_id(request, UnknownVehicle)
    window = requests.window(request, settings.max_window_days)
    return _json(await analytics.vehicle_explanation(database, vehicle_id, window))


async def vehicle_series(request: Request) -> Response:
    """A vehicle's performance by hour or day."""
    settings, database, _, _ = _service(request)
    vehicle_id = requests.device_id(request, UnknownVehicle)
    window = requests.window(request, settings.max_window_days)
    return _json(await series.vehicle_series(database, vehicle_id, window, requests.cut(request)))


async def meter_energy(request: Request) -> Response:
    """What a meter drew over a window, and for which vehicles."""
    settings, database, _, _ = _service(request)
    meter_id = requests.device_id(request, UnknownMeter)
    return _json(await meters.meter_energy(database, meter_id, requests.window(request, settings.max_window_days)))


async def fleet_energy(request: Request) -> Response:
    """The fleet's energy over a window."""
    settings, database, _, _ = _service(request)
    return _json(await fleet.fleet(database, requests.window(request, settings.max_window_days)))


async def fleet_series(request: Request) -> Response:
    """The fleet's energy by hour or day."""
    settings, database, _, _ = _service(request)
    window = requests.window(request, settings.max_window_days)
    return _json(await fleet.fleet_series(database, window, requests.cut(request)))


async def losses(request: Request) -> Response:
    """Devices that lose energy, most of it first; data faults and unattributed energy apart."""
    settings, database, _, _ = _service(request)
    window = requests.window(request, settings.max_window_days)
    limit = requests.limit(request, settings.max_list_limit)
    return _json(await fleet.losses(database, window, requests.ratio(request, "below"), limit))


async def battery_health(request: Request) -> Response:
    """A battery's capacity, its trend, and the hours it was hot."""
    settings, database, _, _ = _service(request)
    vehicle_id = requests.device_id(request, UnknownVehicle)
    window = requests.window(request, settings.max_health_days, requests.DEFAULT_HEALTH_WINDOW)
    return _json(await health.battery(database, vehicle_id, window))


async def charger_health(request: Request) -> Response:
    """A charger's ratio day by day, and whether it changed."""
    settings, database, _, _ = _service(request)
    meter_id = requests.device_id(request, UnknownMeter)
    window = requests.window(request, settings.max_health_days, requests.DEFAULT_HEALTH_WINDOW)
    return _json(await health.charger(database, meter_id, window))


# Live state


async def live_meters(request: Request) -> Response:
    """A page of meters with their newest readings."""
    return _json(await live.meters(_service(request).database, _live_page(request)))


async def live_meter(request: Request) -> Response:
    """A meter's newest reading."""
    return _json(await live.meter(_service(request).database, requests.device_id(request, UnknownMeter)))


async def live_vehicles(request: Request) -> Response:
    """A page of vehicles with their newest readings."""
    return _json(await live.vehicles(_service(request).database, _live_page(request)))


async def live_vehicle(request: Request) -> Response:
    """A vehicle's newest reading."""
    return _json(await live.vehicle(_service(request).database, requests.device_id(request, UnknownVehicle)))


def _live_page(request: Request) -> live.Page:
    return live.Page(
        after=requests.value(request, "after", DeviceId) or "",
        limit=requests.limit(request, _service(request).settings.max_list_limit),
        charging=requests.flag(request, "charging"),
        silent_for_s=requests.seconds(request, "silentFor"),
    )


# The service itself


async def livez(request: Request) -> Response:  # noqa: ARG001
    """The process answers."""
    return _json(Status("live"))


async def readyz(request: Request) -> Response:
    """The database answers and readings are being written."""
    settings, database, _, writer = _service(request)
    if not writer.is_running:
        raise DatabaseLost("readings are not being written")
    if writer.unwritten_for_s > settings.write_timeout_s:
        raise DatabaseLost(f"readings wait, and none was written for {writer.unwritten_for_s:.0f} s")
    await database.fetch_all("ping")
    return _json(Status("ready"))


async def prometheus(request: Request) -> Response:  # noqa: ARG001
    """What the service counts of itself, for Prometheus."""
    return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)


async def openapi(request: Request) -> Response:  # noqa: ARG001
    """This API, described."""
    return _json(document())


async def docs(request: Request) -> Response:  # noqa: ARG001
    """This API, described for a person."""
    return Response(pages.docs(document()), media_type="text/html")


async def home(request: Request) -> Response:  # noqa: ARG001
    """Where to go from here."""
    return Response(pages.home(), media_type="text/html")


def _checked(route: Route) -> Route:
    """The route, with a query held to the parameters that the description lists for it."""
    [method] = (route.methods or set()) - {"HEAD"}
    known = query_parameters(method, route.path)

    @wraps(route.endpoint)
    async def endpoint(request: Request) -> Response:
        requests.check_parameters(request, known)
        response: Response = await route.endpoint(request)
        return response

    return Route(route.path, endpoint, methods=[method])


_ANSWERS = [
    Route("/v1/analytics/performance/{id}", vehicle_performance),
    Route("/v1/analytics/performance/{id}/explain", vehicle_explanation),
    Route("/v1/analytics/performance/{id}/series", vehicle_series),
    Route("/v1/analytics/meters/{id}", meter_energy),
    Route("/v1/analytics/fleet", fleet_energy),
    Route("/v1/analytics/fleet/series", fleet_series),
    Route("/v1/analytics/losses", losses),
    Route("/v1/analytics/health/{id}", battery_health),
    Route("/v1/analytics/health/meters/{id}", charger_health),
    Route("/v1/live/meters", live_meters),
    Route("/v1/live/meters/{id}", live_meter),
    Route("/v1/live/vehicles", live_vehicles),
    Route("/v1/live/vehicles/{id}", live_vehicle),
    *assignments_http.ROUTES,
    *devices_http.ROUTES,
]
ROUTES = [
    # It checks its parameters itself, where it has any.
    Route(ingest_http.PATH, ingest_http.ingest, methods=["POST"]),
    *map(_checked, _ANSWERS),
    # Probes and browsers may add parameters of their own.
    Route("/livez", livez),
    Route("/readyz", readyz),
    Route("/metrics", prometheus),
    Route("/openapi.json", openapi),
    Route("/docs", docs),
    Route("/", home),
]
