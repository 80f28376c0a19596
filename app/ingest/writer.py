"""The writer: readings wait for the commit that holds them, and concurrent requests share one.

One task owns the writing connection. It takes all that waits, in the order it came, writes meters and then vehicles,
each in order of device and time (so that writers of other processes never deadlock with it), commits, and wakes the
requests. No timer is involved: a lone reading commits at once; those that come in during a commit form the next.

Fresh readings go straight into the history. If that meets an existing key, and only then, the transaction is repeated
over a stage, which separates duplicates and conflicts from new readings. Late readings always go over the stage, in a
transaction of their own. Late or fresh is what a reading is when it is written, however long it waited for that.

A batch whose data the database rejects is found by halving its group. If the database accepts nothing, the whole group
is answered so at once: its parts would only wait for the same, one after the other.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import NamedTuple

import psycopg

from app.config import Settings
from app.db.pool import Database
from app.errors import DatabaseLost, Overloaded, RefusedByDatabase, RightMissing, ShuttingDown, StrictConflict
from app.ingest import store
from app.ingest.decode import BEGINNING_OF_TIME, Batch, Horizon, conflict
from app.ingest.rows import Row, clock_behind_us, microseconds, now_us
from app.ingest.store import Rows
from app.metrics import INGEST_TRANSACTIONS, READINGS_WAITING
from app.words import counted

logger = logging.getLogger("energy.ingest")

# Faults of a batch itself: a constraint, a value out of range, an exception raised by a trigger of the DBA.
_FAULTS_OF_A_BATCH = (psycopg.IntegrityError, psycopg.DataError, psycopg.errors.RaiseException, StrictConflict)

MAX_REPLAYS = 5
"""Times a transaction is repeated after a deadlock or a serialization failure."""

GAUGE_DELAY_S = 0.1
"""Delay of the gauge `energy_readings_waiting`: with several workers, updating it for each request costs 4 µs a
request."""

MAX_LATE_TRANSACTIONS = 16
"""Transactions for the late readings of one group, split at the longest gaps between their hours."""

_HOUR_US = 3_600_000_000


@dataclass(slots=True)
class Written:
    """The result of a batch: the indexes (in its request) of readings that repeat stored ones, with the same values or
    with others. All others were stored."""

    duplicates: list[int] = field(default_factory=list)
    conflicts: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Request:
    batch: Batch
    strict: bool
    # By the clock of the event loop.
    came_s: float
    future: asyncio.Future[Written]
    outcome: Written = field(default_factory=Written)
    error: Exception | None = None

    @property
    def is_over(self) -> bool:
        """Whether it failed, or its client is gone."""
        return self.error is not None or self.future.done()


class _Piece(NamedTuple):
    """What a transaction is to write of one request."""

    request: _Request
    meters: Sequence[Row]
    vehicles: Sequence[Row]


class Writer:
    """Writes batches of readings, each acknowledged after the commit that holds it and never before."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._max_waiting = settings.max_readings_waiting
        self._late_after_us = round(settings.late_after_s * 1_000_000)
        self._max_errors_listed = settings.max_errors_listed
        self._max_per_transaction = settings.max_readings_per_transaction
        # Fewer for a while, after a transaction that took too long.
        self._max_per_next_transaction = self._max_per_transaction
        self._waiting: deque[_Request] = deque()
        self._readings_waiting = 0
        self._showing: asyncio.TimerHandle | None = None
        self._unwritten_since_s: float | None = None
        self._something_waits = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start writing what :meth:`write` hands over."""
        self._task = asyncio.create_task(self._run(), name="ingest-writer")

    async def close(self) -> None:
        """Commit what waits, then stop; later calls of :meth:`write` are rejected."""
        self._closing = True
        self._something_waits.set()
        if self._task is not None:
            await self._task

    @property
    def is_running(self) -> bool:
        """Whether readings handed over now would be written."""
        return self._task is not None and not self._task.done() and not self._closing

    @property
    def unwritten_for_s(self) -> float:
        """Seconds for which readings have waited without any being written: the age of the oldest request that waits,
        or of one that was given up meanwhile; 0 where none waits."""
        if self._unwritten_since_s is None:
            return 0.0
        return asyncio.get_running_loop().time() - self._unwritten_since_s

    async def write(self, batch: Batch, *, strict: bool = False) -> Written:
        """Wait until the batch is committed; a strict one is stored as a whole or not at all.

        Raises :class:`Overloaded`, :class:`ShuttingDown`, :class:`DatabaseLost`, :class:`RightMissing`,
        :class:`RefusedByDatabase`, and for a strict batch :class:`StrictConflict`. After an error nothing is promised;
        the batch may be sent again.
        """
        if self._closing:
            raise ShuttingDown("the service is stopping; send the request again later")
        if self._waiting and self._readings_waiting + len(batch) > self._max_waiting:
            waiting = counted(self._readings_waiting, "reading")
            raise Overloaded(f"{waiting} in the queue are too many; send the request again later")
        if not len(batch):
            return Written()
        loop = asyncio.get_running_loop()
        request = _Request(batch, strict, loop.time(), loop.create_future())
        self._waiting.append(request)
        self._count_waiting(len(batch))
        if self._unwritten_since_s is None:
            self._unwritten_since_s = request.came_s
        self._something_waits.set()
        return await request.future

    def _count_waiting(self, more: int) -> None:
        self._readings_waiting += more
        if self._showing is None:
            self._showing = asyncio.get_running_loop().call_later(GAUGE_DELAY_S, self._show_waiting)

    def _show_waiting(self) -> None:
        self._showing = None
        READINGS_WAITING.set(self._readings_waiting)

    async def _run(self) -> None:
        while True:
            if self._closing:
                self._forget_the_abandoned()
            if self._waiting:
                await self._write_group(self._take_group())
            elif self._closing:
                return
            else:
                self._something_waits.clear()
                await self._something_waits.wait()

    def _forget_the_abandoned(self) -> None:
        """Leave out requests whose clients are gone: a stopping service cuts them off after a while."""
        self._waiting = deque(request for request in self._waiting if not request.is_over)
        self._count_waiting(sum(len(request.batch) for request in self._waiting) - self._readings_waiting)

    async def _write_group(self, group: list[_Request]) -> None:
        """Write a group and answer it."""
        try:
            await self._commit(group)
        except Exception as error:
            self._give_up(group, error)
            was_written = False
        else:
            self._max_per_next_transaction = min(2 * self._max_per_next_transaction, self._max_per_transaction)
            was_written = True
        _wake(group)
        if was_written or not self._waiting:
            self._unwritten_since_s = self._waiting[0].came_s if self._waiting else None

    def _give_up(self, group: list[_Request], error: Exception) -> None:
        """Answer a group that it was not written; what was, before the error, is a duplicate when it is repeated."""
        answer = _answer_to_a_group(error)
        for request in group:
            request.error = request.error or answer
        if isinstance(error, psycopg.errors.QueryCanceled):
            # Devices repeat all of it, perhaps at once, and must not fail for ever.
            self._max_per_next_transaction = max(1, sum(len(request.batch) for request in group) // 2)

    def _take_group(self) -> list[_Request]:
        """The requests of the next transaction: as many as wait, a strict one alone, since it may have to be undone."""
        group = [self._waiting.popleft()]
        size = len(group[0].batch)
        while self._waiting and not group[0].strict and not self._waiting[0].strict:
            size += len(self._waiting[0].batch)
            if size > self._max_per_next_transaction:
                break
            group.append(self._waiting.popleft())
        self._count_waiting(-sum(len(request.batch) for request in group))
        return group

    async def _commit(self, group: list[_Request]) -> None:
        """Write a group: fresh readings in one transaction, late ones in others; a strict request, alone, in one."""
        fresh, late = _by_age(group, now_us() - self._late_after_us)
        if group[0].strict:
            batch = group[0].batch
            await self._write_pieces([_Piece(group[0], batch.meters, batch.vehicles)], is_fresh=not late)
            return
        if fresh:
            await self._write_pieces(fresh, is_fresh=True)
            if late:
                # No request waits for late readings of others.
                waiting = {id(piece.request) for piece in late}
                _wake([request for request in group if id(request) not in waiting])
        for pieces in _stretches(late):
            await self._write_pieces([piece for piece in pieces if not piece.request.is_over], is_fresh=False)

    async def _write_pieces(self, pieces: Sequence[_Piece], is_fresh: bool) -> None:
        """One transaction; where a batch's data fails it, the pieces are halved until only the culprit's is left."""
        try:
            if pieces:
                await self._write(pieces, is_fresh)
        except _FAULTS_OF_A_BATCH as error:
            if len(pieces) > 1:
                middle = len(pieces) // 2
                await self._write_pieces(pieces[:middle], is_fresh)
                await self._write_pieces(pieces[middle:], is_fresh)
            else:
                pieces[0].request.error = _answer_to_a_batch(error)
        except (DatabaseLost, psycopg.Error):
            await self._database.discard_dead_writers()
            raise

    async def _write(self, pieces: Sequence[_Piece], is_fresh: bool) -> None:
        """One transaction, repeated where that can help."""
        for replay in range(MAX_REPLAYS + 1):
            try:
                if not (is_fresh and await self._write_straight(pieces)):
                    await self._write_staged(pieces)
            except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
                if replay == MAX_REPLAYS:
                    raise
            except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
                raise
            except psycopg.OperationalError:
                # A connection that was idle during a restart of the database fails only when it is used. Writing
                # again is safe: what a lost commit stored after all is then a duplicate.
                if replay > 0:
                    raise
                await self._database.discard_dead_writers()
            else:
                return

    async def _write_straight(self, pieces: Sequence[_Piece]) -> bool:
        """Write readings that are probably new and fresh; False, and nothing written, if one of them is not."""
        rows = Rows(
            sorted(chain.from_iterable(piece.meters for piece in pieces)),
            sorted(chain.from_iterable(piece.vehicles for piece in pieces)),
        )
        with suppress(psycopg.errors.UniqueViolation):
            async with self._database.ingesting() as connection:
                # What waited for a connection, or for another try, has aged. From here on it is two statements at most,
                # each bounded by the write timeout: so none is older than an hour when it is committed.
                if rows.oldest_us() < now_us() - self._late_after_us:
                    return False
                await store.copy(connection, rows)
            INGEST_TRANSACTIONS.labels(path="direct").inc()
            return True
        return False

    async def _write_staged(self, pieces: Sequence[_Piece]) -> None:
        """Write readings, new or not, and record in their requests' outcome which are repeats."""
        meters = sorted(_numbered(piece.meters for piece in pieces))
        vehicles = sorted(_numbered(piece.vehicles for piece in pieces))
        rows = Rows([row for *_, row in meters], [row for *_, row in vehicles])
        async with self._database.ingesting() as connection, connection.transaction():
            duplicates = await store.insert(connection, rows)
            was_there = [(meters[ordinal], differs) for ordinal, differs in duplicates.meters]
            was_there += [(vehicles[ordinal], differs) for ordinal, differs in duplicates.vehicles]
            if pieces[0].request.strict:
                self._check_strict(sorted(row[2] for (*_, row), differs in was_there if differs))
        for (_, _, number, row), differs in was_there:
            outcome = pieces[number].request.outcome
            (outcome.conflicts if differs else outcome.duplicates).append(row[2])
        INGEST_TRANSACTIONS.labels(path="staged").inc()

    def _check_strict(self, conflicts: list[int]) -> None:
        if conflicts:
            errors = [conflict(place) for place in conflicts[: self._max_errors_listed]]
            raise StrictConflict(
                f"{counted(len(conflicts), 'reading')} stored before with other values: none of the request is stored; "
                "send it without strict to store the others",
                {"conflicts": len(conflicts), "errors": errors},
            )


