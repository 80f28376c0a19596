"""Which meter fed which vehicle, when: parameters in, structs out.

The database itself keeps a meter to one vehicle at a time and a vehicle to one meter; here it is asked what stood in
the way.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import msgspec
import psycopg
from msgspec import UNSET

from app.db.pool import Connection, Database
from app.db.queries import query
from app.errors import AssignmentOverlap, InvalidParameter, NothingPluggedIn, ProblemError, UnknownAssignment
from app.wire.allowed import missing
from app.wire.assignments import (
    Assignment,
    AssignmentChange,
    AssignmentHistory,
    Assignments,
    AssignmentValues,
    ItemError,
    ItemResult,
    ItemResults,
    NewAssignment,
    Overlap,
    PlugEvent,
    RecordedChange,
    RecordedChanges,
    WaitingPlugOut,
    WaitingPlugOuts,
)
from app.wire.values import EARLIEST, LATEST, DeviceId
from app.words import duration, rfc3339

_T = TypeVar("_T")
_A_SECOND = timedelta(seconds=1)
_NO_ITEMS: Mapping[int, int] = {}


class Author(NamedTuple):
    """Who asks for changes of assignments, and why: stored with each change, None where not given."""

    operator: str | None = None
    reason: str | None = None


NOBODY = Author()


class Clocks(NamedTuple):
    """How far the clock of an event may be ahead of the service's, and how far those of two events may differ."""

    ahead: timedelta
    apart: timedelta


_CLOSE_BY_NEXT = (
    "an open assignment ends by its plugOut, by sending this event as handOver, or, for every plugIn, by "
    'PUT /v1/fleet/defaults {"closeByNextPlugIn": true}'
)


async def create(database: Database, wanted: Sequence[NewAssignment], author: Author = NOBODY) -> list[Assignment]:
    """Add all of them, or none. Raises :class:`AssignmentOverlap` naming, for each that does not fit, what it overlaps,
    :class:`InvalidParameter` where one ends before it begins, :class:`DatabaseLost`."""

    async def work(connection: Connection) -> list[Assignment]:
        added = await _add_all(connection, wanted)
        overlaps = [outcome for outcome in added if isinstance(outcome, Overlap)]
        if overlaps:
            # Those that fit are not stored either, so their ids name nothing.
            items = {outcome.id: index for index, outcome in enumerate(added) if isinstance(outcome, Assignment)}
            raise _overlap_problem(wanted, overlaps, items)
        return [outcome for outcome in added if isinstance(outcome, Assignment)]

    for index, assignment in enumerate(wanted):
        check_ends(assignment.from_, assignment.to, f"item {index}: " if len(wanted) > 1 else "")
    return await _writing(database, author, work)


async def add_each(
    database: Database, wanted: Sequence[NewAssignment], author: Author = NOBODY
) -> list[Assignment | Overlap]:
    """Add those that fit, in one transaction; an :class:`Overlap` takes the place of each that does not.

    Raises :class:`InvalidParameter` where one ends before it begins, :class:`DatabaseLost`.
    """

    async def work(connection: Connection) -> list[Assignment | Overlap]:
        return await _add_all(connection, wanted)

    for index, assignment in enumerate(wanted):
        check_ends(assignment.from_, assignment.to, f"item {index}: " if len(wanted) > 1 else "")
    return await _writing(database, author, work)


async def create_each(
    database: Database, items: Sequence[NewAssignment | ProblemError], author: Author = NOBODY
) -> ItemResults:
    """Add those that fit; an identical one that exists is left alone. An error in the place of an item is
    why that one is rejected. Raises :class:`DatabaseLost`."""
    checked = [_checked(item) for item in items]
    wanted = {index: item for index, item in enumerate(checked) if isinstance(item, NewAssignment)}
    added = await add_each(database, list(wanted.values()), author) if wanted else []
    outcomes = dict(zip(wanted, added, strict=True))
    results = []
    for index, item in enumerate(checked):
        if isinstance(item, ProblemError):
            results.append(_refused(index, item))
            continue
        outcome = outcomes[index]
        if isinstance(outcome, Assignment):
            results.append(ItemResult(index, "created", outcome, [], None))
        elif there := there_already(item, outcome):
            results.append(ItemResult(index, "unchanged", there, [], None))
        else:
            results.append(_refused(index, AssignmentOverlap(describe(item, outcome)), outcome.overlaps))
    return _counted(results)


