"""Readings that wait for the database: behind another session's lock, while the service lives, and while it stops.

Another session locks a history, as a DBA's statement would. The writer's first transaction waits for it, and everything
that comes in meanwhile waits for the writer.
"""

import asyncio
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.rows import TupleRow

from app.config import Settings
from app.db.pool import Database
from app.ingest.decode import Batch
from app.ingest.rows import meter_row
from app.ingest.writer import Writer, Written
from tests.support.readings import hours_ago, insert_meter_readings, meter_reading
from tests.support.service import Answer, Client, running_service

Connection = psycopg.Connection[TupleRow]

_PATIENCE_S = 20.0
_HISTORY = "telemetry.meter_telemetry_history"
_WRITERS = "FROM pg_stat_activity WHERE application_name = 'energy-writer' AND datname = current_database()"


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


@contextmanager
def _history_locked(url: str) -> Iterator[None]:
    """Nobody writes meter readings while the block lasts; they can be read."""
    with psycopg.connect(url) as holder:
        holder.execute(f"LOCK TABLE {_HISTORY} IN SHARE ROW EXCLUSIVE MODE".encode())
        yield
        holder.rollback()


def _until_the_writer_waits(connection: Connection) -> None:
    waits = f"SELECT count(*) = 1 {_WRITERS} AND wait_event_type = 'Lock'".encode()
    _until(lambda: connection.execute(waits).fetchone() == (True,))


# Late or fresh


@asynccontextmanager
async def _writing(url: str, settings: Settings) -> AsyncIterator[Writer]:
    database = Database(url, settings)
    await database.open()
    writer = Writer(database, settings)
    writer.start()
    try:
        yield writer
    finally:
        await writer.close()
        await database.close()


def _reading(meter_id: str, at: datetime) -> Batch:
    batch = Batch()
    batch.meters = [meter_row(0, meter_id, at, 2.0, 230.0)]
    return batch


@pytest.mark.parametrize("waits", ["its turn", "another try"])
def test_a_reading_that_grows_late_while_it_waits_is_in_the_rollups(
    own: Connection, own_database: str, waits: str
) -> None:
    """A reading of an hour that is materialised comes in just before it is late, and is late when it is written.

    TimescaleDB would never hear of it if it were COPYed then. It waits behind another one that stands at a lock, or
    stands there itself, and its connection is lost.
    """
    at = hours_ago(3) + timedelta(minutes=30)
    insert_meter_readings(own, [("M-1", hours_ago(3) + timedelta(minutes=1), 1.0, 230.0)])
    own.execute("CALL api.refresh_rollups(now() - interval '1 day', now())")

    async def test() -> None:
        late_after_s = (datetime.now(UTC) - at).total_seconds() + 2
        async with _writing(own_database, Settings(late_after_s=late_after_s)) as writer:
            with _history_locked(own_database):
                first = asyncio.create_task(writer.write(_reading("M-first", datetime.now(UTC))))
                if waits == "its turn":
                    await asyncio.to_thread(_until_the_writer_waits, own)
                # Both come before the writer looks, so they share a transaction where they wait for another try.
                written = asyncio.create_task(writer.write(_reading("M-1", at)))
                await asyncio.to_thread(_until_the_writer_waits, own)
                await asyncio.sleep(2.1)
                if waits == "another try":
                    own.execute(f"SELECT pg_terminate_backend(pid, 10000) {_WRITERS}".encode())
            assert [await first, await written] == [Written()] * 2

    asyncio.run(test())
    own.execute("CALL api.refresh_rollups(now() - interval '1 day', now())")
    hour = own.execute("SELECT readings, energy_ac_sum_kwh FROM telemetry.meter_hourly WHERE meter_id = 'M-1'")
    assert hour.fetchall() == [(2, 3.0)]


# A lock that stays


def _posting(pool: ThreadPoolExecutor, client: Client, count: int) -> list[Future[Answer]]:
    return [pool.submit(client.post, "/v1/ingest", meter_reading(f"M-{i}")) for i in range(count)]


