"""The wire: what devices and operators send, and what dashboards get, as msgspec structs.

Names are the contract's JSON names. Units: kWh for energy, percent for state of charge, degrees C for temperature, V
for voltage. Every timestamp has a zone; answers are in UTC.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

DeviceId = Annotated[
    str,
    # A bare $ would let a trailing newline through.
    Meta(pattern=r"^[A-Za-z0-9._:-]{1,64}$(?!\n)", description="1 to 64 of A-Z a-z 0-9 . _ : -"),
]
EnergyKwh = Annotated[float, Meta(ge=0, le=1e9, description="kWh; below 1e-9 it becomes 0")]
VoltageV = Annotated[float, Meta(ge=0, le=50_000, description="V")]
SocPct = Annotated[float, Meta(ge=0, le=100, description="percent")]
BatteryTempC = Annotated[float, Meta(ge=-60, le=200, description="degrees C")]
PowerKw = Annotated[float, Meta(gt=0, le=1e5, description="kW")]
CapacityKwh = Annotated[float, Meta(gt=0, le=1e5, description="kWh")]
ModulusKwh = Annotated[float, Meta(gt=0, le=1e9, description="kWh at which a register begins anew at zero")]
EnergyReading = Literal["interval", "register"]
Instant = Annotated[datetime, Meta(tz=True, description="RFC 3339 with a zone")]

# Ends of assignments and changes of kind beyond these are slips of the keyboard, and the outermost ones no datetime in
# UTC could hold.
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 1, 1, tzinfo=UTC)


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
    """Either kind of reading, decoded in one pass; the keys that are set tell which. A test holds it to the two.

    A key that is null is one that is absent: devices of either kind may send the keys of both.

    Ids are any text here: `app.rows` checks them, once for each device.
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
    """Why one reading of a request was not kept; `index` counts from 0, `field` is null where no one is at fault."""

    index: int
    code: str
    field: str | None
    detail: str


class IngestResult(Struct):
    """What became of a request's readings; `errors` lists the first ones, the counts count all."""

    accepted: int
    duplicates: int
    conflicts: int
    rejected: int
    errors: list[ReadingError]


class Window(Struct):
    """A half-open stretch of time: `from` belongs to it, `to` does not."""

    from_: datetime = field(name="from")
    to: datetime


class TotalEnergy(Struct):
    """Energy on both sides, kWh to 6 decimals; null where nothing is known."""

    acConsumedKwh: float | None
    dcDeliveredKwh: float | None


class ReadingCounts(Struct):
    """How many readings a figure rests on."""

    meter: int
    vehicle: int


class Coverage(Struct):
    """Share of the expected minutes with a reading, 1 at most; null where none was expected.

    A meter's minutes are expected while it was assigned, a vehicle's throughout the window, as far as it has passed.
    """

    meter: float | None
    vehicle: float | None


class SideCounts(Struct):
    """A count for the meters and one for the vehicle."""

    meter: int
    vehicle: int


Reason = Literal["no_assignment", "no_readings", "baseline_missing", "data_fault", "no_energy"]


class Reasons(Struct):
    """Why a figure is null, or what is wrong with one that is given; null where nothing is.

    `baseline_missing`: a register was read for the first time, and what it counted before is not known. `data_fault`:
    more energy reached the battery than came from the grid. `no_energy`: neither moved, so there is no ratio.
    """

    acConsumedKwh: Reason | None
    dcDeliveredKwh: Reason | None
    efficiencyRatio: Reason | None
    avgBatteryTemp: Reason | None


class Performance(Struct):
    """A vehicle's energy over a window; the ratio is DC / AC, null where AC is null or 0.

    Registers that were reset or rolled over are counted; `estimated` says that an energy rests on hours whose readings
    are no longer kept.
    """

    vehicleId: str
    window: Window
    totalEnergy: TotalEnergy
    efficiencyRatio: float | None
    avgBatteryTemp: float | None
    meters: list[str]
    readings: ReadingCounts
    coverage: Coverage
    resets: SideCounts
    rollovers: SideCounts
    estimated: bool
    reasons: Reasons


