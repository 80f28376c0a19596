"""A report for DBAs: findings first, then the figures behind them. All checks are in SQL."""

import argparse
import itertools
import json
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import TupleRow

from app.config import Settings
from app.db.disk import free_bytes
from app.db.queries import query
from app.errors import ConfigurationError, DatabaseUnavailable
from app.ingest.rows import clock_behind_us, microseconds, now_us
from app.words import duration, rfc3339

Connection = psycopg.Connection[TupleRow]

MAX_CHUNKS_SHOWN = 40
"""Chunks shown by `doctor`, with `--json` too."""
MAX_DEVICES_SHOWN = 20
"""Silent devices shown by `doctor`, with `--json` too."""
MAX_OF_A_SORT_SHOWN = 5
"""Findings of one sort shown by `doctor`; `--json` has all of them."""
QUESTION_TIMEOUT_S = 60
"""Time for each query of `doctor`."""
# Exit status by the worst finding; 1 and 2 are those of every command.
EXIT_STATUS = {"note": 0, "warning": 3, "critical": 4}


# Sections and columns about chunks and the columnstore.
_OF_CHUNKS = frozenset(
    {"columnstore", "newest chunks", "chunk", "chunks", "chunks_compressed", "compression_ratio", "columnstore_after"}
)


class Finding(NamedTuple):
    """What is not normal, and what to do about it."""

    severity: str
    subject: str
    message: str
    action: str


@dataclass(frozen=True, slots=True)
class Section:
    """The result of one query: columns and rows, or why it failed."""

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
    """Arguments of the command `doctor`."""
    parser.add_argument("--json", action="store_true", help="print one JSON document, with raw values")
    parser.add_argument(
        "--silent-for",
        default="1 hour",
        metavar="INTERVAL",
        help="list devices silent for longer than this, such as '90 minutes' (default: %(default)s)",
    )


def run(url: str, options: argparse.Namespace, max_clock_skew_s: float = Settings().max_clock_skew_s) -> int:
    """Print findings and figures; returns 0 without findings or with notes only, 3 for warnings, 4 for worse.

    Clocks of this machine and of the database that differ by more than `max_clock_skew_s` are a finding.

    Raises :class:`DatabaseUnavailable`, also where the database is lost meanwhile, and :class:`ConfigurationError`
    where `--silent-for` is no length of time.
    """
    try:
        with psycopg.connect(url, autocommit=True, application_name="energy-doctor") as connection:
            sections = _examine(connection, options.silent_for)
            sections[0] = _with_clock(sections[0], _clock_behind_s(connection), max_clock_skew_s)
            [(has_chunks,)] = connection.execute(query("has_chunks")).fetchall()
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"the database does not answer: {str(error).strip().splitlines()[0]}") from None
    worst = _worst(sections)
    if options.json:
        document = {"severity": worst or "none", **{section.title: section.as_json() for section in sections}}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        sys.stdout.write(_report(sections, has_chunks=has_chunks))
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


def _clock_behind_s(connection: Connection) -> float:
    asked_us = now_us()
    [(clock,)] = connection.execute(query("clock")).fetchall()
    return clock_behind_us(asked_us, microseconds(clock), now_us()) / 1_000_000


def _with_clock(findings: Section, behind_s: float, max_clock_skew_s: float) -> Section:
    """The findings, with one first where the clocks differ: what a service on this machine answers 503 for."""
    if abs(behind_s) <= max_clock_skew_s or findings.failure is not None:
        return findings
    where = "behind" if behind_s > 0 else "ahead of"
    clock = Finding(
        "critical",
        "clock",
        f"that of this machine is {duration(timedelta(seconds=abs(behind_s)))} {where} the database's: a service here "
        "answers 503 (clocks_differ)",
        "Set both clocks by NTP, such as chrony or systemd-timesyncd.",
    )
    return replace(findings, rows=[clock, *findings.rows])


def _check_interval(connection: Connection, silent_for: str) -> None:
    try:
        [(is_negative,)] = connection.execute("SELECT %s::interval < '0'", [silent_for]).fetchall()
    except psycopg.DataError:
        is_negative = True
    # A number without a unit would be seconds.
    if is_negative or silent_for.replace(".", "", 1).strip().isdecimal():
        raise ConfigurationError(f"--silent-for wants a length of time, such as '90 minutes', and got {silent_for!r}")


