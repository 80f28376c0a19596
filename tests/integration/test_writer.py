"""The writer on a real database: who shares a transaction, who fails alone, what is acknowledged and what is kept.

Where a test needs requests to pile up, another session locks the history, as a DBA's statement would: the writer's
first transaction waits for it, and everything that comes in meanwhile waits for the writer. Readings that were kept by
one transaction bear the same `xmin`, which tells how many transactions there were.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from app.config import Settings
from app.db import migrate
from app.db.pool import Database
from app.errors import DatabaseLost, Overloaded, RefusedByDatabase, ShuttingDown, StrictConflict
from app.ingest.decode import Batch, conflict
from app.ingest.rows import meter_row, vehicle_row
from app.ingest.writer import Writer, Written
from tests.support.readings import minutes_ago
from tests.support.servers import Server

_AT = minutes_ago(10)
_PATIENCE_S = 20.0
_HISTORY = "telemetry.meter_telemetry_history"


@pytest.fixture(scope="module")
def database_url(postgres_server: Server) -> Iterator[str]:
    with postgres_server.new_database() as url:
        migrate.migrate(url, "postgres")
        yield url


@pytest.fixture
def url(database_url: str) -> str:
    """A migrated database that holds nothing."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            f"TRUNCATE {_HISTORY}, telemetry.vehicle_telemetry_history, telemetry.live_meter_state, "
            "telemetry.live_vehicle_state, telemetry.meter_hourly, telemetry.vehicle_hourly"
        )
    return database_url


@asynccontextmanager
async def _writing(url: str, settings: Settings | None = None) -> AsyncIterator[Writer]:
    settings = settings or Settings()
    database = Database(url, settings)
    await database.open()
    writer = Writer(database, settings)
    writer.start()
    try:
        yield writer
    finally:
        await writer.close()
        await database.close()


def _run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(test(), 60)

    asyncio.run(bounded())


def _meters(*ids: str, at: datetime = _AT, kwh: float = 0.5) -> Batch:
    """A meter's reading for each id."""
    batch = Batch()
    batch.meters = [meter_row(place, meter_id, at, kwh, 230.0) for place, meter_id in enumerate(ids)]
    return batch


def _vehicles(*ids: str) -> Batch:
    batch = Batch()
    batch.vehicles = [vehicle_row(place, vehicle_id, _AT, 50.0, 0.4, 30.0) for place, vehicle_id in enumerate(ids)]
    return batch


@contextmanager
def _session(url: str) -> Iterator[psycopg.Connection[TupleRow]]:
    with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
        yield connection


def _ask(url: str, statement: str) -> list[TupleRow]:
    with _session(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def _kept(url: str) -> dict[str, float]:
    return {row[0]: row[1] for row in _ask(url, f"SELECT meter_id, energy_ac_kwh FROM {_HISTORY}")}


def _transactions(url: str) -> int:
    [(count,)] = _ask(url, f"SELECT count(DISTINCT xmin::text) FROM {_HISTORY}")
    return int(count)


async def _until(condition: Callable[[], bool]) -> None:
    deadline = asyncio.get_running_loop().time() + _PATIENCE_S
    while not condition():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)