async def apply_events(
    database: Database,
    items: Sequence[PlugEvent | ProblemError],
    author: Author,
    clocks: Clocks,
) -> ItemResults:
    """Apply events, in one transaction and in order of their time; a repeat changes nothing.

    An error in the place of an event is why that one is rejected. Raises :class:`DatabaseLost`.
    """
    latest = datetime.now(UTC) + clocks.ahead
    checked = [_checked_event(item, latest) for item in items]
    # Of two at one instant the plugOut comes first: it frees the meter for the other.
    events = sorted(
        ((index, event) for index, event in enumerate(checked) if isinstance(event, PlugEvent)),
        key=lambda item: (item[1].at, item[1].event != "plugOut"),
    )

    async def work(connection: Connection) -> list[ItemResult]:
        devices = {
            "meters": [event.meterId for _, event in events],
            "vehicles": [event.vehicleId for _, event in events],
        }
        await connection.execute(query("lock_assignments_of"), devices)
        return await _apply_in_order(connection, events, clocks.apart)

    results = [_refused(index, error) for index, error in enumerate(checked) if isinstance(error, ProblemError)]
    results += await _writing(database, author, work) if events else []
    return _counted(sorted(results, key=lambda result: result.index))


async def apply_event(database: Database, event: PlugEvent, author: Author, clocks: Clocks) -> ItemResult:
    """Apply one event. Raises :class:`AssignmentOverlap`, :class:`NothingPluggedIn`, :class:`InvalidParameter`,
    :class:`DatabaseLost`."""
    [result] = (await apply_events(database, [event], author, clocks)).results
    if result.error is None:
        return result
    match result.error.code:
        case AssignmentOverlap.code:
            conflicts = [Overlap(0, result.error.overlaps)]
            raise AssignmentOverlap(result.error.detail, {"conflicts": msgspec.to_builtins(conflicts)})
        case NothingPluggedIn.code:
            raise NothingPluggedIn(result.error.detail)
        case _:
            raise InvalidParameter(result.error.detail, {"field": result.error.field})


async def change(
    database: Database, assignment_id: int, wanted: AssignmentChange, author: Author = NOBODY
) -> Assignment:
    """Correct an assignment's devices or ends; `to` closes it. Raises :class:`UnknownAssignment`,
    :class:`AssignmentOverlap`, :class:`InvalidParameter` where it would end before it begins, :class:`DatabaseLost`."""
    given = {name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not UNSET}
    if not given:
        raise InvalidParameter(
            "a change must have from, to, meterId or vehicleId, such as to: 2026-11-20T08:00:00Z", {"field": "to"}
        )

    async def work(connection: Connection) -> Assignment:
        kept = await _locked(connection, assignment_id, wanted)
        corrected = msgspec.structs.replace(kept, **given)
        check_ends(corrected.from_, corrected.to)
        hypothetical = NewAssignment(corrected.meterId, corrected.vehicleId, corrected.from_, corrected.to)
        try:
            async with connection.transaction():
                parameters = {"id": assignment_id, **_parameters(hypothetical)}
                cursor = await connection.execute(query("change_assignment"), parameters)
                return _assignment(await cursor.fetchone())
        except psycopg.errors.ExclusionViolation:
            overlap = await _overlap(connection, 0, hypothetical, except_id=assignment_id)
            raise _overlap_problem([hypothetical], [overlap]) from None

    return await _writing(database, author, work)


