"""Corrections of readings, and what they changed."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from app.wire.values import BatteryTempC, Count, DeviceId, EnergyKwh, Instant, RowId, SocPct, VoltageV

CorrectionAction = Literal["void", "scale", "replace"]
Factor = Annotated[
    float, Meta(gt=0, le=1e6, description="what energies are multiplied by, of scale alone", examples=[0.001])
]


class CorrectedReading(Struct, forbid_unknown_fields=True):
    """A reading of the corrected device: a meter's has `kwhConsumedAc` and `voltage`, a vehicle's the other three."""

    timestamp: Instant
    kwhConsumedAc: EnergyKwh | None = None
    voltage: VoltageV | None = None
    soc: SocPct | None = None
    kwhDeliveredDc: EnergyKwh | None = None
    batteryTemp: BatteryTempC | None = None


class NewCorrection(Struct, forbid_unknown_fields=True):
    """What is to be done with the readings of a meter or vehicle in (`from`, `to`]: `void` takes them away, `scale`
    multiplies their energies by `factor`, `replace` puts `readings` in their place."""

    action: CorrectionAction
    from_: Instant = field(name="from")
    to: Instant
    meterId: DeviceId | None = None
    vehicleId: DeviceId | None = None
    factor: Factor | None = None
    readings: Annotated[list[CorrectedReading], Meta(max_length=100_000)] | None = None


class Correction(Struct):
    """A correction of the readings of a device in (`from`, `to`], with what it did.

    Energies are of the time from `from` to the first reading after `to`, whose step changes with the window; null while
    a register is being judged. `undoes` is the correction that an `undo` took back, `undoneBy` the one that took this
    back. `pending`: answers may not show it in full yet. A preview has no `id`, and nothing changed.
    """

    id: RowId | None
    action: Literal["void", "scale", "replace", "undo"]
    meterId: str | None
    vehicleId: str | None
    from_: Instant = field(name="from")
    to: Instant
    factor: float | None
    undoes: int | None
    undoneBy: int | None
    correctedAt: Instant
    databaseRole: str
    operator: str | None
    reason: str
    readingsBefore: Count
    readingsAfter: Count
    energyBeforeKwh: float | None
    energyAfterKwh: float | None
    pending: bool


class Corrections(Struct):
    """A page of corrections, newest first; `next` is what to pass as `after`, null on the last page."""

    corrections: list[Correction]
    next: int | None


class ReadingValues(Struct):
    """What a reading said: values of the other kind of device are null."""

    kwhConsumedAc: float | None = None
    voltage: float | None = None
    soc: float | None = None
    kwhDeliveredDc: float | None = None
    batteryTemp: float | None = None


class ReadingChange(Struct):
    """A reading that a correction took away (`after` null), added (`before` null) or changed."""

    timestamp: Instant
    before: ReadingValues | None
    after: ReadingValues | None


class CorrectionDetail(Struct):
    """A correction and a page of the readings it changed, in order of time; `next` is what to pass as `after`."""

    correction: Correction
    readings: list[ReadingChange]
    next: Instant | None
