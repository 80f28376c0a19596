"""What the service does besides answering: it follows the horizon of the history, and calls upkeep."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime

import psycopg
import pytest

from app.config import Settings
from app.db import migrate
from app.db.pool import Database, call
from app.http import app
from app.ingest.decode import Horizon, ReadingDecoder
from tests.support.servers import Server

_PATIENCE_S = 30.0
# Long enough to tell a second try after a failure from the next one that would have come anyway.
_PERIOD_S = 4.0
_RETRY_S = 0.1


@pytest.fixture
def database_url(postgres_server: Server) -> Iterator[str]:
    with postgres_server.new_database() as url:
        migrate.migrate(url, "postgres")
        yield url


async def _time_when(condition: Callable[[], bool]) -> float:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _PATIENCE_S
    while not condition():
        assert loop.time() < deadline, "not in time"
        await asyncio.sleep(0.01)
    return loop.time()


def test_a_horizon_that_could_not_be_read_is_read_again_soon(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app, "HORIZON_PERIOD_S", _PERIOD_S)
    monkeypatch.setattr(app, "HORIZON_RETRY_S", _RETRY_S)
    settings = Settings()
    known = Horizon(datetime(2000, 1, 1, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC))
    decoder = ReadingDecoder(settings, known)

    async def test(dba: psycopg.Connection) -> float:
        database = Database(database_url, settings)
        await database.open()
        following = asyncio.create_task(app._follow_horizon(database, decoder))
        try:
            failed_at = await _time_when(lambda: bool(caplog.messages))
            dba.execute("ALTER FUNCTION internal.hidden(text) RENAME TO history_horizon")
            return await _time_when(lambda: decoder.horizon != known) - failed_at
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
            await database.close()

    with psycopg.connect(database_url, autocommit=True) as dba:
        dba.execute("ALTER FUNCTION internal.history_horizon(text) RENAME TO hidden")
        assert asyncio.run(test(dba)) < _PERIOD_S / 2


def test_upkeep_does_not_wait_for_a_server_that_never_answers() -> None:
    # Its connection is accepted by the system, and nobody ever reads from it: as a network that swallows packets.
    settings = Settings(connect_timeout_s=1.0)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"postgresql://nobody@127.0.0.1:{deaf.getsockname()[1]}/energy"

        async def test() -> None:
            with pytest.raises(psycopg.OperationalError):
                await asyncio.wait_for(call(url, settings, "upkeep"), _PATIENCE_S)

        asyncio.run(test())
