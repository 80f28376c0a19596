"""All devices over a window, sorted by a figure, and totals of sites and groups: parameters in, structs out."""

from dataclasses import dataclass
from typing import Any

from app.analytics.rounding import (
    ENERGY_DIGITS,
    POWER_DIGITS,
    RATIO_DIGITS,
    TEMPERATURE_DIGITS,
    VOLTAGE_DIGITS,
    rounded,
)
from app.db.pool import Database
from app.wire.energy import Window
from app.wire.ranking import (
    Groups,
    GroupTotals,
    RankedMeter,
    RankedMeters,
    RankedVehicle,
    RankedVehicles,
    Sites,
    SiteTotals,
)

# Columns by the names that the wire has for them.
_COLUMNS = {
    "id": "device_id",
    "acConsumedKwh": "energy_ac_kwh",
    "dcDeliveredKwh": "energy_dc_kwh",
    "acUnattributedKwh": "energy_alone_kwh",
    "dcElsewhereKwh": "energy_alone_kwh",
    "efficiencyRatio": "efficiency_ratio",
    "meanPowerKw": "mean_power_kw",
    "lostKwh": "lost_kwh",
    "lostBeyondExpectedKwh": "lost_beyond_expected_kwh",
    "avgVoltage": "measured_mean",
    "avgBatteryTemp": "measured_mean",
    "sessions": "sessions",
    "hoursInUse": "hours_in_use",
    "readings": "readings",
    "coverage": "coverage",
}


@dataclass(frozen=True, slots=True)
class Page:
    """Which devices to list, in which order; `place` is a site or a group. Filters that are None let all through."""

    sort: str = "lostBeyondExpectedKwh"
    is_ascending: bool | None = None
    place: str | None = None
    search: str | None = None
    after: int = 0
    limit: int = 100


async def meters(database: Database, window: Window, page: Page) -> RankedMeters:
    """A page of meters over a window, sorted. Raises :class:`DatabaseLost`. Source: `api.device_ranking`."""
    rows, total = await _ranking(database, "meter", window, page)
    listed = [
        RankedMeter(
            **_device(row),
            site=row.place_name,
            acUnattributedKwh=rounded(row.energy_alone_kwh, ENERGY_DIGITS),
            avgVoltage=rounded(row.measured_mean, VOLTAGE_DIGITS),
        )
        for row in rows
        if row.place is not None
    ]
    return RankedMeters(window, total, listed, rows[0].is_pending, _next(rows, total))


async def vehicles(database: Database, window: Window, page: Page) -> RankedVehicles:
    """A page of vehicles over a window, sorted. Raises :class:`DatabaseLost`. Source: `api.device_ranking`."""
    rows, total = await _ranking(database, "vehicle", window, page)
    listed = [
        RankedVehicle(
            **_device(row),
            group=row.place_name,
            dcElsewhereKwh=rounded(row.energy_alone_kwh, ENERGY_DIGITS),
            avgBatteryTemp=rounded(row.measured_mean, TEMPERATURE_DIGITS),
        )
        for row in rows
        if row.place is not None
    ]
    return RankedVehicles(window, total, listed, rows[0].is_pending, _next(rows, total))


async def sites(database: Database, window: Window) -> Sites:
    """What the meters of each site add up to over a window. Raises :class:`DatabaseLost`. Source:
    `api.place_totals`."""
    rows = await _totals(database, "meter", window)
    totals = [
        SiteTotals(**_place(row), site=row.place_name, acUnattributedKwh=rounded(row.energy_alone_kwh, ENERGY_DIGITS))
        for row in rows
        if row.devices is not None
    ]
    return Sites(window, totals, rows[0].is_pending)


async def groups(database: Database, window: Window) -> Groups:
    """What the vehicles of each group add up to over a window. Raises :class:`DatabaseLost`. Source:
    `api.place_totals`."""
    rows = await _totals(database, "vehicle", window)
    totals = [
        GroupTotals(**_place(row), group=row.place_name, dcElsewhereKwh=rounded(row.energy_alone_kwh, ENERGY_DIGITS))
        for row in rows
        if row.devices is not None
    ]
    return Groups(window, totals, rows[0].is_pending)


async def _ranking(database: Database, device_type: str, window: Window, page: Page) -> tuple[list[Any], int]:
    """Rows of a page, or one without a place where none is on it; and how long the whole list is."""
    parameters = {
        "device_type": device_type,
        "window_from": window.from_,
        "window_to": window.to,
        "sort": _COLUMNS[page.sort],
        "is_ascending": page.is_ascending,
        "place_name": page.place,
        "search": page.search,
        "after": page.after,
        "row_limit": page.limit,
    }
    rows = await database.fetch_all("device_ranking", parameters)
    if rows[0].place is None and page.after > 0:
        [first] = await database.fetch_all("device_ranking", parameters | {"after": 0, "row_limit": 1})
        return rows, first.listed_devices
    return rows, rows[0].listed_devices


async def _totals(database: Database, device_type: str, window: Window) -> list[Any]:
    parameters = {"device_type": device_type, "window_from": window.from_, "window_to": window.to}
    return await database.fetch_all("place_totals", parameters)


def _next(rows: list[Any], total: int) -> int | None:
    last = rows[-1].place
    return last if last is not None and last < total else None


def _device(row: Any) -> dict[str, Any]:
    return {
        "id": row.device_id,
        "name": row.name,
        "acConsumedKwh": rounded(row.energy_ac_kwh, ENERGY_DIGITS),
        "dcDeliveredKwh": rounded(row.energy_dc_kwh, ENERGY_DIGITS),
        "efficiencyRatio": rounded(row.efficiency_ratio, RATIO_DIGITS),
        "verdict": row.verdict,
        "meanPowerKw": rounded(row.mean_power_kw, POWER_DIGITS),
        "lostKwh": rounded(row.lost_kwh, ENERGY_DIGITS),
        "lostBeyondExpectedKwh": rounded(row.lost_beyond_expected_kwh, ENERGY_DIGITS),
        "sessions": row.sessions,
        "hoursInUse": row.hours_in_use,
        "readings": row.readings,
        "coverage": rounded(row.coverage, RATIO_DIGITS),
        "estimated": row.is_estimated,
    }


def _place(row: Any) -> dict[str, Any]:
    return {
        "devices": row.devices,
        "devicesSeen": row.devices_seen,
        "acConsumedKwh": rounded(row.energy_ac_kwh, ENERGY_DIGITS),
        "dcDeliveredKwh": rounded(row.energy_dc_kwh, ENERGY_DIGITS),
        "efficiencyRatio": rounded(row.efficiency_ratio, RATIO_DIGITS),
        "lostBeyondExpectedKwh": round(row.lost_beyond_expected_kwh, ENERGY_DIGITS),
        "devicesWithLosses": row.devices_with_losses,
        "devicesAtFault": row.devices_at_fault,
        "sessions": row.sessions,
        "hoursInUse": row.hours_in_use,
        "estimated": row.is_estimated,
    }
