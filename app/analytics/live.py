"""What devices do now: parameters in, structs out."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from app.analytics.rounding import ENERGY_DIGITS, MINUTES_DIGITS, POWER_DIGITS, rounded
from app.db.pool import Database
from app.errors import UnknownMeter, UnknownVehicle
from app.wire.live import LiveCounts, LiveFleet, LiveMeter, LiveMeters, LiveVehicle, LiveVehicleDetail, LiveVehicles

DeviceType = Literal["meter", "vehicle"]


@dataclass(frozen=True, slots=True)
class Page:
    """Which devices to list: ids after `after`, at most `limit`; filters that are None let all through.

    `silent_for_s` keeps devices whose newest reading was taken longer ago than that, `seen_within_s` the others, in
    seconds; `place` is a site or a group.
    """

    after: str = ""
    limit: int = 100
    charging: bool | None = None
    silent_for_s: float | None = None
    seen_within_s: float | None = None
    place: str | None = None
    search: str | None = None
    device_id: str | None = None

    def parameters(self, device_type: DeviceType) -> dict[str, Any]:
        """The query's parameters; one row more than the limit, to know whether there is a next page."""
        return {
            "device_type": device_type,
            "device_id": self.device_id,
            "charging": self.charging,
            "silent_for_s": self.silent_for_s,
            "seen_within_s": self.seen_within_s,
            "place_name": self.place,
            "search": self.search,
            "after": self.after,
            "row_limit": self.limit + 1,
            "as_of": datetime.now(UTC),
        }


async def meter(database: Database, meter_id: str) -> LiveMeter:
    """A meter's newest reading. Raises :class:`UnknownMeter` where it never sent one, :class:`DatabaseLost`."""
    rows = await database.fetch_all("devices_now", Page(device_id=meter_id).parameters("meter"))
    if not rows:
        raise UnknownMeter(f"meter {meter_id} has no reading")
    return _live_meter(rows[0])


async def vehicle(database: Database, vehicle_id: str) -> LiveVehicleDetail:
    """A vehicle's newest reading, judged by those of the hour before. Raises :class:`UnknownVehicle` where it never
    sent one, :class:`DatabaseLost`. Source of the judgement: `api.soc_is_plausible`."""
    rows = await database.fetch_all("devices_now", Page(device_id=vehicle_id).parameters("vehicle"))
    if not rows:
        raise UnknownVehicle(f"vehicle {vehicle_id} has no reading")
    found = rows[0]
    # A query of its own, so that the hour is known when it is planned: no other chunk is opened.
    parameters = {"device_id": vehicle_id, "recorded_at": found.recorded_at}
    [judged] = await database.fetch_all("soc_is_plausible", parameters)
    return LiveVehicleDetail(**msgspec.structs.asdict(_live_vehicle(found)), socPlausible=judged.is_plausible)


async def meters(database: Database, page: Page) -> LiveMeters:
    """A page of meters in order of id, empty where none fits. Raises :class:`DatabaseLost`. Source:
    `api.devices_now`."""
    rows, total, following = await _page(database, "meter", page)
    return LiveMeters(total, [_live_meter(row) for row in rows], following)


async def vehicles(database: Database, page: Page) -> LiveVehicles:
    """A page of vehicles in order of id, empty where none fits. Raises :class:`DatabaseLost`. Source:
    `api.devices_now`."""
    rows, total, following = await _page(database, "vehicle", page)
    return LiveVehicles(total, [_live_vehicle(row) for row in rows], following)


async def fleet(database: Database, site: str | None, group: str | None) -> LiveFleet:
    """How many devices charge and at which power, of a site and a group or of all. Raises :class:`DatabaseLost`.
    Source: `api.fleet_now`."""
    rows = await database.fetch_all("fleet_now", {"site": site, "group": group, "as_of": datetime.now(UTC)})
    counts = {
        row.device_type: LiveCounts(
            row.devices, row.devices_silent, row.devices_charging, round(row.power_kw, POWER_DIGITS)
        )
        for row in rows
    }
    return LiveFleet(counts["meter"], counts["vehicle"])


async def _page(database: Database, device_type: DeviceType, page: Page) -> tuple[list[Any], int, str | None]:
    """Rows of a page, how many devices the whole list has, and after which the next page begins."""
    rows = await database.fetch_all("devices_now", page.parameters(device_type))
    listed = rows[: page.limit]
    following = listed[-1].device_id if len(rows) > page.limit else None
    if not rows and page.after:
        # After the last one: what the list counts is still asked for.
        rows = await database.fetch_all("devices_now", replace(page, after="", limit=0).parameters(device_type))
    return listed, rows[0].listed_devices if rows else 0, following


def _live_meter(row: Any) -> LiveMeter:
    return LiveMeter(
        meterId=row.device_id,
        name=row.name,
        site=row.place_name,
        timestamp=row.recorded_at,
        kwhConsumedAc=row.energy_kwh,
        voltage=row.voltage_v,
        charging=row.is_charging,
        powerKw=rounded(row.power_kw, POWER_DIGITS),
        vehicleId=row.counterpart_id,
        since=row.plugged_in_at,
        kwhSincePlugIn=rounded(row.energy_since_kwh, ENERGY_DIGITS),
        receivedAt=row.received_at,
    )


def _live_vehicle(row: Any) -> LiveVehicle:
    return LiveVehicle(
        vehicleId=row.device_id,
        name=row.name,
        group=row.place_name,
        timestamp=row.recorded_at,
        soc=row.soc_pct,
        kwhDeliveredDc=row.energy_kwh,
        batteryTemp=row.battery_temp_c,
        charging=row.is_charging,
        powerKw=rounded(row.power_kw, POWER_DIGITS),
        meterId=row.counterpart_id,
        since=row.plugged_in_at,
        kwhSincePlugIn=rounded(row.energy_since_kwh, ENERGY_DIGITS),
        minutesToFull=rounded(row.minutes_to_full, MINUTES_DIGITS),
        receivedAt=row.received_at,
    )