def _the_writer_waits_for_a_lock(url: str) -> bool:
    statement = (
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'energy-writer' "
        "AND datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(_ask(url, statement))


async def _until_the_writer_waits_for_a_lock(url: str) -> None:
    await _until(lambda: _the_writer_waits_for_a_lock(url))


@asynccontextmanager
async def _history_locked(url: str, writer: Writer) -> AsyncIterator["asyncio.Task[Written]"]:
    """Holds back every write while the block lasts; yields the task of one that stands at the lock already."""
    with _session(url) as connection, connection.transaction():
        connection.execute(f"LOCK TABLE {_HISTORY} IN ACCESS EXCLUSIVE MODE")
        first = asyncio.create_task(writer.write(_meters("M-first")))
        await _until_the_writer_waits_for_a_lock(url)
        yield first


async def _all_waiting(writes: Sequence[Coroutine[Any, Any, Written]]) -> "list[asyncio.Task[Written]]":
    """Tasks of writes that have been handed over, in order, and not been answered."""
    tasks = [asyncio.create_task(write) for write in writes]
    await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
    return tasks


def test_requests_that_come_together_share_a_transaction(url: str) -> None:
    async def test() -> None:
        async with _writing(url) as writer:
            written = await asyncio.gather(*(writer.write(_meters(f"M-{i}", f"N-{i}")) for i in range(200)))
        assert written == [Written()] * 200

    _run(test)
    assert len(_kept(url)) == 400
    assert _transactions(url) <= 2


def test_a_lone_reading_does_not_wait_for_company(url: str) -> None:
    async def test() -> None:
        async with _writing(url) as writer:
            for i in range(5):
                assert await asyncio.wait_for(writer.write(_meters(f"M-{i}")), _PATIENCE_S) == Written()
                assert f"M-{i}" in _kept(url), "acknowledged before it was committed"

    _run(test)
    assert _transactions(url) == 5


def test_a_shared_transaction_takes_no_more_readings_than_the_limit(url: str) -> None:
    async def test() -> None:
        async with _writing(url, Settings(max_readings_per_transaction=4)) as writer:
            async with _history_locked(url, writer) as first:
                rest = await _all_waiting([writer.write(_meters(f"M-{i}", f"N-{i}")) for i in range(5)])
            assert await asyncio.gather(first, *rest) == [Written()] * 6

    _run(test)
    # The first alone, then two and two and one of two readings each.
    assert (len(_kept(url)), _transactions(url)) == (11, 4)


def test_a_request_larger_than_a_transaction_is_written_all_the_same(url: str) -> None:
    async def test() -> None:
        async with _writing(url, Settings(max_readings_per_transaction=4, max_readings_waiting=2)) as writer:
            assert await writer.write(_meters(*(f"M-{i}" for i in range(50)))) == Written()

    _run(test)
    assert (len(_kept(url)), _transactions(url)) == (50, 1)


def test_meters_and_vehicles_of_one_request_are_kept_by_one_transaction(url: str) -> None:
    batch = _meters("M-1")
    batch.vehicles = _vehicles("V-1").vehicles

    async def test() -> None:
        async with _writing(url) as writer:
            await writer.write(batch)

    _run(test)
    [(meter,)] = _ask(url, f"SELECT xmin::text FROM {_HISTORY}")
    [(vehicle,)] = _ask(url, "SELECT xmin::text FROM telemetry.vehicle_telemetry_history")
    assert meter == vehicle


def test_an_empty_batch_is_answered_at_once(url: str) -> None:
    async def test() -> None:
        async with _writing(url) as writer, _history_locked(url, writer):
            assert await asyncio.wait_for(writer.write(Batch()), _PATIENCE_S) == Written()

    _run(test)


def test_a_refused_late_reading_makes_no_duplicates_of_fresh_ones(url: str) -> None:
    # Fresh readings of a group are committed before its late ones. Where a late one is refused the group is halved, and
    # the fresh ones must not be written, and found there, again.
    late = _meters("M-unwanted", at=minutes_ago(24 * 60))

    async def test() -> list[Any]:
        async with _writing(url) as writer:
            async with _history_locked(url, writer) as first:
                rest = await _all_waiting([writer.write(_meters(f"M-{i}")) for i in range(6)] + [writer.write(late)])
            return await asyncio.gather(first, *rest, return_exceptions=True)

    with _session(url) as connection:
        connection.execute(
            f"ALTER TABLE {_HISTORY} ADD CONSTRAINT meter_is_wanted CHECK (meter_id <> 'M-unwanted')".encode()
        )
        try:
            *outcomes, refused = asyncio.run(test())
        finally:
            connection.execute(f"ALTER TABLE {_HISTORY} DROP CONSTRAINT meter_is_wanted".encode())
    assert isinstance(refused, RefusedByDatabase)
    assert outcomes == [Written()] * 7
    assert set(_kept(url)) == {"M-first", *(f"M-{i}" for i in range(6))}


def test_fresh_readings_do_not_wait_for_late_ones_of_others(url: str) -> None:
    # The late one is held up by a lock on its device's row of live state, which another session keeps.
    async def test() -> None:
        async with _writing(url) as writer:
            await writer.write(_meters("M-held"))
            with _session(url) as holder, holder.transaction():
                holder.execute("SELECT FROM telemetry.live_meter_state WHERE meter_id = 'M-held' FOR UPDATE")
                async with _history_locked(url, writer) as first:
                    writes = [_meters("M-held", at=minutes_ago(24 * 60)), _meters("M-fresh")]
                    late, fresh = await _all_waiting([writer.write(batch) for batch in writes])
                assert [await first, await fresh] == [Written()] * 2
                await _until_the_writer_waits_for_a_lock(url)
                assert not late.done()
            assert await late == Written()

    _run(test)
    assert {row[0] for row in _ask(url, f"SELECT meter_id FROM {_HISTORY}")} == {"M-first", "M-held", "M-fresh"}


@pytest.mark.parametrize("culprit", [0, 3, 7])
def test_one_culprit_fails_alone(url: str, culprit: int) -> None:
    names = [f"M-{i}" for i in range(8)]
    names[culprit] = "M-unwanted"

    async def test() -> list[Any]:
        async with _writing(url) as writer:
            async with _history_locked(url, writer) as first:
                rest = await _all_waiting([writer.write(_meters(name)) for name in names])
            return await asyncio.gather(first, *rest, return_exceptions=True)

    with _session(url) as connection:
        connection.execute(
            f"ALTER TABLE {_HISTORY} ADD CONSTRAINT meter_is_wanted CHECK (meter_id <> 'M-unwanted')".encode()
        )
        try:
            _, *outcomes = asyncio.run(test())
        finally:
            connection.execute(f"ALTER TABLE {_HISTORY} DROP CONSTRAINT meter_is_wanted".encode())
    refused = outcomes.pop(culprit)
    assert isinstance(refused, RefusedByDatabase)
    assert "meter_is_wanted" in refused.detail
    assert outcomes == [Written()] * 7
    assert set(_kept(url)) == {"M-first", *names} - {"M-unwanted"}
    assert {row[0] for row in _ask(url, "SELECT meter_id FROM telemetry.live_meter_state")} == set(_kept(url))


def test_what_a_dba_s_trigger_refuses_is_refused_by_the_database(url: str) -> None:
    async def test() -> list[Any]:
        async with _writing(url) as writer:
            writes = [writer.write(_meters("M-1")), writer.write(_meters("M-unwanted"))]
            return await asyncio.gather(*writes, return_exceptions=True)

    with _session(url) as connection:
        connection.execute(
            "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN IF NEW.meter_id = 'M-unwanted' THEN RAISE 'unwanted'; END IF; RETURN NEW; END $$"
        )
        connection.execute(
            f"CREATE TRIGGER refuse BEFORE INSERT ON {_HISTORY} FOR EACH ROW EXECUTE FUNCTION public.refuse()".encode()
        )
        try:
            kept, refused = asyncio.run(test())
        finally:
            connection.execute("DROP FUNCTION public.refuse() CASCADE")
    assert kept == Written()
    assert isinstance(refused, RefusedByDatabase)
    assert set(_kept(url)) == {"M-1"}


def test_a_database_that_takes_no_writes_is_no_fault_of_the_readings(url: str) -> None:
    # After a failover the service may find itself on a standby. Devices send again what is answered with 503, and
    # drop what is answered with 422: a refusal would lose readings that the next primary would have taken.
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]

    async def test() -> Any:
        async with _writing(url) as writer:
            return (await asyncio.gather(writer.write(_meters("M-1")), return_exceptions=True))[0]

    with _session(url) as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
    try:
        outcome = asyncio.run(test())
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())
    assert isinstance(outcome, DatabaseLost), repr(outcome)
    assert asyncio.run(test()) == Written()


