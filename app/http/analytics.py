"""Analytics over HTTP."""

from starlette.requests import Request
from starlette.responses import Response

from app.analytics import fleet, health, losses, meter, vehicle
from app.errors import UnknownMeter, UnknownVehicle
from app.http import parameters
from app.http.responses import json as _json
from app.http.service import service as _service


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
    """A vehicle's performance by hour or day."""
    settings, database, _, _ = _service(request)
    vehicle_id = parameters.device_id(request, UnknownVehicle)
    window = parameters.window(request, settings.max_window_days)
    return _json(await vehicle.vehicle_series(database, vehicle_id, window, parameters.cut(request)))


async def meter_energy(request: Request) -> Response:
    """What a meter drew over a window, and for which vehicles."""
    settings, database, _, _ = _service(request)
    meter_id = parameters.device_id(request, UnknownMeter)
    return _json(await meter.meter_energy(database, meter_id, parameters.window(request, settings.max_window_days)))


async def fleet_energy(request: Request) -> Response:
    """The fleet's energy over a window."""
    settings, database, _, _ = _service(request)
    return _json(await fleet.fleet(database, parameters.window(request, settings.max_window_days)))


async def fleet_series(request: Request) -> Response:
    """The fleet's energy by hour or day."""
    settings, database, _, _ = _service(request)
    window = parameters.window(request, settings.max_window_days)
    return _json(await fleet.fleet_series(database, window, parameters.cut(request)))


async def energy_losses(request: Request) -> Response:
    """Devices that lose energy, most of it first; data faults and unattributed energy apart."""
    settings, database, _, _ = _service(request)
    window = parameters.window(request, settings.max_window_days)
    limit = parameters.limit(request, settings.max_list_limit)
    return _json(await losses.losses(database, window, parameters.ratio(request, "below"), limit))


async def battery_health(request: Request) -> Response:
    """A battery's capacity, its trend, and the hours it was hot."""
    settings, database, _, _ = _service(request)
    vehicle_id = parameters.device_id(request, UnknownVehicle)
    window = parameters.window(request, settings.max_health_days, parameters.DEFAULT_HEALTH_WINDOW)
    return _json(await health.battery(database, vehicle_id, window))


async def charger_health(request: Request) -> Response:
    """A charger's ratio day by day, and whether it changed."""
    settings, database, _, _ = _service(request)
    meter_id = parameters.device_id(request, UnknownMeter)
    window = parameters.window(request, settings.max_health_days, parameters.DEFAULT_HEALTH_WINDOW)
    return _json(await health.charger(database, meter_id, window))
