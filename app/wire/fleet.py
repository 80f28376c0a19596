"""The fleet's energy."""

from msgspec import Struct

from app.wire.energy import Bucket, Coverage, ReadingCounts, Reason, TotalEnergy, Window
from app.wire.values import Count


class Matched(Struct):
    """Vehicles with readings on both sides: how many, and the energies of which the ratio is."""

    vehicles: Count
    acConsumedKwh: float | None
    dcDeliveredKwh: float | None


class Seen(Struct):
    """Devices with a reading."""

    meters: Count
    vehicles: Count


class AtFault(Struct):
    """Devices whose data is at fault (implausible power, an unsteady register): their vehicles are not matched."""

    meters: Count
    vehicles: Count


class FleetReasons(Struct):
    """Why a figure of the fleet is null, or what is wrong with one that is given; null where nothing is."""

    acConsumedKwh: Reason | None
    dcDeliveredKwh: Reason | None
    efficiencyRatio: Reason | None


class Fleet(Struct):
    """The whole fleet over a window, or over one bucket of a series.

    Attributed and unattributed AC energy add up to the total: what meters drew for a vehicle, and what they drew while
    they were assigned to none. The ratio is of the matched vehicles: a vehicle with readings on one side alone tells
    nothing about losses. Coverage is of the devices with readings since the window started.
    """

    window: Window
    totalEnergy: TotalEnergy
    acAttributedKwh: float | None
    acUnattributedKwh: float | None
    efficiencyRatio: float | None
    matched: Matched
    seen: Seen
    atFault: AtFault
    readings: ReadingCounts
    coverage: Coverage
    estimated: bool
    pending: bool
    reasons: FleetReasons


class FleetSeries(Struct):
    """The fleet by hour, day, week, month or year of a time zone, every bucket of the window in order."""

    window: Window
    bucket: Bucket
    timezone: str
    buckets: list[Fleet]
