"""The fleet that continues what the service has of an earlier run."""

from datetime import datetime, timedelta
from typing import Final

from app.local.demo.client import Assignment, Client, Devices, LiveMeters, LiveVehicles
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
    vehicle_ids = {vehicle.vehicle_id for vehicle in roster.vehicles}
    pages = client.pages("/v1/live/vehicles", LiveVehicles, limit=1000)
    known = [vehicle for page in pages for vehicle in page.vehicles if vehicle.vehicle_id in vehicle_ids]
    # Asked by vehicle and by meter: an earlier fleet of another size may hold either with a device this one lacks.
    listed: list[Assignment] = []
    for vehicle in roster.vehicles:
        listed += client.assignments(vehicleId=vehicle.vehicle_id)
    for charger in roster.chargers:
        listed += client.assignments(meterId=charger.meter_id)
    latest = max(
        [vehicle.timestamp for vehicle in known]
        + [assignment.begins_at for assignment in listed]
        + [assignment.ends_at for assignment in listed if assignment.ends_at is not None],
        default=this_minute - past,
    )
    begun_at = min((assignment.begins_at for assignment in listed), default=this_minute - past)
    start = min(max(whole_minute(latest + MINUTE - timedelta.resolution), this_minute - past), this_minute)
    still_open = {assignment.id: assignment for assignment in listed if assignment.ends_at is None}
    for assignment in still_open.values():
        # A second later, so that the reading stamped `start` still belongs to it; the new run's first one begins a
        # minute later.
        client.end_assignment(assignment, max(start, assignment.begins_at) + timedelta(seconds=1))
    fleet = Fleet(
        seed,
        vehicles,
        chargers,
        start,
        {vehicle.vehicle_id: vehicle.soc for vehicle in known},
        {vehicle.vehicle_id: vehicle.battery_temp for vehicle in known},
        {vehicle.vehicle_id for vehicle in known if vehicle.charging},
        _midnight(min(begun_at, start)),
    )
    if fleet.story is not None:
        register = fleet.chargers[fleet.story.register].meter_id
        meters = (meter for page in client.pages("/v1/live/meters", LiveMeters, limit=1000) for meter in page.meters)
        fleet.register_kwh = next(
            (meter.kwh_consumed_ac for meter in meters if meter.meter_id == register), fleet.register_kwh
        )
    size = f"{vehicles} vehicles at {chargers} chargers"
    if not known:
        return fleet, f"A simulated fleet, {size}, from {rfc3339(start)} on."
    closed = f"{len(still_open)} open assignment{'' if len(still_open) == 1 else 's'} closed"
    return fleet, f"Continuing a simulated fleet, {size}, from {rfc3339(start)} on; {closed}."


def _midnight(moment: datetime) -> datetime:
    """The day on which a fleet began: a later run knows its first assignment, not its first reading."""
    return moment.replace(hour=0, minute=0)


def other_device(client: Client) -> str | None:
    """A device that is not simulated, or None: in the order of ids it stands before all simulated ones or after."""
    for kind in ("meters", "vehicles"):
        for query in ({}, {"after": _LAST_OWN_ID}):
            page = client.get(f"/v1/{kind}", Devices, limit=1, **query)
            for device in (*page.meters, *page.vehicles):
                device_id = device.meter_id or device.vehicle_id
                if not device_id.startswith(ID_PREFIX):
                    return device_id
    return None