def test_a_relation_that_is_missing_is_no_fault_of_the_readings(url: str) -> None:
    async def test() -> Any:
        async with _writing(url) as writer:
            return (await asyncio.gather(writer.write(_meters("M-1")), return_exceptions=True))[0]

    with _session(url) as connection:
        connection.execute(f"ALTER TABLE {_HISTORY} RENAME TO set_aside".encode())
        try:
            outcome = asyncio.run(test())
        finally:
            connection.execute("ALTER TABLE telemetry.set_aside RENAME TO meter_telemetry_history")
    assert isinstance(outcome, DatabaseLost), repr(outcome)


def test_more_readings_than_may_wait_are_refused_and_those_that_wait_are_kept(url: str) -> None:
    async def test() -> None:
        async with _writing(url, Settings(max_readings_waiting=10)) as writer:
            async with _history_locked(url, writer) as first:
                waiting = await _all_waiting([writer.write(_meters(*(f"M-{i}" for i in range(6))))])
                with pytest.raises(Overloaded) as refused:
                    await writer.write(_meters(*(f"N-{i}" for i in range(5))))
                assert refused.value.retry_after_s
                waiting += await _all_waiting([writer.write(_meters(*(f"O-{i}" for i in range(4))))])
                with pytest.raises(Overloaded):
                    await writer.write(_meters("P-0"))
            assert await asyncio.gather(first, *waiting) == [Written()] * 3
            # The wait is over, and so is the refusal.
            assert await writer.write(_meters("P-0")) == Written()

    _run(test)
    assert set(_kept(url)) == {"M-first", *(f"M-{i}" for i in range(6)), *(f"O-{i}" for i in range(4)), "P-0"}


