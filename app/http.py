"""HTTP: decode, call, encode."""

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import (
    analytics,
    assignments,
    devices,
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
from app.config import Settings
from app.errors import (
    DatabaseLost,
    InvalidParameter,
    NoItemAccepted,
    UnknownMeter,
    UnknownVehicle,
)
from app.models import (
    AssignmentChange,
    Assignments,
    DeviceId,
    FleetDefaultsChange,
    ItemResults,
    MeterChange,
    NewAssignment,
    PlugEvent,
    Status,
    VehicleChange,
)
from app.openapi import document
from app.service import Service

_encoder = msgspec.json.Encoder()


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _json(content: Any, status: int = 200) -> Response:
    return Response(_encoder.encode(content), status, media_type=requests.JSON)


# Analytics


async def vehicle_performance(request: Request) -> Response:
    """A vehicle's AC and DC energy over a window, and their ratio."""
    settings, database, _, _ = _service(request)
    vehicle_id = requests.device_id(request, UnknownVehicle)
    window = requests.window(request, settings.max_window_days)
    return _json(await analytics.vehicle_performance(database, vehicle_id, window))


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


# Assignments


async def create_assignments(request: Request) -> Response:
    """Add an assignment, or several: whole or not at all, or with `partial` those that fit."""
    settings, database, _, _ = _service(request)
    author, partial = requests.author(request), requests.flag(request, "partial") or False
    is_lines, body = await _assignment_body(request)
    if not is_lines and not requests.is_array(body):
        wanted = requests.decoded(body, NewAssignment)
        if not partial:
            return _json((await assignments.create(database, [wanted], author))[0], 201)
        return _item_results(await assignments.create_each(database, [wanted], author))
    items = requests.items(body, is_lines)
    _check_count(settings, items)
    decoded = [requests.decoded_item(item, NewAssignment) for item in items]
    if partial:
        return _item_results(await assignments.create_each(database, decoded, author))
    return _json(Assignments(await assignments.create(database, requests.all_good(decoded), author), None), 201)


async def plug_events(request: Request) -> Response:
    """Apply an event of plugging in, plugging out or handing over, or several."""
    settings, database, _, _ = _service(request)
    author = requests.author(request)
    is_lines, body = await _assignment_body(request)
    if not is_lines and not requests.is_array(body):
        event = requests.decoded(body, PlugEvent)
        return _json(await assignments.apply_event(database, event, author, settings.max_clock_skew_s))
    items = requests.items(body, is_lines)
    _check_count(settings, items)
    events = [requests.decoded_item(item, PlugEvent) for item in items]
    return _item_results(await assignments.apply_events(database, events, author, settings.max_clock_skew_s))


async def _assignment_body(request: Request) -> tuple[bool, bytes]:
    """Whether a body is lines of JSON, and the body."""
    media_type = requests.media_type(request, (requests.JSON, requests.NDJSON))
    return media_type == requests.NDJSON, await requests.body(request, _service(request).settings.max_body_bytes)


def _check_count(settings: Settings, items: Sequence[bytes]) -> None:
    most = settings.max_assignments_per_request
    if not 1 <= len(items) <= most:
        raise InvalidParameter(f"{len(items)} items: a request holds 1 to {most}")


def _item_results(results: ItemResults) -> Response:
    if results.refused == len(results.results):
        raise NoItemAccepted("every item was refused; the results say why", msgspec.to_builtins(results))
    return _json(results)


async def list_assignments(request: Request) -> Response:
    """A page of assignments, of a meter, of a vehicle, at an instant, within a range of time."""
    settings, database, _, _ = _service(request)
    begins, ends = requests.instant(request, "from"), requests.instant(request, "to")
    if begins and ends and begins >= ends:
        raise InvalidParameter("`from` has to be earlier than `to`", {"field": "from"})
    page = await assignments.listed(
        database,
        meter_id=requests.value(request, "meterId", DeviceId),
        vehicle_id=requests.value(request, "vehicleId", DeviceId),
        at=requests.instant(request, "at"),
        begins=begins,
        ends=ends,
        after=requests.integer(request, "after", 0, 0, requests.LARGEST_BIGINT),
        limit=requests.limit(request, settings.max_list_limit),
    )
    return _json(page)


async def assignment(request: Request) -> Response:
    """An assignment with what became of it; a voided one too."""
    return _json(await assignments.history(_service(request).database, requests.assignment_id(request)))


async def change_assignment(request: Request) -> Response:
    """Close an assignment, or correct its ends or its devices."""
    settings, database, _, _ = _service(request)
    assignment_id, author = requests.assignment_id(request), requests.author(request)
    wanted = requests.decoded(await requests.json_body(request, settings.max_body_bytes), AssignmentChange)
    return _json(await assignments.change(database, assignment_id, wanted, author))


async def void_assignment(request: Request) -> Response:
    """Take away a wrong assignment; what became of it stays."""
    assignment_id, author = requests.assignment_id(request), requests.author(request)
    return _json(await assignments.void(_service(request).database, assignment_id, author))


async def assignment_changes(request: Request) -> Response:
    """A page of changes of assignments, in the order they were made."""
    settings, database, _, _ = _service(request)
    page = await assignments.changes(
        database,
        after=requests.integer(request, "after", 0, 0, requests.LARGEST_BIGINT),
        limit=requests.limit(request, settings.max_list_limit),
    )
    return _json(page)


# Devices


async def list_meters(request: Request) -> Response:
    """A page of meters, and what their kWh values mean."""
    settings, database, _, _ = _service(request)
    after = requests.value(request, "after", DeviceId) or ""
    return _json(await devices.meters(database, after=after, limit=requests.limit(request, settings.max_list_limit)))


async def list_vehicles(request: Request) -> Response:
    """A page of vehicles, and what their kWh values mean."""
    settings, database, _, _ = _service(request)
    after = requests.value(request, "after", DeviceId) or ""
    return _json(await devices.vehicles(database, after=after, limit=requests.limit(request, settings.max_list_limit)))


async def meter(request: Request) -> Response:
    """A meter, and what its kWh values meant at all times."""
    return _json(await devices.meter(_service(request).database, requests.device_id(request, UnknownMeter)))


async def vehicle(request: Request) -> Response:
    """A vehicle, and what its kWh values meant at all times."""
    return _json(await devices.vehicle(_service(request).database, requests.device_id(request, UnknownVehicle)))


async def set_meter(request: Request) -> Response:
    """List a meter, or change what is known of it."""
    settings, database, _, _ = _service(request)
    meter_id = requests.device_id(request, UnknownMeter)
    wanted = requests.decoded(await requests.json_body(request, settings.max_body_bytes), MeterChange)
    return _json(await devices.set_meter(database, meter_id, wanted))


async def set_vehicle(request: Request) -> Response:
    """List a vehicle, or change what is known of it."""
    settings, database, _, _ = _service(request)
    vehicle_id = requests.device_id(request, UnknownVehicle)
    wanted = requests.decoded(await requests.json_body(request, settings.max_body_bytes), VehicleChange)
    return _json(await devices.set_vehicle(database, vehicle_id, wanted))


async def fleet_defaults(request: Request) -> Response:
    """What kWh values mean where nothing is said of a device."""
    return _json(await devices.fleet_defaults(_service(request).database))


async def set_fleet_defaults(request: Request) -> Response:
    """Change what kWh values mean where nothing is said of a device."""
    settings, database, _, _ = _service(request)
    wanted = requests.decoded(await requests.json_body(request, settings.max_body_bytes), FleetDefaultsChange)
    return _json(await devices.set_fleet_defaults(database, wanted))


# The service itself


async def livez(request: Request) -> Response:  # noqa: ARG001
    """The process answers."""
    return _json(Status("live"))


async def readyz(request: Request) -> Response:
    """The database answers and readings are being written."""
    _, database, _, writer = _service(request)
    if not writer.is_running:
        raise DatabaseLost("readings are not being written")
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


ROUTES = [
    Route(ingest_http.PATH, ingest_http.ingest, methods=["POST"]),
    Route("/v1/analytics/performance/{id}", vehicle_performance),
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
    Route("/v1/assignments", create_assignments, methods=["POST"]),
    Route("/v1/assignments", list_assignments),
    Route("/v1/assignments/events", plug_events, methods=["POST"]),
    Route("/v1/assignments/changes", assignment_changes),
    Route("/v1/assignments/{id}", assignment),
    Route("/v1/assignments/{id}", change_assignment, methods=["PATCH"]),
    Route("/v1/assignments/{id}", void_assignment, methods=["DELETE"]),
    Route("/v1/meters", list_meters),
    Route("/v1/meters/{id}", meter),
    Route("/v1/meters/{id}", set_meter, methods=["PUT"]),
    Route("/v1/vehicles", list_vehicles),
    Route("/v1/vehicles/{id}", vehicle),
    Route("/v1/vehicles/{id}", set_vehicle, methods=["PUT"]),
    Route("/v1/fleet/defaults", fleet_defaults),
    Route("/v1/fleet/defaults", set_fleet_defaults, methods=["PUT"]),
    Route("/livez", livez),
    Route("/readyz", readyz),
    Route("/metrics", prometheus),
    Route("/openapi.json", openapi),
    Route("/docs", docs),
    Route("/", home),
]