async def void(database: Database, assignment_id: int, author: Author = NOBODY) -> AssignmentHistory:
    """Void a wrong assignment, as if it had never been; its changes stay. A repeat changes nothing.

    Raises :class:`UnknownAssignment`, :class:`DatabaseLost`.
    """

    async def work(connection: Connection) -> None:
        await connection.execute(query("void_assignment"), {"id": assignment_id})

    await _writing(database, author, work)
    return await history(database, assignment_id)


async def history(database: Database, assignment_id: int) -> AssignmentHistory:
    """An assignment, or the last values of a voided one, with its newest changes. Raises :class:`UnknownAssignment`,
    :class:`DatabaseLost`."""
    changes = [_recorded(row) for row in await database.fetch_all("changes_of_assignment", {"id": assignment_id})]
    changes.reverse()
    rows = await database.fetch_all("assignment", {"id": assignment_id})
    if rows:
        kept = _assignment(rows[0])
        return AssignmentHistory(kept.id, kept.meterId, kept.vehicleId, kept.from_, kept.to, False, changes)
    if not changes or (last := changes[-1].before or changes[-1].after) is None:
        raise UnknownAssignment(f"there is no assignment {assignment_id}")
    return AssignmentHistory(assignment_id, last.meterId, last.vehicleId, last.from_, last.to, True, changes)


async def changes(database: Database, *, after: int = 0, limit: int = 100) -> RecordedChanges:
    """A page of changes of any assignments, in the order they were made; empty where there are none after that.

    Raises :class:`DatabaseLost`.
    """
    rows = await database.fetch_all("assignment_changes", {"after": after, "row_limit": limit + 1})
    page = [_recorded(row) for row in rows[:limit]]
    return RecordedChanges(page, page[-1].id if len(rows) > limit else None)


async def listed(
    database: Database,
    *,
    meter_id: str | None = None,
    vehicle_id: str | None = None,
    at: datetime | None = None,
    begins: datetime | None = None,
    ends: datetime | None = None,
    after: int = 0,
    limit: int = 100,
) -> Assignments:
    """A page of assignments in order of id, empty where none fits; `at` keeps those in force at an instant, `begins`
    and `ends` those in force at any time from the one (included) to the other.

    Raises :class:`DatabaseLost`.
    """
    parameters: dict[str, Any] = {"meter_id": meter_id, "vehicle_id": vehicle_id, "at": at, "from": begins, "to": ends}
    parameters |= {"after": after, "row_limit": limit + 1}
    of_a_device = meter_id is not None or vehicle_id is not None
    if at is not None or (of_a_device and (begins is not None or ends is not None)):
        rows = await database.fetch_all("assignments_in_force", parameters)
    elif of_a_device:
        rows = await database.fetch_all(f"assignments_of_{'meter' if vehicle_id is None else 'vehicle'}", parameters)
    else:
        rows = await database.fetch_all("assignments", parameters)
    page = [_assignment(row) for row in rows[:limit]]
    return Assignments(page, page[-1].id if len(rows) > limit else None)


async def waiting(
    database: Database,
    *,
    meter_id: str | None = None,
    vehicle_id: str | None = None,
    after: int = 0,
    limit: int = 100,
) -> WaitingPlugOuts:
    """A page of plug-outs that wait for their plug-in, in the order they came; empty without any.

    Raises :class:`DatabaseLost`. Source: `api.waiting_plug_out`.
    """
    parameters = {"meter_id": meter_id, "vehicle_id": vehicle_id, "after": after, "row_limit": limit}
    rows = await database.fetch_all("waiting_plug_outs", parameters)
    page = [
        WaitingPlugOut(
            id=row.id,
            meterId=row.meter_id,
            vehicleId=row.vehicle_id,
            at=row.plugged_out_at,
            notedAt=row.noted_at,
            databaseRole=row.database_role,
            operator=row.operator,
            reason=row.reason,
        )
        for row in rows
        if row.id is not None
    ]
    return WaitingPlugOuts(page, rows[0].total, page[-1].id if len(page) < rows[0].left_over else None)