def test_close_keeps_what_waits_and_refuses_what_comes_after(url: str) -> None:
    async def test() -> None:
        async with _writing(url, Settings(max_readings_per_transaction=2)) as writer:
            async with _history_locked(url, writer) as first:
                waiting = await _all_waiting([writer.write(_meters(f"M-{i}")) for i in range(7)])
                closing = asyncio.create_task(writer.close())
                await asyncio.sleep(0)
                assert not writer.is_running
                with pytest.raises(ShuttingDown) as refused:
                    await writer.write(_meters("M-late"))
                assert refused.value.retry_after_s
                assert not closing.done()
            await closing
            # Acknowledged by the time that close returns, not some time later.
            assert all(task.done() for task in (first, *waiting))
            assert await asyncio.gather(first, *waiting) == [Written()] * 8
            with pytest.raises(ShuttingDown):
                await writer.write(_meters("M-late"))

    _run(test)
    assert set(_kept(url)) == {"M-first", *(f"M-{i}" for i in range(7))}


def test_close_may_be_called_twice_and_before_anything_came(url: str) -> None:
    async def test() -> None:
        async with _writing(url) as writer:
            assert writer.is_running
            await writer.close()
            await writer.close()
        assert not writer.is_running

    _run(test)


def test_a_duplicate_is_separated_from_a_conflict_and_the_first_stands(url: str) -> None:
    async def test() -> None:
        async with _writing(url) as writer:
            assert await writer.write(_meters("M-1", "M-2")) == Written()
            again = _meters("M-1", "M-new", "M-2")
            again.meters[2] = meter_row(2, "M-2", _AT, 0.75, 230.0)
            assert await writer.write(again) == Written(duplicates=[0], conflicts=[2])

    _run(test)
    assert _kept(url) == {"M-1": 0.5, "M-2": 0.5, "M-new": 0.5}


def test_of_equal_keys_in_one_transaction_the_first_request_stands(url: str) -> None:
    async def test() -> None:
        async with _writing(url) as writer:
            async with _history_locked(url, writer) as first:
                rest = await _all_waiting(
                    [
                        writer.write(_meters("M-1", kwh=0.1)),
                        writer.write(_meters("M-other", "M-1", kwh=0.2)),
                        writer.write(_meters("M-1", kwh=0.1)),
                        writer.write(_meters("M-third", "M-third")),
                    ]
                )
            assert await asyncio.gather(first, *rest) == [
                Written(),
                Written(),
                Written(conflicts=[1]),
                Written(duplicates=[0]),
                Written(duplicates=[1]),
            ]

    _run(test)
    assert _kept(url) == {"M-first": 0.5, "M-1": 0.1, "M-other": 0.2, "M-third": 0.5}
    assert _transactions(url) == 2


def test_a_float_that_the_history_rounds_is_its_own_duplicate(url: str) -> None:
    # The voltage is kept in four bytes: what comes again must be compared as it was kept.
    batch = _meters("M-1")
    batch.meters[0] = meter_row(0, "M-1", _AT, 0.1 + 0.2, 230.123456789)

    async def test() -> None:
        async with _writing(url) as writer:
            assert await writer.write(batch) == Written()
            assert await writer.write(batch) == Written(duplicates=[0])

    _run(test)


