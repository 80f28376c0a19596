"""Writes readings into the history: straight, or over a stage that finds which of them are repeats.

The direct path is a binary COPY. The staged path is an INSERT from a temporary table, a third as fast; it is for
readings that may be repeats, and for late ones: TimescaleDB (2.28 and 2.29 at least) writes no invalidation for rows
that COPY brings into a hypertable with a statement trigger, so a materialised hour would never show them.

Rows are written in order of device and time, meters before vehicles, by every writer alike, so that none deadlock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

from app.db.copy_in import copy_in
from app.db.pool import Connection
from app.db.queries import query
from app.ingest.rows import Row, copy_data, instant, numbered_copy_data


@dataclass(slots=True)
class Rows:
    """Readings of both kinds to write, each kind sorted."""

    meters: list[Row] = field(default_factory=list)
    vehicles: list[Row] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.meters or self.vehicles)

    def oldest_us(self) -> int:
        """When the oldest was recorded, microseconds since 2000-01-01 UTC. There must be one."""
        return min(row[1] for row in chain(self.meters, self.vehicles))


@dataclass(slots=True)
class Duplicates:
    """Rows that repeat stored ones: their indexes among those of their kind, each with whether its values differ."""

    meters: list[tuple[int, bool]] = field(default_factory=list)
    vehicles: list[tuple[int, bool]] = field(default_factory=list)


async def copy(connection: Connection, rows: Rows) -> None:
    """Write fresh rows that are probably new, and commit them.

    Raises :class:`psycopg.errors.UniqueViolation`, and keeps none, where one is there already.
    """
    copies = []
    if rows.meters:
        copies.append((query("copy_meter_history"), copy_data(rows.meters)))
    if rows.vehicles:
        copies.append((query("copy_vehicle_history"), copy_data(rows.vehicles)))
    await copy_in(connection, copies)


async def insert(connection: Connection, rows: Rows) -> Duplicates:
    """Write rows of any age, new or not, in the open transaction; returns those that repeat stored ones."""
    duplicates = Duplicates()
    if rows.meters:
        duplicates.meters = await _insert(connection, "meter", rows.meters)
    if rows.vehicles:
        duplicates.vehicles = await _insert(connection, "vehicle", rows.vehicles)
    return duplicates


async def _insert(connection: Connection, kind: str, rows: Sequence[Row]) -> list[tuple[int, bool]]:
    await connection.execute(query(f"create_{kind}_stage"))
    await _copy(connection, query(f"copy_{kind}_stage"), numbered_copy_data(rows))
    await connection.execute(query(f"keep_staged_{kind}_readings"))
    instants = [row[1] for row in rows]
    # Not prepared: a plan made for any parameters would open every chunk there is.
    bounds = {"oldest": instant(min(instants)), "newest": instant(max(instants))}
    cursor = await connection.execute(query(f"staged_{kind}_readings_not_kept"), bounds, prepare=False)
    repeats = [(row.ordinal, row.is_conflict) for row in await cursor.fetchall()]
    if any(is_conflict for _, is_conflict in repeats):
        await connection.execute(query(f"record_{kind}_conflicts"), bounds, prepare=False)
    return repeats


async def _copy(connection: Connection, statement: bytes, data: bytes) -> None:
    async with connection.cursor() as cursor, cursor.copy(statement) as copying:
        await copying.write(data)
