"""Where energy is lost."""

from typing import Literal

from msgspec import Struct

from app.wire.energy import Cause, Coverage, ReadingCounts, Window
from app.wire.values import Count, Instant, Share

Verdict = Literal[
    "abnormal_loss", "normal_for_power", "data_fault", "implausible_power", "unsteady_register", "unattributed"
]
DeviceType = Literal["vehicle", "meter"]
Listed = Literal["vehicles", "meters", "dataFaults", "unattributed"]


class Loss(Struct):
    """A device that loses energy, or whose readings contradict each other.

    `abnormal_loss`: less arrives than is normal for the power it charges with; `normal_for_power`: below the threshold,
    but a socket this slow loses that much; `data_fault`: more arrived than was drawn; `implausible_power`: energy that
    the device cannot deliver, `unsteady_register`: no register, both without a ratio. `cause` is the likely one of a
    fault. The power is a mean of hours, weighted by energy, kW to 2 decimals. `since` is where the days below the
    threshold begin that reach to the last day known, no earlier than the window; null where that day is not below.
    """

    type: DeviceType
    id: str
    verdict: Verdict
    cause: Cause | None
    acConsumedKwh: float | None
    dcDeliveredKwh: float | None
    efficiencyRatio: float | None
    meanChargingPowerKw: float | None
    expectedRatio: float | None
    lostKwh: float | None
    lostBeyondExpectedKwh: float | None
    since: Instant | None
    readings: ReadingCounts
    coverage: Coverage


class LossList(Struct):
    """Devices with the most kWh first; `devices` and `kwh` count the whole list, `listed` is its beginning."""

    devices: Count
    kwh: float
    listed: list[Loss]


class UnattributedMeter(Struct):
    """A meter that drew energy while no vehicle was assigned to it."""

    meterId: str
    acConsumedKwh: float
    readings: Count
    coverage: Share | None


class UnattributedList(Struct):
    """Meters with the most kWh first; `devices` and `kwh` count the whole list, `listed` is its beginning."""

    devices: Count
    kwh: float
    listed: list[UnattributedMeter]


class LossTotal(Struct):
    """What the devices of one list, type and verdict add up to, beyond what is listed too; the ratio is of those that
    have one. Vehicles and meters are two views of one energy: add up one of the two."""

    list: Listed
    type: DeviceType
    verdict: Verdict
    devices: Count
    acConsumedKwh: float | None
    dcDeliveredKwh: float | None
    efficiencyRatio: float | None
    lostKwh: float | None
    lostBeyondExpectedKwh: float | None


class Losses(Struct):
    """Where energy is lost: vehicles and meters below the threshold, data faults, meters that fed no vehicle.

    `below` is null where the request has none; default: 0.85, or what is normal for the device's power if that is
    higher.
    """

    window: Window
    below: float | None
    pending: bool
    vehicles: LossList
    meters: LossList
    dataFaults: LossList
    unattributed: UnattributedList
    totals: list[LossTotal]


class LossRow(Loss):
    """A device of one of the lists, for a table of them all; of `unattributed` with AC energy alone."""

    list: Listed


class LossTable(Struct):
    """All that is listed, as the rows of one table."""

    rows: list[LossRow]
