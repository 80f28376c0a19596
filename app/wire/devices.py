"""Devices: their properties, and what their kWh values mean."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType, field

from app.wire.values import CapacityKwh, Count, EnergyReading, Instant, Label, ModulusKwh, PowerKw


class DeviceKind(Struct):
    """What a device's kWh values mean, from when (excluded; null: always before) to when (included; null: still).

    `interval`: energy since the device's previous reading; `register`: an ever-growing counter, with the value at which
    it starts again at 0, null where it does not; `session`: a counter that begins anew with each session.
    `fleetDefault`: the device itself has no kind.
    """

    energyReading: EnergyReading
    registerModulusKwh: float | None
    fleetDefault: bool
    from_: Instant | None = field(name="from")
    to: Instant | None


class Meter(Struct):
    """A known meter, what people call it, and the site where it stands; what its kWh values mean now, since when (null:
    always). `listed`: it is registered."""

    meterId: str
    name: str | None
    site: str | None
    listed: bool
    energyReading: EnergyReading
    registerModulusKwh: float | None
    fleetDefault: bool
    since: Instant | None
    ratedPowerKw: float | None


class Vehicle(Struct):
    """A known vehicle, what people call it, and its group; what its kWh values mean now, since when (null: always).
    `listed`: it is registered."""

    vehicleId: str
    name: str | None
    group: str | None
    listed: bool
    energyReading: EnergyReading
    registerModulusKwh: float | None
    fleetDefault: bool
    since: Instant | None
    ratedPowerKw: float | None
    batteryCapacityKwh: float | None


class MeterDetails(Meter):
    """A meter, and what its kWh values meant at all times, in order."""

    kinds: list[DeviceKind]


class VehicleDetails(Vehicle):
    """A vehicle, and what its kWh values meant at all times, in order."""

    kinds: list[DeviceKind]


class Judged(Struct):
    """Steps of a register that a change judged anew: those of `readings` readings after `from` (null: always), and
    the `events` among them. `pending`: later readings are still to be judged."""

    from_: Instant | None = field(name="from")
    readings: Count
    events: Count
    pending: bool


class ChangedMeter(MeterDetails):
    """A meter after a request: whether that changed it, and what was judged anew (null: nothing had to be)."""

    outcome: Literal["changed", "unchanged"]
    judged: Judged | None


class ChangedVehicle(VehicleDetails):
    """A vehicle after a request: whether that changed it, and what was judged anew (null: nothing had to be)."""

    outcome: Literal["changed", "unchanged"]
    judged: Judged | None


class Meters(Struct):
    """A page of meters by key; `next` is what to pass as `after`, null on the last page."""

    meters: list[Meter]
    next: str | None


class Vehicles(Struct):
    """A page of vehicles by key; `next` is what to pass as `after`, null on the last page."""

    vehicles: list[Vehicle]
    next: str | None


class DeviceChange(Struct, forbid_unknown_fields=True):
    """A change of a device: omitted fields keep their value, null clears them (a kind: the fleet's default holds).

    `since` is the instant from which the kind holds; null: always. `ratedPowerKw` is the most the device can deliver: a
    charger its AC power, a vehicle what its battery takes at any charger, DC fast charging too.
    """

    energyReading: EnergyReading | UnsetType | None = UNSET
    registerModulusKwh: ModulusKwh | UnsetType | None = UNSET
    since: Instant | UnsetType | None = UNSET
    ratedPowerKw: PowerKw | UnsetType | None = UNSET
    name: Label | UnsetType | None = UNSET


class MeterChange(DeviceChange, forbid_unknown_fields=True):
    """A change of a meter: as of any device, and the site where it stands."""

    site: Label | UnsetType | None = UNSET


class VehicleChange(DeviceChange, forbid_unknown_fields=True):
    """A change of a vehicle: as of any device, its group, and the usable capacity of its battery."""

    group: Label | UnsetType | None = UNSET
    batteryCapacityKwh: CapacityKwh | UnsetType | None = UNSET


class FleetDefaults(Struct):
    """What kWh values of meters and of vehicles mean by default, at all times, in order; the most that devices without
    a rated power of their own can deliver (null: not known).

    `closeByNextPlugIn`: a plugIn ends an assignment of its meter or vehicle whose plugOut was not reported.
    """

    meters: list[DeviceKind]
    vehicles: list[DeviceKind]
    meterRatedPowerKw: float | None
    vehicleRatedPowerKw: float | None
    closeByNextPlugIn: bool


class ChangedFleetDefaults(FleetDefaults):
    """The defaults after a request: whether that changed them, of how many registers the steps are judged anew, and how
    many registers still wait for that."""

    outcome: Literal["changed", "unchanged"]
    registersJudged: Count
    registersWaiting: Count
    pending: bool


class DefaultChange(Struct, forbid_unknown_fields=True):
    """What kWh values mean by default, from the instant `since` on (null: always), and the rated power by default;
    omitted fields keep their value."""

    energyReading: EnergyReading | UnsetType = UNSET
    registerModulusKwh: ModulusKwh | UnsetType | None = UNSET
    since: Instant | UnsetType | None = UNSET
    ratedPowerKw: PowerKw | UnsetType | None = UNSET


class FleetDefaultsChange(Struct, forbid_unknown_fields=True):
    """New defaults of the fleet; an omitted one stays."""

    meters: DefaultChange | UnsetType = UNSET
    vehicles: DefaultChange | UnsetType = UNSET
    closeByNextPlugIn: bool | UnsetType = UNSET
