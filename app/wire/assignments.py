"""Assignments, events of plugging in and out, and what became of them."""

from datetime import datetime
from typing import Literal

from msgspec import UNSET, Struct, UnsetType, field

from app.wire.values import DeviceId, Instant


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
