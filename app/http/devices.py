"""Devices over HTTP: listed, changed, with what their kWh values mean; and the fleet's defaults."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.errors import InvalidParameter, UnknownMeter, UnknownVehicle
from app.http import bodies, parameters
from app.http.responses import json, listed
from app.http.service import service
from app.registry import devices
from app.wire.devices import FleetDefaultsChange, MeterChange, VehicleChange
from app.wire.values import DeviceId, Label


async def list_meters(request: Request) -> Response:
    """A page of meters, and what their kWh values mean."""
    return listed(request, await devices.meters(service(request).database, _page(request, "site")))


async def list_vehicles(request: Request) -> Response:
    """A page of vehicles, and what their kWh values mean."""
    return listed(request, await devices.vehicles(service(request).database, _page(request, "group")))


async def meter(request: Request) -> Response:
    """A meter, and what its kWh values meant at all times."""
    return json(await devices.meter(service(request).database, parameters.device_id(request, UnknownMeter)))


async def vehicle(request: Request) -> Response:
    """A vehicle, and what its kWh values meant at all times."""
    return json(await devices.vehicle(service(request).database, parameters.device_id(request, UnknownVehicle)))


async def set_meter(request: Request) -> Response:
    """Register a meter, or change it."""
    settings, database, _, _ = service(request)
    meter_id = parameters.device_id(request, InvalidParameter)
    wanted = bodies.decoded(await bodies.json_body(request, settings.max_body_bytes), MeterChange)
    return json(await devices.set_meter(database, meter_id, wanted))


async def set_vehicle(request: Request) -> Response:
    """Register a vehicle, or change it."""
    settings, database, _, _ = service(request)
    vehicle_id = parameters.device_id(request, InvalidParameter)
    wanted = bodies.decoded(await bodies.json_body(request, settings.max_body_bytes), VehicleChange)
    return json(await devices.set_vehicle(database, vehicle_id, wanted))


async def fleet_defaults(request: Request) -> Response:
    """What kWh values mean by default, and how lost plugOuts are closed."""
    return json(await devices.fleet_defaults(service(request).database))


async def set_fleet_defaults(request: Request) -> Response:
    """Change what kWh values mean by default, or how lost plugOuts are closed."""
    settings, database, _, _ = service(request)
    operator = parameters.author(request).operator
    wanted = bodies.decoded(await bodies.json_body(request, settings.max_body_bytes), FleetDefaultsChange)
    return json(await devices.set_fleet_defaults(database, wanted, operator))


def _page(request: Request, place: str) -> devices.Page:
    return devices.Page(
        after=parameters.value(request, "after", DeviceId) or "",
        limit=parameters.limit(request, service(request).settings.max_list_limit),
        place=parameters.value(request, place, Label),
        search=parameters.value(request, "search", Label),
    )


ROUTES = [
    Route("/v1/meters", list_meters),
    Route("/v1/meters/{id}", meter),
    Route("/v1/meters/{id}", set_meter, methods=["PUT"]),
    Route("/v1/vehicles", list_vehicles),
    Route("/v1/vehicles/{id}", vehicle),
    Route("/v1/vehicles/{id}", set_vehicle, methods=["PUT"]),
    Route("/v1/fleet/defaults", fleet_defaults),
    Route("/v1/fleet/defaults", set_fleet_defaults, methods=["PUT"]),
]