def _ask(connection: Connection, title: str, statement: bytes, parameters: Mapping[str, Any]) -> Section:
    try:
        cursor = connection.execute(statement, parameters)
        rows = cursor.fetchall()
    except psycopg.Error as error:
        if connection.broken:
            raise
        # A query that fails, perhaps for lack of a right, does not stop the others.
        return Section(title, (), (), error.diag.message_primary or str(error))
    return Section(title, [column.name for column in cursor.description or ()], rows)


def _free_bytes(connection: Connection) -> int | None:
    """Free bytes of the disk, where the server runs on this machine and shows its data directory; else None."""
    [(directory,)] = connection.execute(query("data_directory")).fetchall()
    return free_bytes(connection.info.host, directory)


def _worst(sections: Sequence[Section]) -> str:
    found = {Finding(*row).severity for section in sections if section.title == "findings" for row in section.rows}
    for section in sections:
        if section.failure is not None:
            # Without the findings, the worst is unknown.
            found.add("critical" if section.title == "findings" else "warning")
    return max(found, key=list(EXIT_STATUS).index, default="")


def _report(sections: Sequence[Section], *, has_chunks: bool) -> str:
    """The sections as tables; without chunks, sections and columns about them are left out."""
    shown = [section for section in sections if has_chunks or section.title not in _OF_CHUNKS]
    return "\n".join(_shown(section, () if has_chunks else _OF_CHUNKS) for section in shown)


def _shown(section: Section, columns_left_out: Collection[str]) -> str:
    head = f"{section.title.upper()}\n"
    if section.failure is not None:
        return f"{head}  could not be asked: {section.failure}\n"
    if not section.rows:
        return f"{head}  none\n"
    if section.title == "findings":
        return head + "".join(_shown_findings(section.rows))
    return head + _table(section, columns_left_out)


def _shown_findings(rows: Sequence[TupleRow]) -> Iterator[str]:
    """Findings of one sort together: of equal severity, with one action except for its numbers and names."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in (Finding(*row) for row in rows):
        sort = finding.severity, re.sub(r"'[^']*'|\d+", "?", finding.action)
        groups.setdefault(sort, []).append(finding)
    for (severity, _), findings in groups.items():
        subjects: dict[str, list[str]] = {}
        for finding in findings:
            subjects.setdefault(finding.message, []).append(finding.subject)
        found = _first_few(f"{', '.join(named)}: {message}" for message, named in subjects.items())
        actions = _first_few(dict.fromkeys(finding.action for finding in findings))
        lines = [*found, *(f"-> {action}" for action in actions)]
        yield f"  {severity.upper():8}  " + "\n            ".join(lines) + "\n"


def _first_few(texts: Iterable[str]) -> list[str]:
    listed = list(texts)
    more = len(listed) - MAX_OF_A_SORT_SHOWN
    return listed if more <= 0 else [*itertools.islice(listed, MAX_OF_A_SORT_SHOWN), f"... and {more} more"]


def _table(section: Section, columns_left_out: Collection[str]) -> str:
    """Aligned columns; those without a value in any row are left out."""
    columns = []
    for name, values in zip(section.columns, zip(*section.rows, strict=True), strict=True):
        if name not in columns_left_out and any(value is not None for value in values):
            head = name.replace("_bytes", "").replace("_", " ")
            columns.append([head, *(_cell(name, value) for value in values)])
    widths = [max(map(len, column)) for column in columns]
    lines = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in zip(*columns, strict=True))
    return "".join(f"  {line}\n" for line in lines)


def _cell(name: str, value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int() if "_bytes" in name:
            return size(value)
        case float():
            return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"
        case int():
            return f"{value:,}"
        case datetime():
            return f"{value:%F %H:%M}"
        case timedelta():
            return duration(value) if value >= timedelta(0) else "no"
    return str(value)


def size(size_bytes: float) -> str:
    """Bytes as a person writes them: `1.2 GB`."""
    units = ["TB", "GB", "MB", "kB", "B"]
    while abs(size_bytes) >= 1000 and len(units) > 1:
        size_bytes /= 1000
        units.pop()
    decimals = 1 if abs(size_bytes) < 100 and units[-1] != "B" else 0
    return f"{size_bytes:,.{decimals}f} {units[-1]}"


def _plain(value: Any) -> Any:
    """A value as JSON has it: instants in RFC 3339, intervals in seconds."""
    if isinstance(value, datetime):
        return rfc3339(value)
    return value.total_seconds() if isinstance(value, timedelta) else value
