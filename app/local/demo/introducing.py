"""What an operator says of the fleet's devices: names, sites and groups, what they can deliver, an exchanged meter."""

from typing import Final

from app.local.demo.client import Client
from app.local.simulator import EXCHANGED_REGISTER_KWH, MINUTE, Fleet, rfc3339

_SITES: Final = ("Depot North", "Depot South", "Harbour")
_CHARGERS_PER_SITE: Final = 8
# By capacity, kWh.
_GROUPS: Final = {40.0: "Cars", 60.0: "Vans", 77.0: "Trucks"}
_FAST_FROM_KW: Final = 40.0


def introduce(client: Client, fleet: Fleet) -> None:
    """Register every device of the fleet; a second time changes nothing."""
    register = None if fleet.story is None else fleet.chargers[fleet.story.register].meter_id
    for index, charger in enumerate(fleet.chargers):
        site = _SITES[index // _CHARGERS_PER_SITE % len(_SITES)]
        kind = "Fast charger" if charger.rated_kw > _FAST_FROM_KW else "Wall box"
        details = {"name": f"{kind} {index + 1}", "site": site, "ratedPowerKw": charger.rated_kw}
        reads = {"energyReading": "register"} if charger.meter_id == register else {}
        client.call("PUT", f"/v1/meters/{charger.meter_id}", details | reads)
    for index, vehicle in enumerate(fleet.vehicles):
        group = _GROUPS[vehicle.capacity_kwh]
        details = {
            "name": f"{group.removesuffix('s')} {index + 1}",
            "group": group,
            "batteryCapacityKwh": vehicle.capacity_kwh,
        }
        client.call("PUT", f"/v1/vehicles/{vehicle.vehicle_id}", details)


def announce_exchange(client: Client, fleet: Fleet) -> None:
    """Say when the fleet's register was exchanged, and with which value the new meter began; again changes nothing.

    As soon as it has happened: nobody decides about what is a month away.
    """
    if fleet.story is not None and fleet.now > fleet.story.exchanged_at:
        announced = {
            "meterId": fleet.chargers[fleet.story.register].meter_id,
            "at": rfc3339(fleet.story.exchanged_at + MINUTE),
            "decision": "exchange",
            "firstKwh": EXCHANGED_REGISTER_KWH,
        }
        client.call("PUT", "/v1/register-decisions?reason=meter%20exchanged", announced)
