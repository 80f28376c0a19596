"""A vehicle's performance, over a window and bucket by bucket."""

from msgspec import Struct

from app.wire.energy import (
    Bucket,
    Coverage,
    Fault,
    ReadingCounts,
    Reasons,
    SideCounts,
    SpannedEnergy,
    TotalEnergy,
    Window,
)
from app.wire.values import BatteryTempC


class Performance(Struct):
    """A vehicle's energy over a window; the ratio is the DC that arrived while a meter fed it over AC, null where AC is
    null or 0.

    Registers that were reset or rolled over are counted; `estimated`: an energy is based on parts of hours whose
    readings are no longer kept, or on readings that span the begin or end of an assignment.
    """

    vehicleId: str
    window: Window
    totalEnergy: TotalEnergy
    efficiencyRatio: float | None
    avgBatteryTemp: BatteryTempC | None
    meters: list[str]
    readings: ReadingCounts
    coverage: Coverage
    resets: SideCounts
    rollovers: SideCounts
    spannedKwh: SpannedEnergy
    estimated: bool
    pending: bool
    reasons: Reasons
    faults: list[Fault]


class VehicleBucket(Struct):
    """A vehicle's performance over one bucket of a series; the window clips the first and the last one."""

    window: Window
    totalEnergy: TotalEnergy
    efficiencyRatio: float | None
    avgBatteryTemp: BatteryTempC | None
    readings: ReadingCounts
    coverage: Coverage
    spannedKwh: SpannedEnergy
    estimated: bool
    pending: bool
    reasons: Reasons


class VehicleSeries(Struct):
    """A vehicle's performance by hour, day, week, month or year of a time zone, every bucket of the window in order."""

    vehicleId: str
    window: Window
    bucket: Bucket
    timezone: str
    buckets: list[VehicleBucket]
