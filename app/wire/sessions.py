"""Charging sessions."""

from typing import Literal

from msgspec import Struct, field

from app.wire.energy import FaultCode, ReadingCounts, Window
from app.wire.values import BatteryTempC, Count, Instant, RowId, Share, SocPct

SessionState = Literal["planned", "active", "ended"]


class Session(Struct):
    """A stay of a vehicle at a meter. `from` and `to` (null: it goes on) are its own; figures are of the part within
    the window, `beganBefore` says that there is more of it before.

    It is an assignment, with its id; or, of a vehicle that was never assigned, what the energy of the meter of its id
    shows (`assignmentId` null). `lostBeyondExpectedKwh` is what arrived less than is expected at its power; negative:
    more arrived. Powers are AC, kW to 2 decimals: the mean while energy flowed, and the highest between two readings;
    `flowShare` is the share of the time in which at least 0.1 kW flowed. Of more than two days within the window, hours
    stand for readings. `socStart` is the last state of charge of the hour before, else the first one within.
    """

    id: str
    vehicleId: str
    meterId: str
    assignmentId: RowId | None
    from_: Instant = field(name="from")
    to: Instant | None
    state: SessionState
    beganBefore: bool
    acConsumedKwh: float | None
    dcDeliveredKwh: float | None
    efficiencyRatio: float | None
    lostBeyondExpectedKwh: float | None
    meanPowerKw: float | None
    highestPowerKw: float | None
    flowShare: Share | None
    socStart: SocPct | None
    socEnd: SocPct | None
    avgBatteryTemp: BatteryTempC | None
    readings: ReadingCounts
    estimated: bool
    faults: list[FaultCode]


class Sessions(Struct):
    """A page of sessions, newest first; `total` counts the whole list, `next` is what to pass as `after`, null on the
    last page."""

    window: Window
    total: Count
    sessions: list[Session]
    pending: bool
    next: str | None


class SessionDetail(Struct):
    """One session as a whole, or as much of it as a window may hold, up to its end or to now."""

    window: Window
    session: Session
    pending: bool
