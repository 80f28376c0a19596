"""How readings get into the history: straight, or over a stage that tells which of them were there already.

The direct path is a binary COPY. The staged path is an INSERT from a temporary table, a third as fast; it is for
readings that may be there already, and for late ones: TimescaleDB (2.28 and 2.29 at least) writes no invalidation for
rows that come by COPY into a hypertable with a statement trigger, so that an hour which is materialised already would
never hear of them.

Rows are written in order of device and time, meters before vehicles, by every writer alike, so that none deadlock.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from app.db import Connection
from app.queries import query
from app.readings import MeterRow, VehicleRow

# A row and the number of the request that it came with.
Row = tuple[MeterRow | VehicleRow, int]


@dataclass(slots=True)
class Rows:
    """Readings of both kinds on their way, each with the number of its request."""

    meters: list[Row] = field(default_factory=list)
    vehicles: list[Row] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.meters or self.vehicles)

    def sort(self) -> None:
        """Put them into the order in which they are written; of two equal keys, the one that came first stays first."""
        for rows in (self.meters, self.vehicles):
            rows.sort(key=lambda row: (row[0][1], row[0][2]))


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    types: list[str]


_METER = _Kind("meter", ["text", "timestamptz", "float8", "float4"])
_VEHICLE = _Kind("vehicle", ["text", "timestamptz", "float4", "float8", "float4"])


async def copy(connection: Connection, rows: Rows) -> None:
    """Write fresh rows that are thought to be new. Raises :class:`psycopg.errors.UniqueViolation` where one is not."""
    for kind, part in ((_METER, rows.meters), (_VEHICLE, rows.vehicles)):
        if part:
            await _copy(connection, query(f"copy_{kind.name}_history"), kind.types, (row[1:] for row, _ in part))


async def insert(connection: Connection, rows: Rows) -> list[tuple[Row, bool]]:
    """Write rows of any age, new or not; returns those that were there already, with whether their values differ."""
    known: list[tuple[Row, bool]] = []
    for kind, part in ((_METER, rows.meters), (_VEHICLE, rows.vehicles)):
        if part:
            known += [(part[ordinal], differs) for ordinal, differs in await _insert(connection, kind, part)]
    return known


async def _insert(connection: Connection, kind: _Kind, rows: Sequence[Row]) -> list[tuple[int, bool]]:
    await connection.execute(query(f"create_{kind.name}_stage"))
    numbered = ((ordinal, *row[1:]) for ordinal, (row, _) in enumerate(rows))
    await _copy(connection, query(f"copy_{kind.name}_stage"), ["int4", *kind.types], numbered)
    await connection.execute(query(f"keep_staged_{kind.name}_readings"))
    instants = [row.recorded_at for row, _ in rows]
    # Not prepared: a plan made for any parameters would open every chunk there is.
    cursor = await connection.execute(
        query(f"staged_{kind.name}_readings_not_kept"),
        {"oldest": min(instants), "newest": max(instants)},
        prepare=False,
    )
    return [(ordinal, differs) for ordinal, differs in await cursor.fetchall()]


async def _copy(
    connection: Connection, statement: bytes, types: Sequence[str], rows: Iterable[tuple[object, ...]]
) -> None:
    async with connection.cursor() as cursor, cursor.copy(statement) as stream:
        stream.set_types(types)
        for row in rows:
            await stream.write_row(row)
