"""Which meter fed which vehicle, when: parameters in, structs out.

The database itself keeps a meter to one vehicle at a time and a vehicle to one meter; here it is asked what stood in
the way.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
from msgspec import UNSET

from app.db import Connection, Database
from app.errors import AssignmentOverlap, DatabaseLost, InvalidParameter, UnknownAssignment
from app.models import Assignment, AssignmentChange, Assignments, NewAssignment, Overlap
from app.queries import query

# Ends beyond these are slips of the keyboard, and the outermost ones no datetime in UTC could hold.
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 1, 1, tzinfo=UTC)


async def create(database: Database, wanted: Sequence[NewAssignment]) -> list[Assignment]:
    """Add all of them, or none. Raises :class:`AssignmentOverlap` naming, for each that does not fit, what it overlaps,
    :class:`InvalidParameter` where one ends before it begins, :class:`DatabaseLost`."""
    for index, assignment in enumerate(wanted):
        check_ends(assignment.from_, assignment.to, f"assignment {index}: ")
    with _database_errors():
        async with database.assigning() as connection:
            added = [await _add(connection, index, assignment) for index, assignment in enumerate(wanted)]
            overlaps = [outcome for outcome in added if isinstance(outcome, Overlap)]
            if overlaps:
                raise _overlap_problem(wanted, overlaps)
    return [outcome for outcome in added if isinstance(outcome, Assignment)]


async def add_each(database: Database, wanted: Sequence[NewAssignment]) -> list[Assignment | Overlap]:
    """Add those that fit, in one transaction; an :class:`Overlap` stands in the place of each that does not.

    Raises :class:`InvalidParameter` where one ends before it begins, :class:`DatabaseLost`.
    """
    for index, assignment in enumerate(wanted):
        check_ends(assignment.from_, assignment.to, f"assignment {index}: ")
    with _database_errors():
        async with database.assigning() as connection:
            return [await _add(connection, index, assignment) for index, assignment in enumerate(wanted)]


async def change(database: Database, assignment_id: int, wanted: AssignmentChange) -> Assignment:
    """Move an assignment's ends; `to` closes it. Raises :class:`UnknownAssignment`, :class:`AssignmentOverlap`,
    :class:`InvalidParameter` where it would end before it begins, :class:`DatabaseLost`."""
    if wanted.from_ is UNSET and wanted.to is UNSET:
        raise InvalidParameter("an assignment is changed by its `from`, its `to`, or both", {"field": "to"})
    with _database_errors():
        try:
            async with database.assigning() as connection:
                cursor = await connection.execute(query("lock_assignment"), {"id": assignment_id})
                row = await cursor.fetchone()
                if row is None:
                    raise UnknownAssignment(f"there is no assignment {assignment_id}")
                kept = Assignment(*row)
                begins = kept.from_ if wanted.from_ is UNSET else wanted.from_
                ends = kept.to if wanted.to is UNSET else wanted.to
                check_ends(begins, ends)
                changed = {"id": assignment_id, "from": begins, "to": ends}
                cursor = await connection.execute(query("change_assignment"), changed)
                return Assignment(*(await cursor.fetchone() or ()))
        except psycopg.errors.ExclusionViolation:
            hypothetical = NewAssignment(kept.meterId, kept.vehicleId, begins, ends)
            async with database.assigning() as connection:
                overlap = await _overlap(connection, 0, hypothetical, except_id=assignment_id)
            raise _overlap_problem([hypothetical], [overlap]) from None


async def listed(
    database: Database,
    *,
    meter_id: str | None = None,
    vehicle_id: str | None = None,
    at: datetime | None = None,
    after: int = 0,
    limit: int = 100,
) -> Assignments:
    """A page of assignments in order of id, empty where none fits; `at` keeps those in force at an instant.

    Raises :class:`DatabaseLost`.
    """
    rows = await database.fetch_all(
        "assignments",
        {"meter_id": meter_id, "vehicle_id": vehicle_id, "at": at, "after": after, "row_limit": limit + 1},
    )
    page = [Assignment(*row) for row in rows[:limit]]
    return Assignments(page, page[-1].id if len(rows) > limit else None)


def check_ends(begins: datetime, ends: datetime | None, where: str = "") -> None:
    """Raises :class:`InvalidParameter` where an assignment would not end later than it begins, or lies out of range."""
    for name, instant in (("from", begins), ("to", ends)):
        if instant is not None and not EARLIEST <= instant <= LATEST:
            told = f"{where}`{name}` has to be between {EARLIEST.isoformat()} and {LATEST.isoformat()}"
            raise InvalidParameter(told, {"field": name})
    if ends is not None and ends <= begins:
        raise InvalidParameter(f"{where}`to` has to be later than `from`", {"field": "to"})


async def _add(connection: Connection, index: int, wanted: NewAssignment) -> Assignment | Overlap:
    cursor = await connection.execute(query("add_assignment"), _parameters(wanted))
    row = await cursor.fetchone()
    return Assignment(*row) if row else await _overlap(connection, index, wanted)


async def _overlap(connection: Connection, index: int, wanted: NewAssignment, except_id: int | None = None) -> Overlap:
    cursor = await connection.execute(query("overlapping_assignments"), {**_parameters(wanted), "except_id": except_id})
    return Overlap(index, [Assignment(*row) for row in await cursor.fetchall()])


def _parameters(wanted: NewAssignment) -> dict[str, Any]:
    return {
        "meter_id": wanted.meterId,
        "vehicle_id": wanted.vehicleId,
        "from": wanted.from_,
        "to": wanted.to,
    }


def describe(wanted: NewAssignment, overlap: Overlap) -> str:
    """A sentence naming what an assignment overlaps."""
    others = "; ".join(
        f"assignment {other.id} ({other.meterId} to {other.vehicleId}, from {other.from_.isoformat()}, "
        + (f"to {other.to.isoformat()})" if other.to else "still open)")
        for other in overlap.overlaps
    )
    return f"{wanted.meterId} to {wanted.vehicleId} from {wanted.from_.isoformat()} overlaps {others}"


def _overlap_problem(wanted: Sequence[NewAssignment], overlaps: list[Overlap]) -> AssignmentOverlap:
    return AssignmentOverlap(
        describe(wanted[overlaps[0].index], overlaps[0]), {"conflicts": msgspec.to_builtins(overlaps)}
    )


@contextmanager
def _database_errors() -> Iterator[None]:
    """Turns what psycopg raises of a lost database, or of one that takes no writes, into :class:`DatabaseLost`."""
    try:
        yield
    except (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction) as error:
        raise DatabaseLost("the database does not answer now; send the request again later") from error