def check_ends(begins: datetime, ends: datetime | None, where: str = "") -> None:
    """Raises :class:`InvalidParameter` where an assignment does not end later than it begins, or is out of range."""
    for name, instant in (("from", begins), ("to", ends)):
        _check_range(name, instant, where)
    if ends is not None and ends <= begins:
        raise InvalidParameter(f"{where}to must be later than from", {"field": "to"})


def there_already(wanted: NewAssignment, overlap: Overlap) -> Assignment | None:
    """The one that an assignment overlaps because it is that very assignment."""
    same = (wanted.meterId, wanted.vehicleId, wanted.from_, wanted.to)
    return next((o for o in overlap.overlaps if (o.meterId, o.vehicleId, o.from_, o.to) == same), None)


def describe(wanted: NewAssignment, overlap: Overlap, items: Mapping[int, int] = _NO_ITEMS) -> str:
    """A sentence naming what an assignment overlaps; `items` are the ids that items of the request would have had."""
    what = f"{wanted.meterId} to {wanted.vehicleId} from {rfc3339(wanted.from_)}"
    return f"{what} overlaps {_named(overlap.overlaps, items)}; {_remedy(wanted, overlap.overlaps[0], items)}"


async def _writing(database: Database, author: Author, work: Callable[[Connection], Awaitable[_T]]) -> _T:
    """Run `work` in one transaction, under its author's name. Raises :class:`DatabaseLost`."""

    async def signed(connection: Connection) -> _T:
        await connection.execute(query("set_author"), author._asdict())
        return await work(connection)

    return await database.write(signed)


async def _add_all(connection: Connection, wanted: Sequence[NewAssignment]) -> list[Assignment | Overlap]:
    devices = {"meters": [item.meterId for item in wanted], "vehicles": [item.vehicleId for item in wanted]}
    await connection.execute(query("lock_assignments_of"), devices)
    return [await _add(connection, index, assignment) for index, assignment in enumerate(wanted)]


async def _add(connection: Connection, index: int, wanted: NewAssignment) -> Assignment | Overlap:
    cursor = await connection.execute(query("add_assignment"), _parameters(wanted))
    row = await cursor.fetchone()
    return _assignment(row) if row else await _overlap(connection, index, wanted)


async def _locked(connection: Connection, assignment_id: int, wanted: AssignmentChange) -> Assignment:
    """The assignment, which nobody else changes until the transaction ends; nor those of its devices, old and new."""
    cursor = await connection.execute(query("assignment"), {"id": assignment_id})
    if row := await cursor.fetchone():
        kept = _assignment(row)
        devices = {
            "meters": [kept.meterId, None if wanted.meterId is UNSET else wanted.meterId],
            "vehicles": [kept.vehicleId, None if wanted.vehicleId is UNSET else wanted.vehicleId],
        }
        await connection.execute(query("lock_assignments_of"), devices)
        cursor = await connection.execute(query("lock_assignment"), {"id": assignment_id})
        row = await cursor.fetchone()
    if row is None:
        raise UnknownAssignment(f"there is no assignment {assignment_id}")
    return _assignment(row)


async def _apply_in_order(
    connection: Connection, events: Sequence[tuple[int, PlugEvent]], apart: timedelta
) -> list[ItemResult]:
    """Apply events in their order; one that fails, and may come after a later one, is tried again right after that."""
    queue, results, moved = deque(events), [], set()
    while queue:
        index, event = queue.popleft()
        position = None if index in moved else _that_settles(event, queue, apart)
        result = await _apply(connection, index, event, apart, may_wait=position is None)
        if position is not None and result.error is not None:
            queue.insert(position + 1, (index, event))
            moved.add(index)
        else:
            results.append(result)
    return results


