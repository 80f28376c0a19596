"""What devices do now."""

from msgspec import Struct

from app.wire.values import BatteryTempC, Count, EnergyKwh, Instant, SocPct, VoltageV


class LiveMeter(Struct):
    """A meter's newest reading by its own clock, and what it does now.

    It charges where that reading reports energy above 0, or a register has risen since the previous one, and is at most
    30 minutes old. `powerKw` is the energy of the reading over the time since the previous one, null without one within
    a day, and where the meter is silent; a register that stands still between its steps keeps the power of the last.
    `vehicleId` is plugged in `since` (null: paired by its id), and the meter
    delivered `kwhSincePlugIn`, null after a week.
    """

    meterId: str
    name: str | None
    site: str | None
    timestamp: Instant
    kwhConsumedAc: EnergyKwh
    voltage: VoltageV
    charging: bool
    powerKw: float | None
    vehicleId: str | None
    since: Instant | None
    kwhSincePlugIn: float | None
    receivedAt: Instant


class LiveVehicle(Struct):
    """A vehicle's newest reading by its own clock, and what it does now: as of a meter, with the DC power and energy.

    `minutesToFull` is how long the battery takes at this power, where its capacity is registered.
    """

    vehicleId: str
    name: str | None
    group: str | None
    timestamp: Instant
    soc: SocPct
    kwhDeliveredDc: EnergyKwh
    batteryTemp: BatteryTempC
    charging: bool
    powerKw: float | None
    meterId: str | None
    since: Instant | None
    kwhSincePlugIn: float | None
    minutesToFull: float | None
    receivedAt: Instant


class LiveVehicleDetail(LiveVehicle):
    """A vehicle now, and whether its state of charge can follow from one of the two readings before the newest one.

    `socPlausible` is null without a reading in the hour before.
    """

    socPlausible: bool | None


class LiveMeters(Struct):
    """A page of meters by key; `total` counts the whole list, `next` is what to pass as `after`, null on the last
    page."""

    total: Count
    meters: list[LiveMeter]
    next: str | None


class LiveVehicles(Struct):
    """A page of vehicles by key; `total` counts the whole list, `next` is what to pass as `after`, null on the last
    page."""

    total: Count
    vehicles: list[LiveVehicle]
    next: str | None


class LiveCounts(Struct):
    """How many devices ever sent a reading, how many are silent (none for 30 minutes), how many charge, and the power
    (kW) at which they do: AC of meters, DC of vehicles."""

    devices: Count
    silent: Count
    charging: Count
    powerKw: float


class LiveFleet(Struct):
    """The fleet now, or the meters of a site and the vehicles of a group."""

    meters: LiveCounts
    vehicles: LiveCounts
