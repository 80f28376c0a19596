"""The health of batteries and chargers."""

from typing import Literal

from msgspec import Struct

from app.wire.energy import BothEnergies, Coverage, ReadingCounts, Window
from app.wire.values import BatteryTempC, Count, Instant, Share

HealthReason = Literal[
    "no_readings", "too_few_stretches", "uncertain", "too_few_months", "no_assignment", "too_few_days", "data_fault"
]


class HoursLeftOut(Struct):
    """Hours that a capacity is not made of, by what is wrong with them.

    `jump`: the state of charge is not where the energy puts it. `frozen`: it stands still while energy comes.
    `noEnergy`: it rises without energy. `power`: more energy than the vehicle takes.
    """

    jump: Count
    frozen: Count
    noEnergy: Count
    power: Count


class Capacity(Struct):
    """Energy that fills a battery, kWh to 2 decimals, from so many charging stretches.

    With its standard error and the interval that holds it with 95 % confidence; and the hours left out.
    """

    kwh: float | None
    standardErrorKwh: float | None
    lowKwh: float | None
    highKwh: float | None
    stretches: Count
    hoursLeftOut: HoursLeftOut
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
    """A vehicle's battery: its capacity against its nominal one, the trend of it, and how hot the battery got."""

    vehicleId: str
    window: Window
    capacity: Capacity
    listedCapacityKwh: float | None
    shareOfListed: float | None
    trend: Trend
    months: list[BatteryMonth]
    hoursAbove40C: float | None
    maxBatteryTemp: BatteryTempC | None
    readings: Count
    coverage: Share | None
    pending: bool


class ChargerDay(Struct):
    """A day (UTC) with readings of a meter and of a vehicle that it fed."""

    window: Window
    totalEnergy: BothEnergies
    efficiencyRatio: float | None
    readings: ReadingCounts
    coverage: Coverage


class Change(Struct):
    """The day on which a charger's ratio changed, and the ratios before and after."""

    since: Instant
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
    pending: bool
    days: list[ChargerDay]
