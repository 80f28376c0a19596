"""All devices over a window, sorted by a figure; totals of sites and groups."""

from typing import Literal

from msgspec import Struct

from app.wire.energy import Window
from app.wire.values import BatteryTempC, Count, Share, VoltageV

Verdict = Literal["normal", "abnormal_loss", "data_fault", "implausible_power", "unsteady_register"]
Order = Literal["desc", "asc"]
MeterSort = Literal[
    "id",
    "acConsumedKwh",
    "acUnattributedKwh",
    "dcDeliveredKwh",
    "efficiencyRatio",
    "meanPowerKw",
    "lostKwh",
    "lostBeyondExpectedKwh",
    "avgVoltage",
    "sessions",
    "hoursInUse",
    "readings",
    "coverage",
]
VehicleSort = Literal[
    "id",
    "acConsumedKwh",
    "dcDeliveredKwh",
    "dcElsewhereKwh",
    "efficiencyRatio",
    "meanPowerKw",
    "lostKwh",
    "lostBeyondExpectedKwh",
    "avgBatteryTemp",
    "sessions",
    "hoursInUse",
    "readings",
    "coverage",
]


class RankedDevice(Struct):
    """A device over a window; figures are null where nothing is known.

    `efficiencyRatio` compares like with like, as losses do: of a vehicle what arrived while meters fed it, of a meter
    the vehicles it fed, on days on which they sent readings. `verdict` is `normal`, `abnormal_loss` (worse than is
    normal at its power), or what is wrong with its data; null where there is no ratio. `meanPowerKw` is of hours,
    weighted by energy; `hoursInUse` counts whole hours (UTC) with at least 0.1 kWh.
    """

    id: str
    name: str | None
    acConsumedKwh: float | None
    dcDeliveredKwh: float | None
    efficiencyRatio: float | None
    verdict: Verdict | None
    meanPowerKw: float | None
    lostKwh: float | None
    lostBeyondExpectedKwh: float | None
    sessions: Count
    hoursInUse: Count
    readings: Count
    coverage: Share | None
    estimated: bool


class RankedMeter(RankedDevice):
    """A meter over a window: `dcDeliveredKwh` reached the vehicles it fed, `acUnattributedKwh` was for no vehicle."""

    site: str | None
    acUnattributedKwh: float | None
    avgVoltage: VoltageV | None


class RankedVehicle(RankedDevice):
    """A vehicle over a window: `acConsumedKwh` was drawn for it, `dcElsewhereKwh` arrived while no meter fed it."""

    group: str | None
    dcElsewhereKwh: float | None
    avgBatteryTemp: BatteryTempC | None


class RankedMeters(Struct):
    """A page of meters in the order asked for, unknown figures last; `total` counts the whole list, `next` is what to
    pass as `after`, null on the last page."""

    window: Window
    total: Count
    meters: list[RankedMeter]
    pending: bool
    next: Count | None


class RankedVehicles(Struct):
    """A page of vehicles in the order asked for, unknown figures last; `total` counts the whole list, `next` is what to
    pass as `after`, null on the last page."""

    window: Window
    total: Count
    vehicles: list[RankedVehicle]
    pending: bool
    next: Count | None


class PlaceTotals(Struct):
    """What the devices of a site or group add up to: how many there are and how many sent a reading; the ratio is of
    those that have one, `lostBeyondExpectedKwh` of the `devicesWithLosses` with the verdict `abnormal_loss`."""

    devices: Count
    devicesSeen: Count
    acConsumedKwh: float | None
    dcDeliveredKwh: float | None
    efficiencyRatio: float | None
    lostBeyondExpectedKwh: float
    devicesWithLosses: Count
    devicesAtFault: Count
    sessions: Count
    hoursInUse: Count
    estimated: bool


class SiteTotals(PlaceTotals):
    """The meters of a site; null: those of none."""

    site: str | None
    acUnattributedKwh: float | None


class GroupTotals(PlaceTotals):
    """The vehicles of a group; null: those of none."""

    group: str | None
    dcElsewhereKwh: float | None


class Sites(Struct):
    """Totals of every site, by name; they add up to the fleet's AC energy."""

    window: Window
    sites: list[SiteTotals]
    pending: bool


class Groups(Struct):
    """Totals of every group, by name; they add up to the fleet's DC energy."""

    window: Window
    groups: list[GroupTotals]
    pending: bool
