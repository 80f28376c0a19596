"""Several COPYs from one message to the server, in a transaction of their own.

PostgreSQL runs the statements of one simple query in one transaction, which it begins and commits itself. For a single
reading that is two round trips instead of the four of BEGIN, COPY, its data and COMMIT, and half the work here.
psycopg's own `copy` takes one statement at a time; this drives libpq as that does, through psycopg's public `pq`.
Source: PostgreSQL, Frontend/Backend Protocol, "Multiple Statements in a Simple Query" and "COPY Operations".
"""

from collections.abc import Generator, Sequence

from psycopg import pq
from psycopg.errors import error_from_result
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait

from app.db.pool import Connection

_Waiting = Generator[Wait, Ready | int, None]


async def copy_in(connection: Connection, copies: Sequence[tuple[bytes, bytes]]) -> None:
    """Run `COPY ... FROM STDIN` statements, each with its data, all or none, on a connection in autocommit.

    Returns after the commit. Raises what psycopg raises; after an error nothing is stored, except that
    after an :class:`psycopg.OperationalError` this is unknown.
    """
    async with connection.lock:
        await connection.wait(_copy_in(connection.pgconn, copies))


def _copy_in(pgconn: PGconn, copies: Sequence[tuple[bytes, bytes]]) -> _Waiting:
    pgconn.send_query(b"; ".join(statement for statement, _ in copies))
    yield from _flush(pgconn)
    data = iter([data for _, data in copies])
    failed: PGresult | None = None
    while (result := (yield from _result(pgconn))) is not None:
        if result.status == pq.ExecStatus.COPY_IN:
            block = next(data)
            while pgconn.put_copy_data(block) == 0:
                yield Wait.W
            while pgconn.put_copy_end() == 0:
                yield Wait.W
            yield from _flush(pgconn)
        elif result.status == pq.ExecStatus.FATAL_ERROR:
            failed = result
    if failed is not None:
        raise error_from_result(failed)


def _flush(pgconn: PGconn) -> _Waiting:
    while pgconn.flush():
        # Read the server's messages meanwhile, or it could stop reading.
        if (yield Wait.RW) & Ready.R:
            pgconn.consume_input()


def _result(pgconn: PGconn) -> Generator[Wait, Ready | int, PGresult | None]:
    while pgconn.is_busy():
        yield Wait.R
        pgconn.consume_input()
    return pgconn.get_result()