async def horizon(database: Database) -> Horizon:
    """What the database says about timestamps now. Raises :class:`DatabaseLost`."""
    [oldest] = await database.fetch_all("oldest_timestamps_kept")
    asked_us = now_us()
    [answer] = await database.fetch_all("clock")
    answered_us = now_us()
    behind_us = clock_behind_us(asked_us, microseconds(answer.clock), answered_us)
    return Horizon(
        oldest.of_meters or BEGINNING_OF_TIME, oldest.of_vehicles or BEGINNING_OF_TIME, behind_us / 1_000_000
    )


def _answer_to_a_batch(error: Exception) -> Exception:
    """The answer to the one request whose data fails its group."""
    if isinstance(error, StrictConflict):
        return error
    logger.warning("the database did not take a batch: %s", error)
    assert isinstance(error, psycopg.Error)
    return RefusedByDatabase(f"the database refuses this: {error.diag.message_primary or error}")


def _answer_to_a_group(error: Exception) -> Exception:
    """The answer to every request of a group that the database did not accept."""
    if not isinstance(error, DatabaseLost | psycopg.Error):
        logger.error("a group of requests could not be written", exc_info=error)
        return error
    logger.warning("the database did not take a group of requests: %s", error)
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return RightMissing(f"the database refuses this to the service: {error.diag.message_primary}")
    if isinstance(error, psycopg.errors.QueryCanceled):
        return DatabaseLost("the readings took too long to write; send fewer at a time, or again later")
    return DatabaseLost("the database takes no readings now; send the request again later")


