"""Which handler answers which path."""

from functools import wraps

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.http import (
    assignments,
    corrections,
    database,
    devices,
    erasures,
    ingest,
    keys,
    pages,
    parameters,
    quality,
    register_events,
    responses,
    sessions,
)
from app.http.analytics import (
    battery_health,
    charger_health,
    energy_losses,
    fleet_energy,
    fleet_series,
    group_totals,
    meter_curve,
    meter_energy,
    meter_ranking,
    meter_series,
    site_totals,
    vehicle_curve,
    vehicle_explanation,
    vehicle_performance,
    vehicle_ranking,
    vehicle_series,
)
from app.http.documentation import openapi
from app.http.live import live_fleet, live_meter, live_meters, live_vehicle, live_vehicles
from app.http.openapi import query_parameters
from app.http.probes import livez, prometheus, readyz


def _checked(route: Route) -> Route:
    """The route, with a query held to the parameters that the description lists for it."""
    [method] = (route.methods or set()) - {"HEAD"}
    known = query_parameters(method, route.path)

    @wraps(route.endpoint)
    async def endpoint(request: Request) -> Response:
        parameters.check_parameters(request, known)
        if "format" in known:
            # Refused before the database is asked.
            parameters.wants_table(request)
        response: Response = await route.endpoint(request)
        return responses.validated(request, response) if method == "GET" else response

    return Route(route.path, endpoint, methods=[method])


_ANSWERS = [
    Route("/v1/analytics/performance/{id}", vehicle_performance),
    Route("/v1/analytics/performance/{id}/explain", vehicle_explanation),
    Route("/v1/analytics/performance/{id}/series", vehicle_series),
    Route("/v1/analytics/meters", meter_ranking),
    Route("/v1/analytics/meters/{id}", meter_energy),
    Route("/v1/analytics/meters/{id}/series", meter_series),
    Route("/v1/analytics/meters/{id}/curve", meter_curve),
    Route("/v1/analytics/vehicles", vehicle_ranking),
    Route("/v1/analytics/vehicles/{id}/curve", vehicle_curve),
    Route("/v1/analytics/sites", site_totals),
    Route("/v1/analytics/groups", group_totals),
    Route("/v1/analytics/fleet", fleet_energy),
    Route("/v1/analytics/fleet/series", fleet_series),
    Route("/v1/analytics/losses", energy_losses),
    Route("/v1/analytics/health/{id}", battery_health),
    Route("/v1/analytics/health/meters/{id}", charger_health),
    Route("/v1/live", live_fleet),
    Route("/v1/live/meters", live_meters),
    Route("/v1/live/meters/{id}", live_meter),
    Route("/v1/live/vehicles", live_vehicles),
    Route("/v1/live/vehicles/{id}", live_vehicle),
    *assignments.ROUTES,
    *devices.ROUTES,
    *register_events.ROUTES,
    *corrections.ROUTES,
    *erasures.ROUTES,
    *keys.ROUTES,
    *sessions.ROUTES,
    *quality.ROUTES,
    *database.ROUTES,
]
# What the description lists.
ROUTES = [
    # It checks its parameters itself, where it has any.
    Route(ingest.PATH, ingest.ingest, methods=["POST"]),
    *map(_checked, _ANSWERS),
    # Probes and browsers may add parameters of their own.
    Route("/livez", livez),
    Route("/readyz", readyz),
    Route("/metrics", prometheus),
    Route("/openapi.json", openapi),
]
ALL_ROUTES = [*ROUTES, *pages.ROUTES]
