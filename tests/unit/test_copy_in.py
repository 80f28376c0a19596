"""Several COPYs in one message, where libpq has no room for a block at first.

libpq says so only where it cannot have memory, which no test brings about: so this one stands in for it.
"""

from collections.abc import Iterator
from typing import Any, cast

from psycopg import pq
from psycopg.pq.abc import PGconn

from app.db.copy_in import _copy_in


class _Result:
    def __init__(self, status: pq.ExecStatus) -> None:
        self.status = status


class _NoRoomAtFirst:
    """A connection that takes each block when it is offered for the second time."""

    def __init__(self, copies: int) -> None:
        self.taken: list[bytes] = []
        self._offered: bytes | None = None
        self._results = self._answers(copies)

    @staticmethod
    def _answers(copies: int) -> Iterator[_Result | None]:
        for _ in range(copies):
            yield _Result(pq.ExecStatus.COPY_IN)
            yield _Result(pq.ExecStatus.COMMAND_OK)
        yield None

    def put_copy_data(self, block: bytes) -> int:
        if self._offered != block:
            self._offered = block
            return 0
        self.taken.append(block)
        return 1

    def put_copy_end(self) -> int:
        return 1

    def get_result(self) -> _Result | None:
        return next(self._results)

    def send_query(self, query: bytes) -> None:
        pass

    def flush(self) -> int:
        return 0

    def is_busy(self) -> bool:
        return False


def test_a_block_that_is_not_taken_at_once_is_offered_again_and_goes_into_its_own_table() -> None:
    connection: Any = _NoRoomAtFirst(copies=2)
    copies = [(b"COPY meters", b"rows of meters"), (b"COPY vehicles", b"rows of vehicles")]
    for _ in _copy_in(cast(PGconn, connection), copies):
        pass
    assert connection.taken == [b"rows of meters", b"rows of vehicles"]
