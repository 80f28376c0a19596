"""Where energy is lost."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from app.wire.energy import Coverage, ReadingCounts, Window

Verdict = Literal["abnormal_loss", "normal_for_power", "data_fault"]


class Loss(Struct):
    """A device that loses energy, or whose readings contradict each other.

    `abnormal_loss`: less arrives than is normal for the power it charges with; `normal_for_power`: below the threshold,
    but a socket this slow loses that much; `data_fault`: more arrived than was drawn. The power is a mean of hours,
    weighted by energy, kW to 2 decimals. `since` is where the days below the threshold begin that reach to the last day
    known, no earlier than the window; null where that day is not below.
    """

    type: Literal["vehicle", "meter"]
    id: str
    verdict: Verdict
    acConsumedKwh: float
    dcDeliveredKwh: float
    efficiencyRatio: float
    meanChargingPowerKw: float | None
    expectedRatio: float | None
    lostKwh: float
    lostBeyondExpectedKwh: float | None
    since: datetime | None
    readings: ReadingCounts
    coverage: Coverage


class LossList(Struct):
    """Devices with the most kWh first; `devices` and `kwh` count the whole list, `listed` is its beginning."""

    devices: int
    kwh: float
    listed: list[Loss]


class UnattributedMeter(Struct):
    """A meter that drew energy while no vehicle was assigned to it."""

    meterId: str
    acConsumedKwh: float
    readings: int
    coverage: float | None


class UnattributedList(Struct):
    """Meters with the most kWh first; `devices` and `kwh` count the whole list, `listed` is its beginning."""

    devices: int
    kwh: float
    listed: list[UnattributedMeter]


class Losses(Struct):
    """Where energy is lost: vehicles and meters below the threshold, data faults, meters that fed no vehicle.

    `below` is null where the request has none; default: 0.85, or what is normal for the device's power if that is
    higher.
    """

    window: Window
    below: float | None
    vehicles: LossList
    meters: LossList
    dataFaults: LossList
    unattributed: UnattributedList