class LiveMeter(Struct):
    """A meter's newest reading by its own clock. It charges where that reports energy above zero, or a register has
    risen since the reading before."""

    meterId: str
    timestamp: datetime
    kwhConsumedAc: float
    voltage: float
    charging: bool
    receivedAt: datetime


class LiveVehicle(Struct):
    """A vehicle's newest reading by its own clock. It charges where that reports energy above zero, or a register has
    risen since the reading before."""

    vehicleId: str
    timestamp: datetime
    soc: float
    kwhDeliveredDc: float
    batteryTemp: float
    charging: bool
    receivedAt: datetime


class LiveMeters(Struct):
    """A page of meters by key; `next` is what to pass as `after`, null on the last page."""

    meters: list[LiveMeter]
    next: str | None


class LiveVehicles(Struct):
    """A page of vehicles by key; `next` is what to pass as `after`, null on the last page."""

    vehicles: list[LiveVehicle]
    next: str | None


class NewAssignment(Struct, forbid_unknown_fields=True):
    """A meter feeds a vehicle from an instant on, until `to`, or for as long as it is not closed."""

    meterId: DeviceId
    vehicleId: DeviceId
    from_: Instant = field(name="from")
    to: Instant | None = None


class AssignmentChange(Struct, forbid_unknown_fields=True):
    """What is to be corrected of an assignment: `to` closes it, `to: null` opens it again."""

    meterId: DeviceId | UnsetType = UNSET
    vehicleId: DeviceId | UnsetType = UNSET
    from_: Instant | UnsetType = field(name="from", default=UNSET)
    to: Instant | UnsetType | None = UNSET


class PlugEvent(Struct, forbid_unknown_fields=True):
    """What happened at a meter: a vehicle was plugged in, was unplugged (whichever it was, where `vehicleId` is not
    told), or takes the place of what was plugged in before."""

    event: Literal["plugIn", "plugOut", "handOver"]
    meterId: DeviceId
    at: Instant
    vehicleId: DeviceId | None = None


class Assignment(Struct):
    """Which meter fed which vehicle, from when (included) to when (not included; null while it lasts)."""

    id: int
    meterId: str
    vehicleId: str
    from_: datetime = field(name="from")
    to: datetime | None


class Assignments(Struct):
    """A page of assignments by id; `next` is what to pass as `after`, null on the last page."""

    assignments: list[Assignment]
    next: int | None


class AssignmentValues(Struct):
    """What an assignment said before or after a change."""

    meterId: str
    vehicleId: str
    from_: datetime = field(name="from")
    to: datetime | None


class RecordedChange(Struct):
    """One change of an assignment: `before` is null where it was created, `after` where it was voided."""

    id: int
    assignmentId: int
    at: datetime
    action: Literal["created", "changed", "voided"]
    databaseRole: str
    operator: str | None
    reason: str | None
    before: AssignmentValues | None
    after: AssignmentValues | None


class RecordedChanges(Struct):
    """A page of changes in the order they were made; `next` is what to pass as `after`, null on the last page."""

    changes: list[RecordedChange]
    next: int | None


class AssignmentHistory(Struct):
    """An assignment, or what a voided one said last, with its newest changes in the order they were made."""

    id: int
    meterId: str
    vehicleId: str
    from_: datetime = field(name="from")
    to: datetime | None
    voided: bool
    changes: list[RecordedChange]


class Overlap(Struct):
    """One assignment of a request and those that it overlaps: kept ones, and those before it in the request, which get
    an id that is theirs only if the request is kept."""

    index: int
    overlaps: list[Assignment]


class ItemError(Struct):
    """Why one item of a request was refused, by the code it would have alone; `overlaps` are in its way."""

    code: str
    field: str | None
    detail: str
    overlaps: list[Assignment]


