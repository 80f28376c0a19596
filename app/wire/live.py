"""The newest reading of each device."""

from datetime import datetime

from msgspec import Struct


class LiveMeter(Struct):
    """A meter's newest reading by its own clock. It charges where the reading reports energy above 0, or a register has
    risen since the previous reading."""

    meterId: str
    timestamp: datetime
    kwhConsumedAc: float
    voltage: float
    charging: bool
    receivedAt: datetime


class LiveVehicle(Struct):
    """A vehicle's newest reading by its own clock. It charges where the reading reports energy above 0, or a register
    has risen since the previous reading."""

    vehicleId: str
    timestamp: datetime
    soc: float
    kwhDeliveredDc: float
    batteryTemp: float
    charging: bool
    receivedAt: datetime


class LiveVehicleDetail(LiveVehicle):
    """A vehicle's newest reading, and whether its state of charge can follow from one of the two readings before it.

    `socPlausible` is null without a reading in the hour before.
    """

    socPlausible: bool | None


class LiveMeters(Struct):
    """A page of meters by key; `next` is what to pass as `after`, null on the last page."""

    meters: list[LiveMeter]
    next: str | None


class LiveVehicles(Struct):
    """A page of vehicles by key; `next` is what to pass as `after`, null on the last page."""

    vehicles: list[LiveVehicle]
    next: str | None
