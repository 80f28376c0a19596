"""Judges registers anew that wait for it: one service at a time, part by part, so that readings never wait for long."""

import asyncio
import time

from app import metrics
from app.config import Settings
from app.db.pool import Database, alone
from app.db.queries import query

LONGEST_PAUSE_S = 1.0
"""Longest pause between two parts of the backlog of registers; the pause is as long as the part took."""


async def registers_waiting(database: Database) -> int:
    """How many registers wait, for `/metrics` too. Raises :class:`DatabaseLost`."""
    [row] = await database.fetch_all("registers_waiting")
    metrics.REGISTERS_WAITING.set(row.registers)
    return int(row.registers)


async def judge(url: str, settings: Settings) -> None:
    """Judge until no register waits, a part in each transaction; returns at once while another service does it.

    A part is a month of one register, whose readings wait meanwhile. Between parts there is a pause, in which they are
    written. What is done stays done if the service is stopped or killed. Raises what psycopg raises.
    """
    async with alone(url, settings) as connection:
        # Held until the connection is closed.
        [lock] = await (await connection.execute(query("try_to_judge"))).fetchall()
        if not lock.is_alone:
            return
        waiting = 1
        while waiting:
            began = time.perf_counter()
            [row] = await (await connection.execute(query("judge_backlog"))).fetchall()
            waiting = row.registers
            metrics.REGISTERS_WAITING.set(waiting)
            await asyncio.sleep(min(LONGEST_PAUSE_S, time.perf_counter() - began))
