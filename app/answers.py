"""The wire of answers that are made of figures: series, meters, the fleet, losses, health, as msgspec structs.

Units as in :mod:`app.models`; a ratio is DC / AC, a share or coverage goes from 0 to 1. What is not known is null, and
a reason beside it says why.
"""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from app.models import Coverage, Performance, ReadingCounts, Reason, Reasons, TotalEnergy, Window

Bucket = Literal["hour", "day"]


class VehicleBucket(Struct):
    """A vehicle's performance over one bucket of a series; the first and the last bucket are cut by the window."""

    window: Window
    totalEnergy: TotalEnergy
    efficiencyRatio: float | None
    avgBatteryTemp: float | None
    readings: ReadingCounts
    coverage: Coverage
    estimated: bool
    reasons: Reasons


class VehicleSeries(Struct):
    """A vehicle's performance by hour or day of a time zone's clock, every bucket of the window in order."""

    vehicleId: str
    window: Window
    bucket: Bucket
    timezone: str
    buckets: list[VehicleBucket]


class Voltage(Struct):
    """Voltages that a meter saw, V to 2 decimals; null where there is no reading."""

    mean: float | None
    min: float | None
    max: float | None


class FedVehicle(Struct):
    """A vehicle that a meter fed: for how long (as far as the time has passed), and what the meter drew meanwhile."""

    vehicleId: str
    minutes: float
    acConsumedKwh: float | None
    readings: int


class MeterEnergy(Struct):
    """What one meter drew over a window, and for whom; attributed and unattributed energy add up to what it drew."""

    meterId: str
    window: Window
    acConsumedKwh: float | None
    acAttributedKwh: float | None
    acUnattributedKwh: float | None
    voltage: Voltage
    readings: int
    coverage: float | None
    resets: int
    estimated: bool
    reason: Reason | None
    vehicles: list[FedVehicle]


class Matched(Struct):
    """Vehicles heard from on both sides: how many, and the energies of which the ratio is."""

    vehicles: int
    acConsumedKwh: float | None
    dcDeliveredKwh: float | None


class Seen(Struct):
    """Devices with a reading."""

    meters: int
    vehicles: int


class FleetReasons(Struct):
    """Why a figure of the fleet is null, or what is wrong with one that is given; null where nothing is."""

    acConsumedKwh: Reason | None
    dcDeliveredKwh: Reason | None
    efficiencyRatio: Reason | None


class Fleet(Struct):
    """The whole fleet over a window, or over one bucket of a series.

    Attributed and unattributed AC energy add up to the total: what meters drew for a vehicle, and what they drew while
    they were assigned to none. The ratio is of the matched vehicles: a vehicle of which only one side was heard says
    nothing of losses. Coverage is of the devices heard from since the window began.
    """

    window: Window
    totalEnergy: TotalEnergy
    acAttributedKwh: float | None
    acUnattributedKwh: float | None
    efficiencyRatio: float | None
    matched: Matched
    seen: Seen
    readings: ReadingCounts
    coverage: Coverage
    estimated: bool
    reasons: FleetReasons


class FleetSeries(Struct):
    """The fleet by hour or day of a time zone's clock, every bucket of the window in order."""

    window: Window
    bucket: Bucket
    timezone: str
    buckets: list[Fleet]


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
    """Where energy is lost: vehicles and meters below the threshold, data faults, meters that fed nobody.

    `below` is null where the request names none: then it is 0.85, or what is normal for the device's power where that
    is higher.
    """

    window: Window
    below: float | None
    vehicles: LossList
    meters: LossList
    dataFaults: LossList
    unattributed: UnattributedList


HealthReason = Literal[
    "no_readings", "too_few_stretches", "too_few_months", "no_assignment", "too_few_days", "data_fault"
]


class Capacity(Struct):
    """Energy that fills a battery, kWh to 2 decimals, with its standard error, from so many charging stretches."""

    kwh: float | None
    standardErrorKwh: float | None
    stretches: int
    reason: HealthReason | None


class BatteryMonth(Struct):
    """A battery's capacity in one month (UTC)."""

    month: str
    capacity: Capacity


class Trend(Struct):
    """A change over time and its standard error: kWh a month of a battery, ratio in 30 days of a charger."""

    perMonth: float | None
    standardError: float | None
    reason: HealthReason | None


class BatteryHealth(Struct):
    """A vehicle's battery: its capacity against the one it was sold with, how that changed, and how hot it got."""

    vehicleId: str
    window: Window
    capacity: Capacity
    listedCapacityKwh: float | None
    shareOfListed: float | None
    trend: Trend
    months: list[BatteryMonth]
    hoursAbove40C: float | None
    maxBatteryTemp: float | None
    readings: int
    coverage: float | None


class ChargerDay(Struct):
    """A day (UTC) on which a meter and a vehicle that it fed were both heard from."""

    window: Window
    totalEnergy: TotalEnergy
    efficiencyRatio: float | None
    readings: ReadingCounts
    coverage: Coverage


class Change(Struct):
    """The day from which a charger's ratio was another one, and the ratios before and after."""

    since: datetime
    before: float
    after: float


class ChargerHealth(Struct):
    """A charger's ratio day by day; how the last seven days compare with its own first seven, and when it changed.

    `change` is null where no day parts the days into two that clearly differ.
    """

    meterId: str
    window: Window
    baselineRatio: float | None
    recentRatio: float | None
    changeSinceBaseline: float | None
    reason: HealthReason | None
    change: Change | None
    trend: Trend
    days: list[ChargerDay]


class RegisterStep(Struct):
    """What a register did: read for the first time (nothing is known before), reset, or rolled over.

    `beforeKwh` is its value before, `registerKwh` the one it then had.
    """

    timestamp: datetime
    step: Literal["baseline", "reset", "rollover"]
    beforeKwh: float | None
    registerKwh: float


class EnergyPart(Struct):
    """What one hour adds to an energy, kWh to 9 decimals, and where it comes from.

    `rollup`: the hour's rollup. `cut_hour`: readings of an hour that the window, the assignment or a change of kind
    cuts. `irregular_hour`: readings of an hour in which a register may have been reset.
    """

    hour: datetime
    source: Literal["rollup", "cut_hour", "irregular_hour"]
    energyReading: Literal["interval", "register"]
    firstReading: datetime
    lastReading: datetime
    readings: int
    energyKwh: float | None
    estimated: bool
    steps: list[RegisterStep]


class ExplainedFeed(Struct):
    """A meter that fed the vehicle: by which assignment (null: it bears the vehicle's id), and when in the window."""

    meterId: str
    assignmentId: int | None
    window: Window
    readings: int
    energyKwh: float | None
    parts: list[EnergyPart]


class ExplainedVehicle(Struct):
    """The vehicle's own side."""

    readings: int
    energyKwh: float | None
    parts: list[EnergyPart]


class Explanation(Struct):
    """A vehicle's performance and what it is made of: readings and energies of the parts add up to its figures."""

    performance: Performance
    feeds: list[ExplainedFeed]
    vehicle: ExplainedVehicle