def _that_settles(event: PlugEvent, later: Iterable[tuple[int, PlugEvent]], apart: timedelta) -> int | None:
    """The position of the later event that an event may have to come after: a plugOut after a plugIn of its instant, a
    plugIn after a plugOut that clocks explain."""
    for position, (_, other) in enumerate(later):
        if other.at - event.at > max(apart, _A_SECOND):
            break
        match event.event, other.event:
            case "plugOut", "plugIn" | "handOver":
                # Its second, where the plugOut has whole seconds.
                is_near = event.at in (other.at, other.at.replace(microsecond=0))
                is_of_it = other.meterId == event.meterId and event.vehicleId in (None, other.vehicleId)
            case "plugIn", "plugOut":
                is_near = other.at - event.at <= apart
                is_of_it = other.meterId == event.meterId or other.vehicleId == event.vehicleId
            case _:
                continue
        if is_near and is_of_it:
            return position
    return None


async def _apply(
    connection: Connection, index: int, event: PlugEvent, apart: timedelta, *, may_wait: bool
) -> ItemResult:
    match event.event:
        case "plugIn":
            statement = query("plug_in")
        case "plugOut":
            statement = query("plug_out")
        case "handOver":
            statement = query("hand_over")
    parameters: dict[str, Any] = {"meter_id": event.meterId, "vehicle_id": event.vehicleId, "at": event.at}
    parameters |= {"clock_tolerance": apart, "may_wait": may_wait}
    rows = await (await connection.execute(statement, parameters)).fetchall()
    vehicle = event.vehicleId or "any vehicle"
    if not rows:
        return _refused(index, NothingPluggedIn(f"{event.meterId} did not feed {vehicle} until {rfc3339(event.at)}"))
    newest = rows[-1]
    if newest.outcome == "overlap":
        overlaps = [_assignment(row) for row in rows]
        what = f"{event.meterId} to {vehicle} at {rfc3339(event.at)}"
        is_lost = event.event == "plugIn" and any(one.to is None and one.from_ < event.at for one in overlaps)
        begun = NewAssignment(event.meterId, vehicle, event.at, None)
        remedy = _CLOSE_BY_NEXT if is_lost else _remedy(begun, overlaps[0])
        detail = f"{what} overlaps {_named(overlaps)}; {remedy}"
        return _refused(index, AssignmentOverlap(detail), overlaps)
    others: dict[str, list[Assignment]] = {"closed": [], "clipped": []}
    for row in rows[:-1]:
        others[row.outcome].append(_assignment(row))
    # Without an id there is nothing to show: its assignment was voided, or is not known yet.
    own = _assignment(newest) if newest.id is not None else None
    return ItemResult(index, newest.outcome, own, others["closed"], None, others["clipped"], newest.replaced_end)


async def _overlap(connection: Connection, index: int, wanted: NewAssignment, except_id: int | None = None) -> Overlap:
    cursor = await connection.execute(query("overlapping_assignments"), {**_parameters(wanted), "except_id": except_id})
    return Overlap(index, [_assignment(row) for row in await cursor.fetchall()])


def _checked(item: NewAssignment | ProblemError) -> NewAssignment | ProblemError:
    try:
        if isinstance(item, NewAssignment):
            check_ends(item.from_, item.to)
    except InvalidParameter as error:
        return error
    return item


def _checked_event(item: PlugEvent | ProblemError, latest: datetime) -> PlugEvent | ProblemError:
    """The event, or why it is rejected; one in the future is."""
    if isinstance(item, ProblemError):
        return item
    try:
        _check_range("at", item.at)
    except InvalidParameter as error:
        return error
    if item.at > latest:
        return InvalidParameter("at must not be in the future: an event has happened", {"field": "at"})
    if item.vehicleId is None and item.event != "plugOut":
        return InvalidParameter(f"{missing('vehicleId', DeviceId)} for {item.event}", {"field": "vehicleId"})
    return item


