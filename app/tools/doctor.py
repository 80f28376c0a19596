"""What a DBA looks at: what is not normal first, then the figures behind it. All of it is asked in SQL."""

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from app.db.queries import query
from app.errors import ConfigurationError, DatabaseUnavailable

Connection = psycopg.Connection[TupleRow]

MAX_CHUNKS_SHOWN = 40
"""Chunks shown by `doctor`, with `--json` too."""
MAX_DEVICES_SHOWN = 20
"""Silent devices shown by `doctor`, with `--json` too."""
QUESTION_TIMEOUT_S = 60
"""Time for each query of `doctor`."""
# Exit status by the worst that was found; 1 and 2 are those of every command.
EXIT_STATUS = {"note": 0, "warning": 3, "critical": 4}


@dataclass(frozen=True, slots=True)
class Section:
    """The answer to one question: columns and rows, or why it could not be asked."""

    title: str
    columns: Sequence[str]
    rows: Sequence[TupleRow]
    failure: str | None = None

    def as_json(self) -> Any:
        """Rows as objects."""
        if self.failure is not None:
            return {"error": self.failure}
        return [dict(zip(self.columns, map(_plain, row), strict=True)) for row in self.rows]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line's `doctor` takes."""
    parser.add_argument("--json", action="store_true", help="findings and figures as one JSON document")
    parser.add_argument(
        "--silent-for", default="1 hour", metavar="INTERVAL", help="devices silent for longer are shown; 1 hour"
    )


def run(url: str, options: argparse.Namespace) -> int:
    """Print findings and figures; returns 0 where all is well or there are notes alone, 3 for warnings, 4 for worse.

    Raises :class:`DatabaseUnavailable`, also where the database is lost on the way, and :class:`ConfigurationError`
    where devices are to be silent for what is no length of time.
    """
    try:
        with psycopg.connect(url, autocommit=True, application_name="energy-doctor") as connection:
            sections = _examine(connection, options.silent_for)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"the database does not answer: {str(error).strip().splitlines()[0]}") from None
    worst = _worst(sections)
    if options.json:
        document = {"severity": worst or "none", **{section.title: section.as_json() for section in sections}}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(_table(section) for section in sections))
    return EXIT_STATUS.get(worst, 0)


def _examine(connection: Connection, silent_for: str) -> list[Section]:
    connection.execute("SET timezone = 'UTC'")
    connection.execute("SET default_transaction_read_only = on")
    connection.execute("SET jit = off")
    _check_interval(connection, silent_for)
    connection.execute("SELECT set_config('statement_timeout', %s, false)", [str(QUESTION_TIMEOUT_S * 1000)])
    parameters = {
        "silent_for": silent_for,
        "free_bytes": _free_bytes(connection),
        "chunks": MAX_CHUNKS_SHOWN,
        "devices": MAX_DEVICES_SHOWN,
    }
    questions = {
        "findings": query("doctor_findings"),
        "disk": query("doctor_disk"),
        "relations": query("doctor_relations"),
        "readings a day": query("doctor_readings"),
        "columnstore": query("doctor_columnstore"),
        "retention": query("doctor_retention"),
        "rollups": query("doctor_rollups"),
        "late readings": query("doctor_lateness"),
        "jobs": query("doctor_jobs"),
        "indexes": query("doctor_indexes"),
        "cache": query("doctor_cache"),
        "silent devices": query("doctor_silent"),
        "newest chunks": query("doctor_chunks"),
    }
    return [_ask(connection, title, statement, parameters) for title, statement in questions.items()]


def _check_interval(connection: Connection, silent_for: str) -> None:
    try:
        [(is_negative,)] = connection.execute("SELECT %s::interval < '0'", [silent_for]).fetchall()
    except psycopg.DataError:
        is_negative = True
    if is_negative:
        raise ConfigurationError(f"--silent-for wants a length of time, such as '90 minutes', and got {silent_for!r}")


def _ask(connection: Connection, title: str, statement: bytes, parameters: Mapping[str, Any]) -> Section:
    try:
        cursor = connection.execute(statement, parameters)
        rows = cursor.fetchall()
    except psycopg.Error as error:
        if connection.broken:
            raise
        # One question that fails, for want of a right perhaps, leaves the others.
        return Section(title, (), (), error.diag.message_primary or str(error))
    return Section(title, [column.name for column in cursor.description or ()], rows)


def _free_bytes(connection: Connection) -> int | None:
    """Free bytes of the disk, where the server runs on this machine and says where its data is; else None."""
    if connection.info.host and not connection.info.host.startswith("/"):
        return None
    try:
        row = connection.execute("SELECT current_setting('data_directory')").fetchone()
        return shutil.disk_usage(Path(row[0])).free if row else None
    except (psycopg.errors.InsufficientPrivilege, OSError):
        return None


def _worst(sections: Sequence[Section]) -> str:
    found = {str(row[0]) for section in sections if section.title == "findings" for row in section.rows}
    for section in sections:
        if section.failure is not None:
            # Where the findings themselves are missing, nobody knows how bad it is.
            found.add("critical" if section.title == "findings" else "warning")
    return max(found, key=list(EXIT_STATUS).index, default="")


def _table(section: Section) -> str:
    head = f"{section.title.upper()}\n"
    if section.failure is not None:
        return f"{head}  could not be asked: {section.failure}\n"
    if not section.rows:
        return f"{head}  none\n"
    if section.title == "findings":
        return head + "".join(
            f"  {severity.upper():8}  {subject}: {message}\n            {action}\n"
            for severity, subject, message, action in section.rows
        )
    cells = [[_cell(name, value) for name, value in zip(section.columns, row, strict=True)] for row in section.rows]
    names = [name.removesuffix("_bytes").replace("_", " ") for name in section.columns]
    widths = [max(len(line[place]) for line in [names, *cells]) for place in range(len(names))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in [names, *cells]]
    return head + "".join(f"  {line.rstrip()}\n" for line in lines)


def _cell(name: str, value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int() if name.endswith("_bytes") or "bytes_per_day" in name:
            return _size(value)
        case float():
            return f"{value:,.2f}"
        case int():
            return f"{value:,}"
        case datetime():
            return f"{value:%F %H:%M}"
        case timedelta():
            return str(timedelta(seconds=round(value.total_seconds())))
    return str(value)


def _size(size_bytes: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size_bytes) < 1000:
            return f"{size_bytes:.3g} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:,.1f} TB"


def _plain(value: Any) -> Any:
    """A value as JSON has it: instants in RFC 3339, intervals in seconds."""
    if isinstance(value, datetime):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else value
