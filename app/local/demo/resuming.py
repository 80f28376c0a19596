"""The fleet that continues what the service has of an earlier run."""

from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from app.local.demo.client import Assignment, Client, Devices, LiveVehicle, LiveVehicles, assignments, close
from app.local.demo.posting import now, whole_minute
from app.local.simulator import ID_PREFIX, MINUTE, Fleet, rfc3339

_CHARGERS_PER_VEHICLE: Final = 0.6
# Above every id of a simulated device, and below every greater one of others.
_LAST_OWN_ID: Final = ID_PREFIX.ljust(64, "z")


def resume(client: Client, seed: int, vehicles: int, past: timedelta) -> tuple[Fleet, str]:
    """Make the fleet that continues what the service has of it; returns it with a line that says so.

    It starts after everything an earlier run made known: readings, and assignments, which run ahead of them.
    """
    chargers = max(2, round(vehicles * _CHARGERS_PER_VEHICLE))
    this_minute = whole_minute(now())
    roster = Fleet(seed, vehicles, chargers, this_minute)
    known = _known_vehicles(client, {vehicle.vehicle_id for vehicle in roster.vehicles})
    # Asked by vehicle and by meter: an earlier fleet of another size may hold either with a device this one lacks.
    listed: list[Assignment] = []
    for vehicle in roster.vehicles:
        listed += assignments(client, vehicleId=vehicle.vehicle_id)
    for charger in roster.chargers:
        listed += assignments(client, meterId=charger.meter_id)
    latest = max(
        [vehicle.timestamp for vehicle in known]
        + [assignment.begins_at for assignment in listed]
        + [assignment.ends_at for assignment in listed if assignment.ends_at is not None],
        default=this_minute - past,
    )
    start = min(max(whole_minute(latest + MINUTE - timedelta.resolution), this_minute - past), this_minute)
    still_open = {assignment.id: assignment for assignment in listed if assignment.ends_at is None}
    for assignment in still_open.values():
        # A second later, so that the reading stamped `start` still belongs to it; the new run's first one begins a
        # minute later.
        close(client, assignment, max(start, assignment.begins_at) + timedelta(seconds=1))
    fleet = Fleet(
        seed,
        vehicles,
        chargers,
        start,
        {vehicle.vehicle_id: vehicle.soc for vehicle in known},
        {vehicle.vehicle_id: vehicle.battery_temp for vehicle in known},
        {vehicle.vehicle_id for vehicle in known if vehicle.charging},
    )
    size = f"{vehicles} vehicles at {chargers} chargers"
    if not known:
        return fleet, f"A simulated fleet, {size}, from {rfc3339(start)} on."
    closed = f"{len(still_open)} open assignment{'' if len(still_open) == 1 else 's'} closed"
    return fleet, f"Continuing a simulated fleet, {size}, from {rfc3339(start)} on; {closed}."


def other_device(client: Client) -> str | None:
    """A device that is not simulated, or None. Listed in order of id, one stands before all simulated
    ones or behind them."""
    for kind in ("meters", "vehicles"):
        for query in ({"limit": "1"}, {"limit": "1", "after": _LAST_OWN_ID}):
            page = client.get(f"/v1/{kind}?{urlencode(query)}", Devices)
            for device in (*page.meters, *page.vehicles):
                device_id = device.meter_id or device.vehicle_id
                if not device_id.startswith(ID_PREFIX):
                    return device_id
    return None


def _known_vehicles(client: Client, vehicle_ids: set[str]) -> list[LiveVehicle]:
    known: list[LiveVehicle] = []
    query: dict[str, Any] = {"limit": 1000}
    while True:
        page = client.get(f"/v1/live/vehicles?{urlencode(query)}", LiveVehicles)
        known += [vehicle for vehicle in page.vehicles if vehicle.vehicle_id in vehicle_ids]
        if page.next is None:
            return known
        query["after"] = page.next
