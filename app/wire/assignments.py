"""Assignments, plug-in and plug-out events, and their results."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType, field

from app.wire.values import Count, DeviceId, Instant, RowId


class NewAssignment(Struct, forbid_unknown_fields=True):
    """A meter feeds a vehicle from an instant on, until `to`, or until the assignment is closed."""

    meterId: DeviceId
    vehicleId: DeviceId
    from_: Instant = field(name="from")
    to: Instant | None = None


class AssignmentChange(Struct, forbid_unknown_fields=True):
    """A correction of an assignment: `to` closes it, `to: null` reopens it; omitted fields keep their value."""

    meterId: DeviceId | UnsetType = UNSET
    vehicleId: DeviceId | UnsetType = UNSET
    from_: Instant | UnsetType = field(name="from", default=UNSET)
    to: Instant | UnsetType | None = UNSET


class PlugEvent(Struct, forbid_unknown_fields=True):
    """What happened at a meter: a vehicle was plugged in, was unplugged (any vehicle where `vehicleId` is omitted), or
    replaces the one that was plugged in before."""

    event: Literal["plugIn", "plugOut", "handOver"]
    meterId: DeviceId
    at: Instant
    vehicleId: DeviceId | None = None


class Assignment(Struct):
    """Which meter fed which vehicle, from when to when (null while it lasts): the readings stamped in `(from, to]`."""

    id: RowId
    meterId: str
    vehicleId: str
    from_: Instant = field(name="from")
    to: Instant | None


class Assignments(Struct):
    """A page of assignments by id; `next` is what to pass as `after`, null on the last page."""

    assignments: list[Assignment]
    next: Count | None


class AssignmentValues(Struct):
    """The values of an assignment before or after a change."""

    meterId: str
    vehicleId: str
    from_: Instant = field(name="from")
    to: Instant | None


class RecordedChange(Struct):
    """One change of an assignment: `before` is null where it was created, `after` where it was voided."""

    id: RowId
    assignmentId: RowId
    at: Instant
    action: Literal["created", "changed", "voided"]
    databaseRole: str
    operator: str | None
    reason: str | None
    before: AssignmentValues | None
    after: AssignmentValues | None


class RecordedChanges(Struct):
    """A page of changes in the order they were made; `next` is what to pass as `after`, null on the last page."""

    changes: list[RecordedChange]
    next: Count | None


class AssignmentHistory(Struct):
    """An assignment, or the last values of a voided one, with its newest changes in the order they were made."""

    id: RowId
    meterId: str
    vehicleId: str
    from_: Instant = field(name="from")
    to: Instant | None
    voided: bool
    changes: list[RecordedChange]


class Overlap(Struct):
    """One assignment of a request and those that it overlaps: stored ones, and those before it in the request, whose id
    is theirs only if the request is stored."""

    index: Count
    overlaps: list[Assignment]


class ItemError(Struct):
    """Why one item of a request was rejected, with the code it would have alone; `overlaps` are in its way."""

    code: str
    field: str | None
    detail: str
    overlaps: list[Assignment]


class ItemResult(Struct):
    """The result of one item: the assignment it created, closed or found (null where that was voided since, or where a
    plugOut waits for its plugIn), and what it did to others.

    `closed` were ended to make room for it. `clipped` end at the next plugIn, a moment before the plugOut that was
    reported: the clocks of the two events differ by up to `ENERGY_PLUG_CLOCK_TOLERANCE_S`. `replacedEnd` is the end
    that was assumed before this plugOut came. An assignment whose `from` and `to` are equal had no length, and is
    voided.
    """

    index: Count
    outcome: Literal["created", "closed", "waiting", "unchanged", "refused"]
    assignment: Assignment | None
    closed: list[Assignment]
    error: ItemError | None
    clipped: list[Assignment] = []
    replacedEnd: Instant | None = None


class ItemResults(Struct):
    """The results of a request's items, in their order; the three counts add up to their number."""

    kept: Count
    unchanged: Count
    refused: Count
    results: list[ItemResult]


class WaitingPlugOut(Struct):
    """A plugOut that ended nothing when it came, at `notedAt`: it ends the plugIn before it, should that still come.
    `vehicleId` null: whichever vehicle was plugged in."""

    id: RowId
    meterId: str
    vehicleId: str | None
    at: Instant
    notedAt: Instant
    databaseRole: str
    operator: str | None
    reason: str | None


class WaitingPlugOuts(Struct):
    """A page of plugOuts that wait, in the order they came; `next` is what to pass as `after`, null on the last
    page."""

    plugOuts: list[WaitingPlugOut]
    total: Count
    next: Count | None