class ItemResult(Struct):
    """What became of one item: the assignment it made, ended or found there already (null where that was voided since),
    and those that ended to make room for it."""

    index: int
    outcome: Literal["created", "closed", "unchanged", "refused"]
    assignment: Assignment | None
    closed: list[Assignment]
    error: ItemError | None


class ItemResults(Struct):
    """What became of a request's items, in their order; the three counts add up to their number."""

    kept: int
    unchanged: int
    refused: int
    results: list[ItemResult]


class DeviceKind(Struct):
    """What a device's kWh values mean, from when (included; null: always before) to when (not included; null: still).

    `interval`: energy since the device's previous reading; `register`: an ever-growing counter, with the value at which
    it begins anew, null where it does not. `fleetDefault`: because nothing is said of the device itself.
    """

    energyReading: EnergyReading
    registerModulusKwh: float | None
    fleetDefault: bool
    from_: datetime | None = field(name="from")
    to: datetime | None


class Meter(Struct):
    """A meter that was listed or heard of, and what its kWh values mean now, since when (null: always)."""

    meterId: str
    listed: bool
    energyReading: EnergyReading
    registerModulusKwh: float | None
    fleetDefault: bool
    since: datetime | None
    ratedPowerKw: float | None


class Vehicle(Struct):
    """A vehicle that was listed or heard of, and what its kWh values mean now, since when (null: always)."""

    vehicleId: str
    listed: bool
    energyReading: EnergyReading
    registerModulusKwh: float | None
    fleetDefault: bool
    since: datetime | None
    ratedPowerKw: float | None
    batteryCapacityKwh: float | None


class MeterDetails(Meter):
    """A meter, and what its kWh values meant at all times, in order."""

    kinds: list[DeviceKind]


class VehicleDetails(Vehicle):
    """A vehicle, and what its kWh values meant at all times, in order."""

    kinds: list[DeviceKind]


class Meters(Struct):
    """A page of meters by key; `next` is what to pass as `after`, null on the last page."""

    meters: list[Meter]
    next: str | None


class Vehicles(Struct):
    """A page of vehicles by key; `next` is what to pass as `after`, null on the last page."""

    vehicles: list[Vehicle]
    next: str | None


class MeterChange(Struct, forbid_unknown_fields=True):
    """What is to be known of a meter; what is not told stays, null takes it back (a kind: to the fleet's default).

    `since` is the instant from which on the kind holds, null: always.
    """

    energyReading: EnergyReading | UnsetType | None = UNSET
    registerModulusKwh: ModulusKwh | UnsetType | None = UNSET
    since: Instant | UnsetType | None = UNSET
    ratedPowerKw: PowerKw | UnsetType | None = UNSET


class VehicleChange(MeterChange, forbid_unknown_fields=True):
    """What is to be known of a vehicle; as of a meter, and the usable capacity of its battery."""

    batteryCapacityKwh: CapacityKwh | UnsetType | None = UNSET


class FleetDefaults(Struct):
    """What kWh values of meters and of vehicles mean where nothing is said of a device, at all times, in order."""

    meters: list[DeviceKind]
    vehicles: list[DeviceKind]


class DefaultChange(Struct, forbid_unknown_fields=True):
    """What kWh values mean by default; `since` is the instant from which on, null: always."""

    energyReading: EnergyReading
    registerModulusKwh: ModulusKwh | None = None
    since: Instant | UnsetType | None = UNSET


class FleetDefaultsChange(Struct, forbid_unknown_fields=True):
    """New defaults of the fleet; the side that is not told stays."""

    meters: DefaultChange | UnsetType = UNSET
    vehicles: DefaultChange | UnsetType = UNSET


class Status(Struct):
    """How the service is, in a word."""

    status: str


class Problem(Struct):
    """RFC 9457 problem document; `code` is stable, `detail` is for a person."""

    type: str
    title: str
    status: int
    code: str
    detail: str
