"""The newest reading of each device: parameters in, structs out."""

from dataclasses import dataclass
from typing import Any

import msgspec

from app.db.pool import Database
from app.errors import UnknownMeter, UnknownVehicle
from app.wire.live import LiveMeter, LiveMeters, LiveVehicle, LiveVehicleDetail, LiveVehicles


@dataclass(frozen=True, slots=True)
class Page:
    """Which devices to list: ids after `after`, at most `limit`; filters that are None let all through.

    `silent_for_s` keeps devices whose newest reading was taken longer ago than that, in seconds.
    """

    after: str = ""
    limit: int = 100
    charging: bool | None = None
    silent_for_s: float | None = None

    def parameters(self) -> dict[str, Any]:
        """The query's parameters; one row more than the limit, to know whether there is a next page."""
        return {
            "after": self.after,
            "row_limit": self.limit + 1,
            "charging": self.charging,
            "silent_for_s": self.silent_for_s,
        }


async def meter(database: Database, meter_id: str) -> LiveMeter:
    """A meter's newest reading. Raises :class:`UnknownMeter` where it never sent one, :class:`DatabaseLost`."""
    rows = await database.fetch_all("live_meter", {"device_id": meter_id})
    if not rows:
        raise UnknownMeter(f"meter {meter_id} has no reading")
    return _live_meter(rows[0])


async def vehicle(database: Database, vehicle_id: str) -> LiveVehicleDetail:
    """A vehicle's newest reading, judged by those of the hour before. Raises :class:`UnknownVehicle` where it never
    sent one, :class:`DatabaseLost`. Source of the judgement: `api.soc_is_plausible`."""
    rows = await database.fetch_all("live_vehicle", {"device_id": vehicle_id})
    if not rows:
        raise UnknownVehicle(f"vehicle {vehicle_id} has no reading")
    found = rows[0]
    # A query of its own, so that the hour is known when it is planned: no other chunk is opened.
    parameters = {"device_id": vehicle_id, "recorded_at": found.recorded_at}
    [judged] = await database.fetch_all("soc_is_plausible", parameters)
    return LiveVehicleDetail(**msgspec.structs.asdict(_live_vehicle(found)), socPlausible=judged.is_plausible)


async def meters(database: Database, page: Page) -> LiveMeters:
    """A page of meters in order of id, empty where none fits. Raises :class:`DatabaseLost`."""
    rows = [_live_meter(row) for row in await database.fetch_all("live_meters", page.parameters())]
    listed = rows[: page.limit]
    return LiveMeters(listed, listed[-1].meterId if len(rows) > page.limit else None)


async def vehicles(database: Database, page: Page) -> LiveVehicles:
    """A page of vehicles in order of id, empty where none fits. Raises :class:`DatabaseLost`."""
    rows = [_live_vehicle(row) for row in await database.fetch_all("live_vehicles", page.parameters())]
    listed = rows[: page.limit]
    return LiveVehicles(listed, listed[-1].vehicleId if len(rows) > page.limit else None)


def _live_meter(row: Any) -> LiveMeter:
    return LiveMeter(
        meterId=row.meter_id,
        timestamp=row.recorded_at,
        kwhConsumedAc=row.energy_ac_kwh,
        voltage=row.voltage_v,
        charging=row.is_charging,
        receivedAt=row.received_at,
    )


def _live_vehicle(row: Any) -> LiveVehicle:
    return LiveVehicle(
        vehicleId=row.vehicle_id,
        timestamp=row.recorded_at,
        soc=row.soc_pct,
        kwhDeliveredDc=row.energy_dc_kwh,
        batteryTemp=row.battery_temp_c,
        charging=row.is_charging,
        receivedAt=row.received_at,
    )
