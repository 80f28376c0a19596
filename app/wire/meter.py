"""What a meter drew, and for whom."""

from msgspec import Struct

from app.wire.energy import Reason, Window


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
