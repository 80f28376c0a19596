"""Readings as devices send them, and the results of a request."""

from msgspec import Struct

from app.wire.values import BatteryTempC, Count, DeviceId, EnergyKwh, Instant, SocPct, VoltageV


class MeterReading(Struct):
    """AC energy a smart meter drew from the grid, and the voltage it saw."""

    meterId: DeviceId
    kwhConsumedAc: EnergyKwh
    voltage: VoltageV
    timestamp: Instant


class VehicleReading(Struct):
    """DC energy that reached a vehicle's battery, its state of charge and its temperature."""

    vehicleId: DeviceId
    soc: SocPct
    kwhDeliveredDc: EnergyKwh
    batteryTemp: BatteryTempC
    timestamp: Instant


class AnyReading(Struct, gc=False):
    """Either kind of reading, decoded in one pass; the keys that are set determine which. A test holds it to the two.

    A key that is null counts as absent: devices of either kind may send the keys of both.

    Ids are any text here: `app.ingest.writer.rows` checks them, once for each device.
    """

    meterId: str | None = None
    kwhConsumedAc: EnergyKwh | None = None
    voltage: VoltageV | None = None
    vehicleId: str | None = None
    soc: SocPct | None = None
    kwhDeliveredDc: EnergyKwh | None = None
    batteryTemp: BatteryTempC | None = None
    timestamp: Instant | None = None


class ReadingError(Struct):
    """Why one reading of a request was not stored; `index` counts from 0, `field` is null where it is no single one."""

    index: Count
    code: str
    field: str | None
    detail: str


class IngestResult(Struct):
    """Counts of all readings of a request; `errors` lists the first ones that were not stored."""

    accepted: Count
    duplicates: Count
    conflicts: Count
    rejected: Count
    errors: list[ReadingError]