def _check_range(name: str, instant: datetime | None, where: str = "") -> None:
    if instant is not None and not EARLIEST <= instant <= LATEST:
        detail = f"{where}{name} must be from {rfc3339(EARLIEST)} to {rfc3339(LATEST)}"
        raise InvalidParameter(detail, {"field": name})


def _counted(results: list[ItemResult]) -> ItemResults:
    outcomes = [result.outcome for result in results]
    unchanged, refused = outcomes.count("unchanged"), outcomes.count("refused")
    return ItemResults(len(outcomes) - unchanged - refused, unchanged, refused, results)


def _refused(index: int, error: ProblemError, overlaps: Sequence[Assignment] = ()) -> ItemResult:
    item_error = ItemError(error.code, error.extra.get("field"), error.detail, list(overlaps))
    return ItemResult(index, "refused", None, [], item_error)


def _parameters(wanted: NewAssignment) -> dict[str, Any]:
    return {
        "meter_id": wanted.meterId,
        "vehicle_id": wanted.vehicleId,
        "from": wanted.from_,
        "to": wanted.to,
    }


def _assignment(row: Any) -> Assignment:
    return Assignment(row.id, row.meter_id, row.vehicle_id, row.begins, row.ends)


def _recorded(row: Any) -> RecordedChange:
    before = after = None
    if row.old_meter_id is not None:
        before = AssignmentValues(row.old_meter_id, row.old_vehicle_id, row.old_begins, row.old_ends)
    if row.new_meter_id is not None:
        after = AssignmentValues(row.new_meter_id, row.new_vehicle_id, row.new_begins, row.new_ends)
    return RecordedChange(
        id=row.id,
        assignmentId=row.assignment_id,
        at=row.changed_at,
        action=row.action,
        databaseRole=row.database_role,
        operator=row.operator,
        reason=row.reason,
        before=before,
        after=after,
    )


def _named(assignments: Sequence[Assignment], items: Mapping[int, int] = _NO_ITEMS) -> str:
    return "; ".join(
        (f"item {items[other.id]} of this request" if other.id in items else f"assignment {other.id}")
        + f" ({other.meterId} to {other.vehicleId}, from {rfc3339(other.from_)}, "
        + (f"to {rfc3339(other.to)})" if other.to else "still open)")
        for other in assignments
    )


def _remedy(wanted: NewAssignment, other: Assignment, items: Mapping[int, int] = _NO_ITEMS) -> str:
    """What to do about an assignment that is in the way: nothing is clipped here, since both ends were given."""
    if other.id in items:
        return "correct one of the two items"
    path = f"PATCH /v1/assignments/{other.id}"
    if wanted.from_ < other.from_:
        if wanted.to is None or (other.to is not None and other.to < wanted.to):
            return f"correct it with {path}"
        shared, ends = wanted.to - other.from_, f"end at its beginning or before ({rfc3339(other.from_)})"
    elif other.to is None:
        return f'close it first: {path} with a to, such as {{"to": "2026-11-20T08:00:00Z"}}'
    else:
        shared = min(other.to, wanted.to or other.to) - wanted.from_
        ends = f"begin at its end or later ({rfc3339(other.to)})"
    return f"they share {_length(shared)}: {ends}, or correct it with {path}"


def _length(shared: timedelta) -> str:
    """A length of time; the short one by which clocks differ to the microsecond."""
    return duration(shared) if shared >= timedelta(minutes=1) else f"{shared.total_seconds():g} s"


def _overlap_problem(
    wanted: Sequence[NewAssignment], overlaps: list[Overlap], items: Mapping[int, int] = _NO_ITEMS
) -> AssignmentOverlap:
    conflicts = msgspec.to_builtins(overlaps)
    for conflict in conflicts:
        for other in conflict["overlaps"]:
            if other["id"] in items:
                other["item"], other["id"] = items[other["id"]], None
    return AssignmentOverlap(describe(wanted[overlaps[0].index], overlaps[0], items), {"conflicts": conflicts})