def test_a_strict_batch_with_a_conflict_is_undone_whole(url: str) -> None:
    async def test() -> None:
        async with _writing(url) as writer:
            await writer.write(_meters("M-1", "M-2"))
            batch = _meters("M-new", "M-2", "M-1", kwh=0.9)
            batch.vehicles = [vehicle_row(3, "V-new", _AT, 50.0, 0.4, 30.0)]
            with pytest.raises(StrictConflict) as refused:
                await writer.write(batch, strict=True)
            assert refused.value.extra == {"conflicts": 2, "errors": [conflict(1), conflict(2)]}

    _run(test)
    assert _kept(url) == {"M-1": 0.5, "M-2": 0.5}
    assert _ask(url, "SELECT FROM telemetry.vehicle_telemetry_history") == []
    assert _ask(url, "SELECT FROM telemetry.live_meter_state WHERE meter_id = 'M-new'") == []


def test_a_strict_batch_may_hold_duplicates(url: str) -> None:
    async def test() -> None:
        async with _writing(url) as writer:
            await writer.write(_meters("M-1"))
            assert await writer.write(_meters("M-1", "M-2"), strict=True) == Written(duplicates=[0])
            assert await writer.write(_meters("M-3"), strict=True) == Written()

    _run(test)
    assert set(_kept(url)) == {"M-1", "M-2", "M-3"}


def test_a_strict_batch_that_is_undone_takes_nobody_with_it(url: str) -> None:
    async def test() -> list[Any]:
        async with _writing(url) as writer:
            async with _history_locked(url, writer) as first:
                rest = await _all_waiting(
                    [
                        writer.write(_meters("M-1")),
                        writer.write(_meters("M-strict", "M-first", kwh=0.9), strict=True),
                        writer.write(_meters("M-2")),
                    ]
                )
            return await asyncio.gather(first, *rest, return_exceptions=True)

    first, before, strict, after = asyncio.run(test())
    assert [first, before, after] == [Written()] * 3
    assert isinstance(strict, StrictConflict)
    assert _kept(url) == {"M-first": 0.5, "M-1": 0.5, "M-2": 0.5}


def test_a_waiter_that_gives_up_harms_nobody(url: str) -> None:
    async def test() -> None:
        async with _writing(url) as writer:
            async with _history_locked(url, writer) as first:
                waiting = await _all_waiting([writer.write(_meters(f"M-{i}")) for i in range(4)])
                # One whose transaction is under way, one that only waits.
                first.cancel()
                waiting[1].cancel()
                await asyncio.wait([first, waiting[1]])
            assert [await waiting[i] for i in (0, 2, 3)] == [Written()] * 3
            assert writer.is_running
            assert await writer.write(_meters("M-after")) == Written()

    _run(test)
    assert set(_kept(url)) >= {"M-0", "M-2", "M-3", "M-after"}


def _terminate_writers(url: str) -> None:
    _ask(
        url,
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
        "WHERE application_name = 'energy-writer' AND datname = current_database()",
    )


def test_a_connection_lost_at_work_is_replaced_and_its_readings_are_written_again(url: str) -> None:
    async def test() -> None:
        async with _writing(url) as writer:
            async with _history_locked(url, writer) as first:
                _terminate_writers(url)
                await _until_the_writer_waits_for_a_lock(url)
            assert await first == Written()
            assert await writer.write(_meters("M-after")) == Written()

    _run(test)
    assert set(_kept(url)) == {"M-first", "M-after"}


def test_a_connection_lost_again_and_again_fails_its_requests_and_not_the_next_ones(url: str) -> None:
    async def test() -> None:
        async with _writing(url) as writer:
            async with _history_locked(url, writer) as first:
                rest = await _all_waiting([writer.write(_meters("M-waiting"))])
                while not first.done():
                    _terminate_writers(url)
                    await _until(lambda: first.done() or _the_writer_waits_for_a_lock(url))
                with pytest.raises(DatabaseLost) as lost:
                    await first
                assert lost.value.retry_after_s
            # No restart, and no request lost to finding out that every pooled connection has died.
            assert await asyncio.gather(*rest, return_exceptions=True) == [Written()]
            assert await writer.write(_meters("M-after")) == Written()

    _run(test)
    assert set(_kept(url)) == {"M-waiting", "M-after"}


