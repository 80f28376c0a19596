"""The course of a device, minute by minute."""

from typing import Literal

from msgspec import Struct

from app.wire.energy import Window
from app.wire.values import BatteryTempC, Count, SocPct, VoltageV

CurveBucket = Literal["1m", "5m", "15m"]


class MeterPoint(Struct):
    """A meter in a few minutes: its energy, the mean power over the time that its readings describe, the mean voltage.
    Null without a reading."""

    window: Window
    acConsumedKwh: float | None
    powerKw: float | None
    voltage: VoltageV | None
    readings: Count


class VehiclePoint(Struct):
    """A vehicle in a few minutes: its energy, the mean power over the time that its readings describe, the last state
    of charge, the mean battery temperature. Null without a reading."""

    window: Window
    dcDeliveredKwh: float | None
    powerKw: float | None
    soc: SocPct | None
    batteryTemp: BatteryTempC | None
    readings: Count


class MeterCurve(Struct):
    """The course of a meter, every bucket of the window in order; nothing is known where the history is gone."""

    meterId: str
    window: Window
    bucket: CurveBucket
    points: list[MeterPoint]
    pending: bool


class VehicleCurve(Struct):
    """The course of a vehicle, every bucket of the window in order; nothing is known where the history is gone."""

    vehicleId: str
    window: Window
    bucket: CurveBucket
    points: list[VehiclePoint]
    pending: bool
