"""What answers about energy share: the window, the energies on both sides, their basis, and why one is null.

A ratio is DC / AC, a share or coverage goes from 0 to 1. What is not known is null, and a reason beside it says why.
"""

from typing import Literal

from msgspec import Struct, field

from app.wire.values import Count, Instant, Share


class Window(Struct):
    """A range of time. It takes the readings stamped in `(from, to]`: `from` is excluded, `to` included."""

    from_: Instant = field(name="from")
    to: Instant


class BothEnergies(Struct):
    """Energy on both sides, kWh to 6 decimals; null where it is not known."""

    acConsumedKwh: float | None
    dcDeliveredKwh: float | None


class TotalEnergy(BothEnergies):
    """Energy on both sides; of the DC energy, what arrived while no meter fed the vehicle: it is not in the ratio."""

    dcElsewhereKwh: float | None


class SpannedEnergy(Struct):
    """Energy (kWh) of readings whose time since the device's previous reading has an edge of an assignment within it:
    a part of it belongs to the other side of the edge."""

    ac: float
    dc: float


class ReadingCounts(Struct):
    """How many readings a figure is based on."""

    meter: Count
    vehicle: Count


class Coverage(Struct):
    """Share of the expected minutes with a reading, 1 at most; null where none was expected.

    A meter's minutes are expected while it was assigned, a vehicle's throughout the window, as far as it has passed.
    """

    meter: Share | None
    vehicle: Share | None


class SideCounts(Struct):
    """A count for the meters and one for the vehicle."""

    meter: Count
    vehicle: Count


Reason = Literal[
    "no_assignment",
    "no_readings",
    "elsewhere_only",
    "baseline_missing",
    "data_fault",
    "implausible_power",
    "unsteady_register",
    "no_energy",
]

FaultCode = Literal["implausible_power", "unsteady_register", "ratio_above_one"]
Cause = Literal["wh_as_kwh", "undeclared_register", "two_sources", "ac_dc_swapped", "unknown"]


class FaultyReading(Struct):
    """A reading with more energy than the device can deliver in the seconds since its previous one (null: none within
    a day)."""

    timestamp: Instant
    kwh: float
    secondsSincePrevious: float | None
    mostKwh: float


class Fault(Struct):
    """What is wrong with the data of a device, and the likely cause.

    `implausible_power`: energy that the device cannot deliver in the time. `unsteady_register`: more than 10 events
    within 24 hours. `ratio_above_one`: more reached the battery than came from the grid. `readings` show it, of a
    register its events; `examples` are the first three.
    """

    code: FaultCode
    deviceType: Literal["meter", "vehicle"]
    deviceId: str
    cause: Cause
    readings: Count
    examples: list[FaultyReading]


class Reasons(Struct):
    """Why a figure is null, or what is wrong with one that is given; null otherwise.

    `elsewhere_only`: the vehicle sent readings, none of them while a meter fed it. `baseline_missing`: a register's
    first reading: what it counted before is not known. `data_fault`:
    more energy reached the battery than came from the grid. `implausible_power`, `unsteady_register`: the data of a
    device is at fault, see `faults`. `no_energy`: neither moved, so there is no ratio.
    """

    acConsumedKwh: Reason | None
    dcDeliveredKwh: Reason | None
    efficiencyRatio: Reason | None
    avgBatteryTemp: Reason | None


Bucket = Literal["hour", "day", "week", "month", "year"]
Format = Literal["json", "csv"]
