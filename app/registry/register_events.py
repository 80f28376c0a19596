"""Register events and what operators decide about them: parameters in, structs out."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal, NamedTuple

import psycopg

from app.db.pool import Connection, Database
from app.db.queries import query
from app.errors import InvalidParameter, ProblemError, UnknownDecision, UnknownMeter, UnknownVehicle
from app.registry.assignments import Author
from app.wire.register_events import (
    Decision,
    DecisionChange,
    DecisionChanges,
    DecisionOutcome,
    Decisions,
    DecisionValues,
    EventKind,
    NewDecision,
    RegisterEvent,
    RegisterEvents,
)

MAX_EVENTS_COUNTED = 100_000
"""Register events that `total` counts at most: session counters have one a session."""
DeviceType = Literal["meter", "vehicle"]
# Names of arguments in SQL that the wire calls otherwise.
_FIELDS = {"first_kwh": "firstKwh"}


class Device(NamedTuple):
    """A meter or a vehicle."""

    device_type: DeviceType
    device_id: str


class Place(NamedTuple):
    """Where a page ends: an instant, and a device."""

    at: datetime
    device_type: DeviceType
    device_id: str


async def events(
    database: Database,
    device: Device | None = None,
    *,
    begins: datetime | None = None,
    ends: datetime | None = None,
    kind: EventKind | None = None,
    to_decide: bool | None = None,
    after: Place | None = None,
    limit: int = 100,
) -> RegisterEvents:
    """A page of events in order of time, those of (begins, ends], of a device or of all, that an operator has to
    decide, or has not; empty where none fits.

    Raises :class:`DatabaseLost`.
    """
    of_device = {"device_type": None, "device_id": None} if device is None else device._asdict()
    narrowed = {"from": begins, "to": ends, "kind": kind, "to_decide": to_decide, **of_device}
    paged = {**narrowed, "row_limit": limit + 1, **_after(after)}
    if device is None:
        rows = await database.fetch_all("register_events", paged)
    else:
        rows = await database.fetch_all("register_events_of_device", paged)
    [counted] = await database.fetch_all("register_events_counted", {**narrowed, "most": MAX_EVENTS_COUNTED})
    page = [_event(row) for row in rows[:limit]]
    following = _next(rows[limit - 1], "recorded_at") if len(rows) > limit else None
    return RegisterEvents(page, counted.events, following)


async def decisions(
    database: Database, device: Device | None = None, *, after: Place | None = None, limit: int = 100
) -> Decisions:
    """A page of the decisions that hold, by device and instant; empty without any. Raises :class:`DatabaseLost`."""
    of_device = {"device_type": None, "device_id": None} if device is None else device._asdict()
    rows = await database.fetch_all("register_decisions", {**of_device, "row_limit": limit + 1, **_after(after)})
    page = [_decision(row) for row in rows[:limit]]
    return Decisions(page, _next(rows[limit - 1], "decided_for") if len(rows) > limit else None)


async def changes(database: Database, *, after: int = 0, limit: int = 100) -> DecisionChanges:
    """A page of changes of decisions, in the order they were made; empty where there are none after that.

    Raises :class:`DatabaseLost`.
    """
    rows = await database.fetch_all("register_decision_changes", {"after": after, "row_limit": limit + 1})
    page = [_change(row) for row in rows[:limit]]
    return DecisionChanges(page, page[-1].id if len(rows) > limit else None)


async def decide(database: Database, device: Device, wanted: NewDecision, author: Author) -> DecisionOutcome:
    """Decide a step of a register; a repeat changes nothing.

    Raises :class:`InvalidParameter` where the decision does not fit the readings, :class:`UnknownMeter` or
    :class:`UnknownVehicle` where the device is not known, :class:`DatabaseLost`.
    """

    async def work(connection: Connection) -> DecisionOutcome:
        parameters = {
            **device._asdict(),
            "at": wanted.at,
            "decision": wanted.decision,
            "first_kwh": wanted.firstKwh,
            **author._asdict(),
        }
        return await _outcome(connection, await connection.execute(query("decide_step"), parameters), device, wanted.at)

    return await _deciding(database, device, work)


async def withdraw(database: Database, device: Device, at: datetime, author: Author) -> DecisionOutcome:
    """Withdraw what was decided about an instant; a repeat changes nothing.

    Raises :class:`UnknownDecision` where nothing was ever decided about it, :class:`UnknownMeter` or
    :class:`UnknownVehicle`, :class:`DatabaseLost`.
    """

    async def work(connection: Connection) -> DecisionOutcome:
        parameters = {**device._asdict(), "at": at, **author._asdict()}
        return await _outcome(connection, await connection.execute(query("withdraw_decision"), parameters), device, at)

    return await _deciding(database, device, work)


async def _deciding(
    database: Database, device: Device, work: Callable[[Connection], Awaitable[DecisionOutcome]]
) -> DecisionOutcome:
    try:
        return await database.write(work)
    except psycopg.errors.InvalidParameterValue as error:
        name = error.diag.column_name or "at"
        field = _FIELDS.get(name, name)
        raise InvalidParameter(_message(error).replace(name, field), {"field": field}) from None
    except psycopg.errors.NoDataFound as error:
        raise _unknown(error, device) from None


def _unknown(error: psycopg.Error, device: Device) -> ProblemError:
    if error.diag.column_name == "device":
        return (UnknownMeter if device.device_type == "meter" else UnknownVehicle)(_message(error))
    return UnknownDecision(f"{_message(error)}; {error.diag.message_hint}", {"field": "at"})


def _message(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error)


async def _outcome(connection: Connection, cursor: Any, device: Device, at: datetime) -> DecisionOutcome:
    [done] = await cursor.fetchall()
    of_event = {**device._asdict(), "at": done.event_at}
    event = await (await connection.execute(query("register_event"), of_event)).fetchone()
    of_decision = {**device._asdict(), "at": at}
    decision = await (await connection.execute(query("register_decision"), of_decision)).fetchone()
    return DecisionOutcome(
        done.outcome,
        _decision(decision) if decision else None,
        _event(event) if event else None,
        None if done.energy_change_kwh is None else _rounded(done.energy_change_kwh),
        done.is_pending,
    )


def _after(place: Place | None) -> dict[str, Any]:
    if place is None:
        return {"after_at": None, "after_type": "", "after_id": ""}
    return {"after_at": place.at, "after_type": place.device_type, "after_id": place.device_id}


def _next(row: Any, instant: str) -> str:
    at = getattr(row, instant).isoformat().replace("+00:00", "Z")
    return f"{at},{row.device_type},{row.device_id}"


def _ids(row: Any) -> dict[str, Any]:
    return {
        "meterId": row.device_id if row.device_type == "meter" else None,
        "vehicleId": row.device_id if row.device_type == "vehicle" else None,
    }


def _rounded(energy_kwh: float) -> float:
    """To 6 decimals, and 0 without a sign."""
    return round(energy_kwh, 6) + 0.0


def _event(row: Any) -> RegisterEvent:
    return RegisterEvent(
        **_ids(row),
        at=row.recorded_at,
        kind=row.kind,
        beforeAt=row.before_at,
        beforeKwh=row.before_kwh,
        kwh=row.kwh,
        countedKwh=_rounded(row.counted_kwh),
        correctionKwh=_rounded(row.correction_kwh),
        decidedBy=row.decided_by,
        operator=row.operator,
        reason=row.reason,
        decidedAt=row.decided_at,
        toDecide=row.is_to_decide,
        pending=row.is_pending,
    )


def _decision(row: Any) -> Decision:
    return Decision(
        **_ids(row),
        at=row.decided_for,
        decision=row.kind,
        firstKwh=row.first_kwh,
        decidedAt=row.decided_at,
        databaseRole=row.database_role,
        operator=row.operator,
        reason=row.reason,
    )


def _change(row: Any) -> DecisionChange:
    return DecisionChange(
        id=row.id,
        **_ids(row),
        at=row.decided_for,
        changedAt=row.changed_at,
        action=row.action,
        databaseRole=row.database_role,
        operator=row.operator,
        reason=row.reason,
        before=None if row.old_kind is None else DecisionValues(row.old_kind, row.old_first_kwh),
        after=None if row.new_kind is None else DecisionValues(row.new_kind, row.new_first_kwh),
    )
