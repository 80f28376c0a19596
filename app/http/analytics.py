"""Analytics over HTTP."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.analytics import curve, fleet, health, losses, meter, ranking, vehicle
from app.errors import UnknownMeter, UnknownVehicle
from app.http import parameters
from app.http.responses import json as _json
from app.http.responses import listed
from app.http.service import service as _service
from app.wire.curve import CurveBucket
from app.wire.ranking import MeterSort, Order, VehicleSort
from app.wire.values import Label


async def vehicle_performance(request: Request) -> Response:
    """A vehicle's AC and DC energy over a window, and their ratio."""
    settings, database, _, _ = _service(request)
    vehicle_id = parameters.device_id(request, UnknownVehicle)
    window = parameters.window(request, settings.max_window_days)
    return _json(await vehicle.vehicle_performance(database, vehicle_id, window))


async def vehicle_explanation(request: Request) -> Response:
    """What a vehicle's performance is made of."""
    settings, database, _, _ = _service(request)
    vehicle_id = parameters.device_id(request, UnknownVehicle)
    window = parameters.window(request, settings.max_window_days)
    return _json(await vehicle.vehicle_explanation(database, vehicle_id, window))


async def vehicle_series(request: Request) -> Response:
    """A vehicle's performance bucket by bucket."""
    settings, database, _, _ = _service(request)
    vehicle_id = parameters.device_id(request, UnknownVehicle)
    cut = parameters.cut(request)
    window = parameters.series_window(request, cut.bucket, settings)
    return listed(request, await vehicle.vehicle_series(database, vehicle_id, window, cut))


async def meter_energy(request: Request) -> Response:
    """What a meter drew over a window, and for which vehicles."""
    settings, database, _, _ = _service(request)
    meter_id = parameters.device_id(request, UnknownMeter)
    return _json(await meter.meter_energy(database, meter_id, parameters.window(request, settings.max_window_days)))


async def meter_series(request: Request) -> Response:
    """A meter's energy bucket by bucket."""
    settings, database, _, _ = _service(request)
    meter_id = parameters.device_id(request, UnknownMeter)
    cut = parameters.cut(request)
    window = parameters.series_window(request, cut.bucket, settings)
    return listed(request, await meter.meter_series(database, meter_id, window, cut))


async def fleet_energy(request: Request) -> Response:
    """The fleet's energy over a window."""
    settings, database, _, _ = _service(request)
    return _json(await fleet.fleet(database, parameters.window(request, settings.max_window_days)))


async def fleet_series(request: Request) -> Response:
    """The fleet's energy bucket by bucket."""
    settings, database, _, _ = _service(request)
    window = parameters.window(request, settings.max_window_days)
    return listed(request, await fleet.fleet_series(database, window, parameters.cut(request)))


async def energy_losses(request: Request) -> Response:
    """Devices that lose energy, most of it first; data faults and unattributed energy apart."""
    settings, database, _, _ = _service(request)
    window = parameters.window(request, settings.max_window_days)
    asked = window, parameters.ratio(request, "below"), parameters.limit(request, settings.max_list_limit)
    if parameters.wants_table(request):
        return listed(request, await losses.loss_table(database, *asked))
    return listed(request, await losses.losses(database, *asked))


async def meter_ranking(request: Request) -> Response:
    """A page of meters over a window, sorted by a figure."""
    settings, database, _, _ = _service(request)
    window = parameters.window(request, settings.max_window_days)
    return listed(request, await ranking.meters(database, window, _ranking_page(request, MeterSort, "site")))


async def vehicle_ranking(request: Request) -> Response:
    """A page of vehicles over a window, sorted by a figure."""
    settings, database, _, _ = _service(request)
    window = parameters.window(request, settings.max_window_days)
    return listed(request, await ranking.vehicles(database, window, _ranking_page(request, VehicleSort, "group")))


def _ranking_page(request: Request, sort: Any, place: str) -> ranking.Page:
    default = ranking.Page()
    order: Order | None = parameters.value(request, "order", Order)
    return ranking.Page(
        sort=parameters.value(request, "sort", sort) or default.sort,
        is_ascending=None if order is None else order == "asc",
        place=parameters.value(request, place, Label),
        search=parameters.value(request, "search", Label),
        after=parameters.integer(request, "after", 0, 0, parameters.LARGEST_BIGINT),
        limit=parameters.limit(request, _service(request).settings.max_list_limit),
    )


async def site_totals(request: Request) -> Response:
    """What the meters of each site add up to."""
    settings, database, _, _ = _service(request)
    return listed(request, await ranking.sites(database, parameters.window(request, settings.max_window_days)))


async def group_totals(request: Request) -> Response:
    """What the vehicles of each group add up to."""
    settings, database, _, _ = _service(request)
    return listed(request, await ranking.groups(database, parameters.window(request, settings.max_window_days)))


async def meter_curve(request: Request) -> Response:
    """A meter's power and voltage, minute by minute."""
    settings, database, _, _ = _service(request)
    meter_id = parameters.device_id(request, UnknownMeter)
    window = parameters.window(request, settings.max_window_days)
    return listed(request, await curve.meter_curve(database, meter_id, window, _curve_bucket(request)))


async def vehicle_curve(request: Request) -> Response:
    """A vehicle's power, state of charge and battery temperature, minute by minute."""
    settings, database, _, _ = _service(request)
    vehicle_id = parameters.device_id(request, UnknownVehicle)
    window = parameters.window(request, settings.max_window_days)
    return listed(request, await curve.vehicle_curve(database, vehicle_id, window, _curve_bucket(request)))


def _curve_bucket(request: Request) -> CurveBucket:
    bucket: CurveBucket | None = parameters.value(request, "bucket", CurveBucket)
    return bucket or "5m"


async def battery_health(request: Request) -> Response:
    """A battery's capacity, its trend, and the hours it was hot."""
    settings, database, _, _ = _service(request)
    vehicle_id = parameters.device_id(request, UnknownVehicle)
    window = parameters.window(request, settings.max_health_days, parameters.DEFAULT_HEALTH_WINDOW)
    return listed(request, await health.battery(database, vehicle_id, window))


async def charger_health(request: Request) -> Response:
    """A charger's ratio day by day, and whether it changed."""
    settings, database, _, _ = _service(request)
    meter_id = parameters.device_id(request, UnknownMeter)
    window = parameters.window(request, settings.max_health_days, parameters.DEFAULT_HEALTH_WINDOW)
    return listed(request, await health.charger(database, meter_id, window))
