"""The pools: connections that read answers, one that writes readings, one that writes assignments.

All run in UTC at READ COMMITTED (above it, TimescaleDB would log even fresh rows as invalidations). Readers plan
each statement for its parameters, so that chunks outside a window are left out when it is planned.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, IsolationLevel
from psycopg.rows import namedtuple_row
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from app.config import Settings
from app.db.queries import query
from app.errors import DatabaseLost, DatabaseUnavailable

logger = logging.getLogger("energy.db")

# Rows are named tuples of the query's columns.
Connection = AsyncConnection[Any]

# A pool waits twice as long after each attempt that fails. It gives up after this long, and the next request starts
# it again: so the service reconnects within seconds after the database is back, however long it was away.
RECONNECT_TIMEOUT_S = 1.0
"""Time after which a pool stops reconnecting by itself and waits for the next request."""
LOCK_TIMEOUT_SHARE = 0.5
"""Share of `ENERGY_WRITE_TIMEOUT_S` that a writing statement waits for one lock; this separates lock waits from slow
statements."""
MAX_TRIES_OF_A_REFRESH = 60
"""Attempts of maintenance and `import` to refresh hours that another session is refreshing."""
PAUSE_BEFORE_A_REFRESH_S = 1.0
"""Pause between these attempts."""
MAX_REPLAYS = 5
"""Repeats of a change of assignments or devices after a deadlock, and of any statement while `migrate` rebuilds schema
`api`."""
_REBUILT = (
    psycopg.errors.InternalError_,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedTable,
    psycopg.errors.InvalidSchemaName,
)
_PASSING = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure, *_REBUILT)

_T = TypeVar("_T")


class Database:
    """The connection pools on one database, opened and closed with the service."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._settings = settings
        session = {"row_factory": namedtuple_row, **_network(settings)}
        self._readers = AsyncConnectionPool(
            settings.database_read_url or url,
            min_size=1,
            max_size=settings.read_connections,
            timeout=settings.connect_timeout_s,
            reconnect_timeout=RECONNECT_TIMEOUT_S,
            open=False,
            name="readers",
            configure=self._configure_reader,
            kwargs={"autocommit": True, "application_name": "energy-reader", **session},
        )
        # One each, so that an assignment which waits for a lock never keeps readings waiting. A change of
        # assignments cannot be repeated, so its connection is checked before use: a restart of the database may have
        # killed it. A repeated reading is a duplicate and needs no check.
        self._ingest, self._assignments = (
            AsyncConnectionPool(
                url,
                min_size=1,
                max_size=1,
                timeout=settings.connect_timeout_s,
                reconnect_timeout=RECONNECT_TIMEOUT_S,
                open=False,
                name=name,
                configure=self._configure_writer,
                check=check,
                kwargs={"application_name": f"energy-{name}", "autocommit": autocommit, **session},
            )
            for name, autocommit, check in (
                ("writer", True, None),
                ("assignments", False, AsyncConnectionPool.check_connection),
            )
        )
        self._pools = (self._readers, self._ingest, self._assignments)

    async def open(self, *, wait: bool = True) -> None:
        """Connect. Raises :class:`DatabaseUnavailable` where it waits for that and the time is over."""
        try:
            for pool in self._pools:
                await pool.open(wait=wait, timeout=self._settings.connect_timeout_s)
        except PoolTimeout as error:
            await self.close()
            raise DatabaseUnavailable(f"the database does not answer: {error}") from None

    async def close(self) -> None:
        """Close every connection."""
        for pool in self._pools:
            await pool.close()

    async def fetch_all(self, name: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
        """Rows of a named query that only reads, its columns as attributes. Raises :class:`DatabaseLost`.

        Asked once more where the first connection turns out to have died since it was used last: after a restart of the
        database, every pooled connection is such a one.
        """
        try:
            try:
                return await self._fetch(name, parameters)
            except _ConnectionDied:
                await self._readers.check()
                return await self._fetch(name, parameters)
        except psycopg.errors.QueryCanceled as error:
            raise DatabaseLost(f"the answer took longer than {self._settings.read_timeout_s:g} s") from error
        except (_ConnectionDied, psycopg.OperationalError, PoolTimeout, PoolClosed) as error:
            raise DatabaseLost("the database does not answer now; send the request again later") from error

    async def _fetch(self, name: str, parameters: Mapping[str, Any] | None) -> list[Any]:
        for _ in range(MAX_REPLAYS):
            # A migrate may rebuild the schema between the look-up of a name and its use; a repeat finds the new one.
            with suppress(*_REBUILT):
                return await self._fetch_once(name, parameters)
        return await self._fetch_once(name, parameters)

    async def _fetch_once(self, name: str, parameters: Mapping[str, Any] | None) -> list[Any]:
        async with self._readers.connection() as connection:
            try:
                cursor = await connection.execute(query(name), parameters)
                return await cursor.fetchall()
            except psycopg.OperationalError as error:
                if connection.broken:
                    raise _ConnectionDied from error
                raise

    def ingesting(self) -> AbstractAsyncContextManager[Connection]:
        """The connection that writes readings, in autocommit; callers open transactions.

        Raises what psycopg raises, or :class:`DatabaseLost` where no connection can be had in time.
        """
        return _connected(self._ingest)

    def assigning(self) -> AbstractAsyncContextManager[Connection]:
        """The connection for all other writes, in a transaction that commits where the block ends without an error.

        Raises what :meth:`ingesting` raises.
        """
        return _connected(self._assignments)

    async def write(self, work: Callable[[Connection], Awaitable[_T]]) -> _T:
        """Run `work` on that connection in one transaction, repeated after a deadlock.

        Raises :class:`DatabaseLost` where the database is lost or takes no writes now.
        """
        try:
            for replay in range(MAX_REPLAYS + 1):
                try:
                    async with self.assigning() as connection:
                        return await work(connection)
                except _PASSING:
                    if replay == MAX_REPLAYS:
                        raise
        except (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction) as error:
            raise DatabaseLost("the database does not answer now; send the request again later") from error
        raise AssertionError("unreachable")

    async def discard_dead_writers(self) -> None:
        """Replace writing connections that died since their last use."""
        await self._ingest.check()

    async def _configure_reader(self, connection: Connection) -> None:
        await self._configure(connection, self._settings.read_timeout_s)
        await connection.execute("SET plan_cache_mode = force_custom_plan")
        await connection.execute("SET default_transaction_read_only = on")

    async def _configure_writer(self, connection: Connection) -> None:
        # For transactions begun here, and for those that the server begins itself.
        await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
        await connection.execute("SET default_transaction_isolation = 'read committed'")
        await self._configure(connection, self._settings.write_timeout_s)
        await _set_timeout(connection, "lock_timeout", self._settings.write_timeout_s * LOCK_TIMEOUT_SHARE)
        if not connection.autocommit:
            await connection.commit()

    async def _configure(self, connection: Connection, statement_timeout_s: float) -> None:
        await connection.execute("SET timezone = 'UTC'")
        # No statement here runs long enough for JIT; plans over many chunks are estimated as if they did.
        await connection.execute("SET jit = off")
        await _set_timeout(connection, "statement_timeout", statement_timeout_s)


async def _set_timeout(connection: Connection, name: str, seconds: float) -> None:
    await connection.execute("SELECT set_config(%s, %s, false)", [name, f"{seconds * 1000:.0f}"])


@asynccontextmanager
async def _connected(pool: AsyncConnectionPool[Connection]) -> AsyncIterator[Connection]:
    try:
        async with pool.connection() as connection:
            yield connection
    except (PoolTimeout, PoolClosed) as error:
        raise DatabaseLost("the database does not answer now; send the request again later") from error


def _network(settings: Settings) -> dict[str, Any]:
    """How long libpq waits for a network that swallows packets; the server enforces the timeout of a statement.

    The user timeout covers data that was sent and not acknowledged. While an answer is awaited there is none, so
    keepalives probe the other end, and give up after the same time.
    """
    longest_s = max(settings.read_timeout_s, settings.write_timeout_s) + settings.connect_timeout_s
    return {
        "connect_timeout": math.ceil(settings.connect_timeout_s),
        "tcp_user_timeout": math.ceil(longest_s * 1000),
        "keepalives_idle": math.ceil(settings.connect_timeout_s),
        "keepalives_interval": math.ceil(settings.connect_timeout_s),
    }


@asynccontextmanager
async def alone(url: str, settings: Settings) -> AsyncIterator[Connection]:
    """A connection of its own for maintenance, in autocommit, in no pool: its statements may take long.

    Raises what psycopg raises.
    """
    async with await AsyncConnection.connect(
        url, autocommit=True, application_name="energy-upkeep", row_factory=namedtuple_row, **_network(settings)
    ) as connection:
        await connection.execute("SET timezone = 'UTC'")
        yield connection


async def call(url: str, settings: Settings, name: str, parameters: Mapping[str, Any] | None = None) -> None:
    """Run a named query that calls a procedure of upkeep on a connection of its own, outside a transaction.

    It may take long, and is repeated while a job refreshes the same hours. Raises what psycopg raises.
    """
    async with alone(url, settings) as connection:
        for _ in range(MAX_TRIES_OF_A_REFRESH - 1):
            try:
                await connection.execute(query(name), parameters)
            except psycopg.errors.LockNotAvailable:
                await asyncio.sleep(PAUSE_BEFORE_A_REFRESH_S)
            else:
                return
        await connection.execute(query(name), parameters)


class _ConnectionDied(Exception):
    """A pooled connection turned out to be dead."""
