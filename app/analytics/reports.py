"""Reports that take too long for a request: one service computes them in the background and stores them with their
time, so that all processes answer the same."""

import time
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from app.analytics.rounding import RATIO_DIGITS, rounded
from app.config import Settings
from app.db.disk import free_bytes
from app.db.pool import Connection, Database, alone
from app.db.queries import query
from app.errors import NotComputedYet
from app.wire.database import (
    DatabaseFigures,
    DatabaseFinding,
    DatabaseFindings,
    DatabaseJob,
    DatabasePolicy,
    DatabaseRelation,
)

REPORT_TIMEOUT_S = 60.0
"""Time for each query of a report."""
REPORT_PERIOD_S = 60.0
"""Shortest time between two reports; a service looks so often whether they are due."""
MOST_SHARE = 0.01
DAYS_DIGITS = 2
SECONDS_DIGITS = 3

_T = TypeVar("_T")


async def database_figures(database: Database) -> DatabaseFigures:
    """Sizes, policies and jobs, as they were computed last. Raises :class:`NotComputedYet`, :class:`DatabaseLost`."""
    return await _stored(database, "database", DatabaseFigures)


async def database_findings(database: Database) -> DatabaseFindings:
    """What doctor found last. Raises :class:`NotComputedYet`, :class:`DatabaseLost`."""
    return await _stored(database, "findings", DatabaseFindings)


async def compute(url: str, settings: Settings, *, is_forced: bool = False) -> bool:
    """Compute and store the reports, where they are due and no other service is at it; whether it did.

    They are due after a minute, or later where that keeps their share of the time small. Raises what psycopg raises.
    """
    async with alone(url, settings) as connection:
        await connection.execute(
            "SELECT set_config('statement_timeout', %s, false)", [f"{REPORT_TIMEOUT_S * 1000:.0f}"]
        )
        await connection.execute("SET jit = off")
        # The lock is held until the connection is closed.
        [state] = await _rows(connection, query("try_to_report"), period_s=REPORT_PERIOD_S, most_share=MOST_SHARE)
        if not (state.is_alone and (state.is_due or is_forced)):
            return False
        [server] = await _rows(connection, query("data_directory"))
        disk_free_bytes = free_bytes(connection.info.host, server.directory)
        for name, report in (
            ("database", await _figures(connection, disk_free_bytes)),
            ("findings", await _findings(connection, disk_free_bytes)),
        ):
            content = msgspec.json.encode(report).decode()
            stored = {"name": name, "computed_at": report.computedAt, "content": content}
            await connection.execute(query("store_report"), stored)
        return True


async def _stored(database: Database, name: str, type_: type[_T]) -> _T:
    rows = await database.fetch_all("report", {"name": name})
    try:
        return msgspec.json.decode(rows[0].content, type=type_)
    except (IndexError, msgspec.ValidationError):
        # There is none yet, or it is another release's.
        raise NotComputedYet(
            "the service computes this in the background and has not yet: ask again in a moment"
        ) from None


async def _rows(connection: Connection, statement: bytes, **parameters: Any) -> list[Any]:
    return await (await connection.execute(statement, parameters)).fetchall()


async def _now(connection: Connection) -> datetime:
    [row] = await _rows(connection, query("clock"))
    at: datetime = row.clock
    return at.astimezone(UTC)


async def _figures(connection: Connection, disk_free_bytes: int | None) -> DatabaseFigures:
    began, computed_at = time.perf_counter(), await _now(connection)
    relations = await _rows(connection, query("report_relations"))
    growth = sum(row.settled_bytes_per_day or 0 for row in relations if row.is_growing)
    [disk] = await _rows(connection, query("report_disk"), free_bytes=disk_free_bytes, growth_bytes_per_day=growth)
    jobs = await _rows(connection, query("report_jobs"))
    return DatabaseFigures(
        computedAt=computed_at,
        computedInSeconds=_seconds_since(began),
        databaseBytes=disk.database_bytes,
        growthBytesPerDay=disk.growing_bytes_per_day,
        diskFreeBytes=disk.disk_free_bytes,
        diskDaysLeft=rounded(disk.days_left, DAYS_DIGITS),
        relations=[_relation(row) for row in relations],
        jobs=[_job(row) for row in jobs],
    )


async def _findings(connection: Connection, disk_free_bytes: int | None) -> DatabaseFindings:
    began, computed_at = time.perf_counter(), await _now(connection)
    rows = await _rows(connection, query("report_findings"), free_bytes=disk_free_bytes)
    found = [DatabaseFinding(row.severity, row.subject, row.message, row.action) for row in rows]
    # The worst comes first.
    return DatabaseFindings(computed_at, _seconds_since(began), found[0].severity if found else "none", found)


def _seconds_since(began: float) -> float:
    return round(time.perf_counter() - began, SECONDS_DIGITS)


def _relation(row: Any) -> DatabaseRelation:
    return DatabaseRelation(
        relation=row.relation,
        rows=row.rows_estimated,
        totalBytes=row.total_bytes,
        indexBytes=row.index_bytes,
        compressionRatio=rounded(row.compression_ratio, RATIO_DIGITS),
        chunks=row.chunks,
        chunksCompressed=row.chunks_compressed,
        from_=row.range_from,
        to=row.range_to,
        historyDays=rounded(row.history_days, DAYS_DIGITS),
        bytesPerDay=row.settled_bytes_per_day,
        growing=row.is_growing,
        policy=DatabasePolicy(
            chunkIntervalDays=row.chunk_interval_days,
            columnstoreAfterDays=row.columnstore_after_days,
            dropAfterDays=row.drop_after_days,
            refreshStartDays=row.refresh_start_days,
            refreshEverySeconds=row.refresh_every_s,
        ),
    )


def _job(row: Any) -> DatabaseJob:
    return DatabaseJob(
        job=row.job,
        relation=row.relation,
        everySeconds=row.every_s,
        lastStartedAt=row.last_started_at,
        lastSucceededAt=row.last_succeeded_at,
        nextRunAt=row.next_run_at,
        lastStatus=row.last_status,
        runs=row.runs,
        failures=row.failures,
        lastError=row.last_error,
        scheduled=row.is_scheduled,
    )