def test_a_transaction_that_takes_too_long_is_given_up_and_may_be_sent_again(url: str) -> None:
    async def test() -> None:
        async with _writing(url, replace(Settings(), write_timeout_s=0.3)) as writer:
            async with _history_locked(url, writer) as first:
                with pytest.raises(DatabaseLost):
                    await first
            assert await writer.write(_meters("M-first")) == Written()

    _run(test)
    assert set(_kept(url)) == {"M-first"}


def test_a_group_that_is_merely_slow_is_kept_in_smaller_ones(url: str) -> None:
    # All of it takes longer than a transaction may, a few of its readings do not. Devices send again what was not kept,
    # all at once; a group as large as before would never get anywhere.
    ids = {f"M-{i}" for i in range(20)}

    async def test() -> None:
        async with _writing(url, replace(Settings(), write_timeout_s=0.8)) as writer:
            outcomes = await asyncio.gather(*(writer.write(_meters(i)) for i in ids), return_exceptions=True)
            assert all(isinstance(outcome, DatabaseLost) for outcome in outcomes)
            for _ in range(6):
                outcomes = await asyncio.gather(*(writer.write(_meters(i)) for i in ids), return_exceptions=True)
            assert not any(isinstance(outcome, BaseException) for outcome in outcomes)

    with _session(url) as connection:
        connection.execute(
            "CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END $$"
        )
        connection.execute(
            f"CREATE TRIGGER dawdle AFTER INSERT ON {_HISTORY} FOR EACH ROW EXECUTE FUNCTION public.dawdle()".encode()
        )
        try:
            _run(test)
        finally:
            connection.execute("DROP FUNCTION public.dawdle() CASCADE")
    assert set(_kept(url)) == ids


def test_a_deadlock_is_tried_again_and_nobody_hears_of_it(url: str) -> None:
    # Another session holds a row of live state that the writer wants, and then wants one that the writer holds. The
    # server ends the one whose patience is over first, which is the writer: the other session's is set longer.
    async def test() -> None:
        async with _writing(url) as writer:
            await writer.write(_meters("M-a", "M-b"))
            touch = "UPDATE telemetry.live_meter_state SET received_at = now() WHERE meter_id = "
            other = await psycopg.AsyncConnection.connect(url, options="-c deadlock_timeout=30s")
            async with other:
                await other.execute(f"{touch} 'M-b'".encode())
                write = asyncio.create_task(writer.write(_meters("M-a", "M-b", at=_AT + timedelta(minutes=1))))
                await _until_the_writer_waits_for_a_lock(url)
                await other.execute(f"{touch} 'M-a'".encode())
                assert not write.done()
                await other.commit()
            assert await write == Written()

    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    [(before,)] = _ask(url, deadlocks)
    _run(test)
    assert len(_ask(url, f"SELECT FROM {_HISTORY}")) == 4
    # Without a deadlock nothing would have been tried; the server counts it a moment after the fact. Where the other
    # session is slow to wake, the writer is back before it and meets a second one.
    asyncio.run(_until(lambda: _ask(url, deadlocks) > [(before,)]))


def test_two_writers_at_once_keep_every_reading_once(url: str) -> None:
    # As two worker processes do. Both send the same devices in opposite orders, many times over: nobody deadlocks for
    # good, nobody loses.
    ids = [f"M-{i}" for i in range(50)]

    async def test() -> None:
        async with _writing(url) as one, _writing(url) as other:
            written = await asyncio.gather(
                *(one.write(_meters(*ids, at=_AT - timedelta(minutes=i))) for i in range(40)),
                *(other.write(_meters(*reversed(ids), at=_AT - timedelta(minutes=i))) for i in range(40)),
            )
        assert sum(len(outcome.duplicates) for outcome in written) == 40 * 50
        assert not any(outcome.conflicts for outcome in written)

    _run(test)
    [(rows, keys)] = _ask(url, f"SELECT count(*), count(DISTINCT (meter_id, recorded_at)) FROM {_HISTORY}")
    assert (rows, keys) == (2000, 2000)
