"""The writer: readings wait for the commit that holds them, and requests that come together share one.

One task owns the writing connection. It takes all that waits, in the order it came, writes meters and then vehicles,
each in order of device and time (so that writers of other processes never deadlock with it), commits, and wakes the
requests. No timer is involved: a lone reading commits at once; those that come in during a commit form the next.

The direct path is a binary COPY into the history. Where that meets a key which is there already, and only then, the
transaction is done again over a stage, which tells duplicates and conflicts from readings really new.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from app.config import Settings
from app.db import Connection, Database
from app.errors import DatabaseLost, Overloaded, ProblemError, RefusedByDatabase, ShuttingDown, StrictConflict
from app.metrics import INGEST_TRANSACTIONS, READINGS_WAITING
from app.queries import query
from app.readings import BEGINNING_OF_TIME, Batch, Horizon, MeterRow, VehicleRow

logger = logging.getLogger("energy.ingest")

# A deadlock or serialization failure says nothing against a batch; it is tried again this often.
MAX_REPLAYS = 5


@dataclass(slots=True)
class Written:
    """What became of a batch: the indexes (in its request) of readings that were there already, with the same values or
    with others. All the rest were kept."""

    duplicates: list[int] = field(default_factory=list)
    conflicts: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Request:
    batch: Batch
    strict: bool
    future: asyncio.Future[Written]


@dataclass(frozen=True, slots=True)
class _Kind:
    """Names and types of one kind of reading on the way to its history."""

    name: str
    types: list[str]


_METER = _Kind("meter", ["text", "timestamptz", "float8", "float4"])
_VEHICLE = _Kind("vehicle", ["text", "timestamptz", "float4", "float8", "float4"])

# A row and the request that it came with.
_Row = tuple[MeterRow | VehicleRow, int]


class Writer:
    """Writes batches of readings, each acknowledged after the commit that holds it and never before."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._max_waiting = settings.max_readings_waiting
        self._max_per_transaction = settings.max_readings_per_transaction
        self._waiting: deque[_Request] = deque()
        self._readings_waiting = 0
        self._something_waits = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin writing what :meth:`write` hands over."""
        self._task = asyncio.create_task(self._run(), name="ingest-writer")

    async def close(self) -> None:
        """Commit what waits, then stop; later calls of :meth:`write` are refused."""
        self._closing = True
        self._something_waits.set()
        if self._task is not None:
            await self._task

    @property
    def is_running(self) -> bool:
        """Whether readings handed over now would be written."""
        return self._task is not None and not self._task.done() and not self._closing

    async def write(self, batch: Batch, *, strict: bool = False) -> Written:
        """Wait until the batch is committed; a strict one is kept whole or not at all.

        Raises :class:`Overloaded`, :class:`ShuttingDown`, :class:`DatabaseLost`, :class:`RefusedByDatabase`, and for a
        strict batch :class:`StrictConflict`. After an error nothing is promised; the batch may be sent again.
        """
        if self._closing:
            raise ShuttingDown("the service is stopping; send the request again later")
        if self._waiting and self._readings_waiting + len(batch) > self._max_waiting:
            raise Overloaded(f"{self._readings_waiting} readings wait to be written; send the request again later")
        if not len(batch):
            return Written()
        request = _Request(batch, strict, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        self._count_waiting(len(batch))
        self._something_waits.set()
        return await request.future

    def _count_waiting(self, change: int) -> None:
        self._readings_waiting += change
        READINGS_WAITING.set(self._readings_waiting)

    async def _run(self) -> None:
        while self._waiting or not self._closing:
            if not self._waiting:
                self._something_waits.clear()
                await self._something_waits.wait()
                continue
            group = self._take_group()
            try:
                await self._commit(group)
            except Exception as error:
                logger.exception("a group of %d requests could not be written", len(group))
                _fail(group, error)

    def _take_group(self) -> list[_Request]:
        """The requests of the next transaction: as many as wait, a strict one alone, since it may have to be undone."""
        group = [self._waiting.popleft()]
        size = len(group[0].batch)
        while self._waiting and not group[0].strict and not self._waiting[0].strict:
            size += len(self._waiting[0].batch)
            if size > self._max_per_transaction:
                break
            group.append(self._waiting.popleft())
        self._count_waiting(-sum(len(request.batch) for request in group))
        return group

    async def _commit(self, group: list[_Request]) -> None:
        """Write a group and wake its requests; where it fails, halve it until only the culprit is left."""
        try:
            outcomes = await self._write_group(group)
        except (DatabaseLost, psycopg.OperationalError) as error:
            logger.warning("the database was lost while writing: %s", error)
            _fail(group, DatabaseLost("the database does not answer now; send the request again later"))
            await self._database.discard_dead_writers()
        except (psycopg.Error, ProblemError) as error:
            if len(group) > 1:
                middle = len(group) // 2
                await self._commit(group[:middle])
                await self._commit(group[middle:])
            elif isinstance(error, ProblemError):
                _fail(group, error)
            else:
                logger.warning("the database refused a batch: %s", error)
                _fail(group, RefusedByDatabase(f"the database refuses this: {error.diag.message_primary or error}"))
        else:
            for request, outcome in zip(group, outcomes, strict=True):
                if not request.future.done():
                    request.future.set_result(outcome)

    async def _write_group(self, group: list[_Request]) -> list[Written]:
        meters = _in_order([(row, i) for i, request in enumerate(group) for row in request.batch.meters])
        vehicles = _in_order([(row, i) for i, request in enumerate(group) for row in request.batch.vehicles])
        for replay in range(MAX_REPLAYS + 1):
            try:
                try:
                    async with self._database.writing() as connection:
                        await _copy_history(connection, _METER, meters)
                        await _copy_history(connection, _VEHICLE, vehicles)
                    INGEST_TRANSACTIONS.labels(path="direct").inc()
                    return [Written() for _ in group]
                except psycopg.errors.UniqueViolation:
                    outcomes = await self._write_staged(group, meters, vehicles)
                    INGEST_TRANSACTIONS.labels(path="staged").inc()
                    return outcomes
            except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
                if replay == MAX_REPLAYS:
                    raise
            except psycopg.errors.QueryCanceled:
                raise
            except psycopg.OperationalError:
                # A connection that idled through a restart of the database is found dead only when it is used. Writing
                # again is safe: what a lost commit kept after all is then a duplicate.
                if replay > 0:
                    raise
                await self._database.discard_dead_writers()
        raise AssertionError("unreachable")

    async def _write_staged(
        self, group: list[_Request], meters: Sequence[_Row], vehicles: Sequence[_Row]
    ) -> list[Written]:
        outcomes = [Written() for _ in group]
        async with self._database.writing() as connection:
            for kind, rows in ((_METER, meters), (_VEHICLE, vehicles)):
                if not rows:
                    continue
                for ordinal, is_conflict in await _copy_staged(connection, kind, rows):
                    row, requested_by = rows[ordinal]
                    outcome = outcomes[requested_by]
                    (outcome.conflicts if is_conflict else outcome.duplicates).append(row.place)
            if group[0].strict and outcomes[0].conflicts:
                raise StrictConflict(
                    "a reading contradicts one already kept; none of the request was kept",
                    {"conflictIndexes": sorted(outcomes[0].conflicts)},
                )
        return outcomes


async def horizon(database: Database) -> Horizon:
    """The oldest timestamps that the history still takes, by `telemetry.policy`. Raises :class:`DatabaseLost`."""
    [(meter, vehicle)] = await database.fetch_all("oldest_timestamps_kept")
    return Horizon(meter or BEGINNING_OF_TIME, vehicle or BEGINNING_OF_TIME)


def _in_order(rows: list[_Row]) -> list[_Row]:
    # The sort is stable: of two equal keys, the one that came first stays first, and stands.
    rows.sort(key=lambda row: (row[0][1], row[0][2]))
    return rows


async def _copy_history(connection: Connection, kind: _Kind, rows: Sequence[_Row]) -> None:
    if not rows:
        return
    async with connection.cursor() as cursor, cursor.copy(query(f"copy_{kind.name}_history")) as copy:
        copy.set_types(kind.types)
        for row, _ in rows:
            await copy.write_row(row[1:])


async def _copy_staged(connection: Connection, kind: _Kind, rows: Sequence[_Row]) -> list[Any]:
    """Write over a stage; returns (ordinal, is_conflict) of the rows that were not kept."""
    async with connection.cursor() as cursor:
        await cursor.execute(query(f"create_{kind.name}_stage"))
        async with cursor.copy(query(f"copy_{kind.name}_stage")) as copy:
            copy.set_types(["int4", *kind.types])
            for ordinal, (row, _) in enumerate(rows):
                await copy.write_row((ordinal, *row[1:]))
        await cursor.execute(query(f"keep_staged_{kind.name}_readings"))
        await cursor.execute(query(f"staged_{kind.name}_readings_not_kept"))
        return await cursor.fetchall()


def _fail(group: list[_Request], error: Exception) -> None:
    for request in group:
        if not request.future.done():
            request.future.set_exception(error)
