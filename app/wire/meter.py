"""The energy of a meter, and the vehicles that it fed."""

from msgspec import Struct

from app.wire.energy import Bucket, Fault, Reason, Window
from app.wire.values import Count, Share, VoltageV


class Voltage(Struct):
    """Voltages of a meter, V to 2 decimals; null where there is no reading."""

    mean: VoltageV | None
    min: VoltageV | None
    max: VoltageV | None


class FedVehicle(Struct):
    """A vehicle that a meter fed: for how long, up to now, the energy that the meter drew meanwhile, what of it reached
    the battery, and the ratio of the two."""

    vehicleId: str
    minutes: float
    acConsumedKwh: float | None
    dcDeliveredKwh: float | None
    efficiencyRatio: float | None
    readings: Count


class MeterEnergy(Struct):
    """One meter's energy over a window, and the vehicles it fed; attributed and unattributed energy add up to it.

    `spannedKwh`: energy of readings whose time since the previous one has an edge of an assignment within it.
    """

    meterId: str
    window: Window
    acConsumedKwh: float | None
    acAttributedKwh: float | None
    acUnattributedKwh: float | None
    voltage: Voltage
    readings: Count
    coverage: Share | None
    resets: Count
    spannedKwh: float
    estimated: bool
    pending: bool
    reason: Reason | None
    faults: list[Fault]
    vehicles: list[FedVehicle]


class MeterBucket(Struct):
    """A meter over one bucket of a series, which the window clips: its AC energy, attributed and unattributed, and mean
    voltage, V; null where it sent no reading, or only its first as a register."""

    window: Window
    acConsumedKwh: float | None
    acAttributedKwh: float | None
    acUnattributedKwh: float | None
    avgVoltage: VoltageV | None
    readings: Count
    coverage: Share | None
    estimated: bool
    pending: bool


class MeterSeries(Struct):
    """A meter by hour, day, week, month or year of a time zone, every bucket of the window in order."""

    meterId: str
    window: Window
    bucket: Bucket
    timezone: str
    buckets: list[MeterBucket]