def _readings_waiting(client: Client) -> float:
    lines = client.get("/metrics").body.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("energy_readings_waiting "))


def test_all_that_wait_for_a_lock_are_answered_in_time_to_send_again(
    connection: Connection, migrated_database: str
) -> None:
    # One that is halved down to single requests would make the last of them wait for 31 times the timeout.
    with (
        running_service(DATABASE_URL=migrated_database, ENERGY_WRITE_TIMEOUT_S="2") as client,
        ThreadPoolExecutor(16) as pool,
    ):
        with _history_locked(migrated_database):
            began = time.monotonic()
            answers = [posted.result() for posted in _posting(pool, client, 16)]
            assert time.monotonic() - began < 5
        assert {(answer.status, answer.json["code"]) for answer in answers} == {(503, "database_unavailable")}
        assert {answer.status for answer in (posted.result() for posted in _posting(pool, client, 16))} == {200}
    assert connection.execute(f"SELECT count(DISTINCT meter_id) FROM {_HISTORY}".encode()).fetchone() == (16,)


def test_a_lock_that_stays_shows_in_readiness_until_it_is_gone(connection: Connection, migrated_database: str) -> None:
    stop = threading.Event()
    with running_service(DATABASE_URL=migrated_database, ENERGY_WRITE_TIMEOUT_S="2") as client:

        def post_again_and_again(number: int) -> None:
            while not stop.is_set():
                client.post("/v1/ingest", meter_reading(f"M-{number}"))
                stop.wait(0.05)

        with ThreadPoolExecutor(4) as pool:
            for number in range(4):
                pool.submit(post_again_and_again, number)
            try:
                _until(lambda: connection.execute(f"SELECT FROM {_HISTORY}".encode()).fetchone() is not None)
                assert client.get("/readyz").status == 200
                with _history_locked(migrated_database):
                    _until(lambda: client.get("/readyz").status == 503)
                    answered = client.get("/readyz").json
                    assert answered["code"] == "database_unavailable"
                    assert answered["detail"].startswith("readings wait, and none was written for ")
                _until(lambda: client.get("/readyz").status == 200)
            finally:
                stop.set()


def test_readings_that_wait_are_counted_while_they_do(connection: Connection, migrated_database: str) -> None:
    with (
        running_service(DATABASE_URL=migrated_database) as client,
        ThreadPoolExecutor(1) as first,
        ThreadPoolExecutor(5) as pool,
    ):
        with _history_locked(migrated_database):
            taken = _posting(first, client, 1)
            _until_the_writer_waits(connection)
            waiting = _posting(pool, client, 5)
            _until(lambda: _readings_waiting(client) == 5)
        assert {posted.result().status for posted in [*taken, *waiting]} == {200}
        _until(lambda: _readings_waiting(client) == 0)


def test_a_service_that_is_stopped_does_not_wait_for_a_lock_again_and_again(
    connection: Connection, migrated_database: str
) -> None:
    # Sixteen transactions, each of which would wait for the lock by itself. Who was cut off sends again.
    settings = {
        "ENERGY_WRITE_TIMEOUT_S": "3",
        "ENERGY_DRAIN_TIMEOUT_S": "1",
        "ENERGY_MAX_READINGS_PER_TRANSACTION": "1",
    }
    with (
        running_service(DATABASE_URL=migrated_database, **settings) as client,
        ThreadPoolExecutor(16) as pool,
        _history_locked(migrated_database),
    ):
        posted = _posting(pool, client, 16)
        _until_the_writer_waits(connection)
        assert client.process is not None
        client.process.send_signal(signal.SIGTERM)
        assert client.process.wait(6) == 0
        answers = [future.result() for future in posted]
        assert {answer.status for answer in answers} == {503}
        assert "shutting_down" in {answer.json["code"] for answer in answers}
    assert connection.execute(f"SELECT count(*) FROM {_HISTORY}".encode()).fetchone() == (0,)