def _by_age(group: list[_Request], late_before_us: int) -> tuple[list[_Piece], list[_Piece]]:
    """The fresh readings of a group's requests, and the late ones, recorded before an instant."""
    fresh, late = [], []
    for request in group:
        new_meters, old_meters = _split(request.batch.meters, late_before_us)
        new_vehicles, old_vehicles = _split(request.batch.vehicles, late_before_us)
        if new_meters or new_vehicles:
            fresh.append(_Piece(request, new_meters, new_vehicles))
        if old_meters or old_vehicles:
            late.append(_Piece(request, old_meters, old_vehicles))
    return fresh, late


def _split(rows: list[Row], before_us: int) -> tuple[list[Row], list[Row]]:
    fresh = [row for row in rows if row[1] >= before_us]
    return fresh, [] if len(fresh) == len(rows) else [row for row in rows if row[1] < before_us]


def _stretches(late: list[_Piece]) -> Iterator[list[_Piece]]:
    """Late readings split where nothing was recorded for an hour or more, at the longest gaps first.

    TimescaleDB notes one range a transaction and chunk as changed, from its oldest reading to its newest, and computes
    all of it anew: two readings at the ends of a day would cost the day.
    """
    hours = sorted({row[1] // _HOUR_US for piece in late for row in (*piece.meters, *piece.vehicles)})
    gaps = sorted(((after - before, after) for before, after in pairwise(hours) if after - before > 1), reverse=True)
    cuts = sorted(hour * _HOUR_US for _, hour in gaps[: MAX_LATE_TRANSACTIONS - 1])
    for begins, ends in pairwise((-math.inf, *cuts, math.inf)):
        pieces = [
            _Piece(
                piece.request,
                [row for row in piece.meters if begins <= row[1] < ends],
                [row for row in piece.vehicles if begins <= row[1] < ends],
            )
            for piece in late
        ]
        yield [piece for piece in pieces if piece.meters or piece.vehicles]


def _numbered(parts: Iterable[Sequence[Row]]) -> Iterator[tuple[str, int, int, Row]]:
    """Rows with the number of their piece, so that they sort by device, time and order of arrival."""
    return ((row[0], row[1], number, row) for number, rows in enumerate(parts) for row in rows)


def _wake(group: list[_Request]) -> None:
    for request in group:
        if request.future.done():
            continue
        if request.error is None:
            request.future.set_result(request.outcome)
        else:
            request.future.set_exception(request.error)
