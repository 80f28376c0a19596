"""The writer: readings wait for the commit that holds them, and requests that come together share one.

One task owns the writing connection. It takes all that waits, in the order it came, writes meters and then vehicles,
each in order of device and time (so that writers of other processes never deadlock with it), commits, and wakes the
requests. No timer is involved: a lone reading commits at once; those that come in during a commit form the next.

Fresh readings go straight into the history. Where that meets a key which is there already, and only then, the
transaction is done again over a stage, which tells duplicates and conflicts from readings really new. Late readings
always go over the stage, in a transaction of their own.
"""

import asyncio
import logging
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg

from app import history
from app.config import Settings
from app.db import Database
from app.errors import DatabaseLost, Overloaded, RefusedByDatabase, ShuttingDown, StrictConflict
from app.history import Row, Rows
from app.metrics import INGEST_TRANSACTIONS, READINGS_WAITING
from app.readings import BEGINNING_OF_TIME, Batch, Horizon, conflict

logger = logging.getLogger("energy.ingest")

# What speaks against a batch itself: a constraint, a value out of range, an exception raised by a trigger of the DBA's.
_FAULTS_OF_A_BATCH = (psycopg.IntegrityError, psycopg.DataError, psycopg.errors.RaiseException, StrictConflict)

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
    late_before: datetime
    future: asyncio.Future[Written]
    outcome: Written = field(default_factory=Written)
    # Fresh readings are committed before late ones; where those fail, they are not written again.
    fresh_is_kept: bool = False


class Writer:
    """Writes batches of readings, each acknowledged after the commit that holds it and never before."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._max_waiting = settings.max_readings_waiting
        self._late_after = timedelta(seconds=settings.late_after_s)
        self._max_errors_listed = settings.max_errors_listed
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
        late_before = datetime.now(UTC) - self._late_after
        request = _Request(batch, strict, late_before, asyncio.get_running_loop().create_future())
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
            await self._write_group(group)
        except (*_FAULTS_OF_A_BATCH, psycopg.errors.QueryCanceled) as error:
            if len(group) > 1:
                middle = len(group) // 2
                await self._commit(group[:middle])
                await self._commit(group[middle:])
            else:
                _fail(group, _answer_to_a_batch(error))
        except (DatabaseLost, psycopg.Error) as error:
            logger.warning("the database did not take a batch: %s", error)
            _fail(group, DatabaseLost("the database takes no readings now; send the request again later"))
            await self._database.discard_dead_writers()
        else:
            for request in group:
                if not request.future.done():
                    request.future.set_result(request.outcome)

    async def _write_group(self, group: list[_Request]) -> None:
        """Fresh readings in one transaction, late ones in another; a strict request, a group by itself, in one."""
        strict = group[0].strict
        fresh, late = _by_age(group)
        if strict and late:
            late.meters += fresh.meters
            late.vehicles += fresh.vehicles
            fresh = Rows()
        for rows, is_fresh in ((fresh, True), (late, False)):
            if rows:
                rows.sort()
                for (row, requested_by), differs in await self._write(rows, is_fresh, strict):
                    outcome = group[requested_by].outcome
                    (outcome.conflicts if differs else outcome.duplicates).append(row.place)
            if is_fresh and not strict:
                for request in group:
                    request.fresh_is_kept = True

    async def _write(self, rows: Rows, is_fresh: bool, strict: bool) -> list[tuple[Row, bool]]:
        """One transaction, tried again where that is of use; returns the rows that were there already."""
        for replay in range(MAX_REPLAYS + 1):
            try:
                return await self._write_once(rows, is_fresh, strict)
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

    async def _write_once(self, rows: Rows, is_fresh: bool, strict: bool) -> list[tuple[Row, bool]]:
        if is_fresh:
            with suppress(psycopg.errors.UniqueViolation):
                async with self._database.writing() as connection:
                    await history.copy(connection, rows)
                INGEST_TRANSACTIONS.labels(path="direct").inc()
                return []
        async with self._database.writing() as connection:
            known = await history.insert(connection, rows)
            conflicts = sorted(row.place for (row, _), differs in known if differs)
            if strict and conflicts:
                errors = [conflict(place) for place in conflicts[: self._max_errors_listed]]
                raise StrictConflict(
                    f"{len(conflicts)} readings contradict others already kept; none of the request was kept",
                    {"conflicts": len(conflicts), "errors": errors},
                )
        INGEST_TRANSACTIONS.labels(path="staged").inc()
        return known


async def horizon(database: Database) -> Horizon:
    """The oldest timestamps that the history still takes, by `telemetry.policy`. Raises :class:`DatabaseLost`."""
    [(meter, vehicle)] = await database.fetch_all("oldest_timestamps_kept")
    return Horizon(meter or BEGINNING_OF_TIME, vehicle or BEGINNING_OF_TIME)


def _answer_to_a_batch(error: Exception) -> Exception:
    """What the one request hears that is left of a group when it is to blame."""
    if isinstance(error, StrictConflict):
        return error
    logger.warning("the database did not take a batch: %s", error)
    if isinstance(error, psycopg.errors.QueryCanceled):
        return DatabaseLost("the readings took too long to write; send fewer at a time, or again later")
    assert isinstance(error, psycopg.Error)
    return RefusedByDatabase(f"the database refuses this: {error.diag.message_primary or error}")


def _by_age(group: list[_Request]) -> tuple[Rows, Rows]:
    """The fresh readings of a group that are not kept yet, and the late ones."""
    fresh, late = Rows(), Rows()
    for number, request in enumerate(group):
        for meter in request.batch.meters:
            if meter.recorded_at < request.late_before:
                late.meters.append((meter, number))
            elif not request.fresh_is_kept:
                fresh.meters.append((meter, number))
        for vehicle in request.batch.vehicles:
            if vehicle.recorded_at < request.late_before:
                late.vehicles.append((vehicle, number))
            elif not request.fresh_is_kept:
                fresh.vehicles.append((vehicle, number))
    return fresh, late


def _fail(group: list[_Request], error: Exception) -> None:
    for request in group:
        if not request.future.done():
            request.future.set_exception(error)
