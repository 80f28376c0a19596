"""Loads files: readings or assignments, CSV or lines of JSON, plain or gzip, through the writer that HTTP uses.

A bad line is reported by its number and skipped. Importing a file again changes nothing: its readings are duplicates,
its assignments are there already. A file replayed as if it ended now is shifted by the amount of its first import.
"""

import argparse
import asyncio
import csv
import gzip
import hashlib
import io
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, cast

import msgspec
import psycopg
from tqdm import tqdm

from app import assignments
from app.asgi import horizon
from app.config import Settings
from app.db import Database
from app.errors import ImportFileError, InvalidParameter, ProblemError
from app.ingest import Writer
from app.models import Assignment, DeviceId, Instant, NewAssignment, Overlap, ReadingError
from app.queries import query
from app.readings import Batch, Reader

# Lines written in one transaction, and bad lines listed before they are only counted.
LINES_PER_BATCH = 5000
MAX_BAD_LINES_LISTED = 100
GZIP_MAGIC = b"\x1f\x8b"
DELIMITERS = ",;\t"

Kind = Literal["readings", "assignments"]

# Column names (lower case, without underscores) that mean a field of the wire, in the order they are looked for.
COLUMNS: dict[str, tuple[str, ...]] = {
    "meterId": ("meterid", "meter", "charger", "plug"),
    "kwhConsumedAc": ("kwhconsumedac", "energyackwh", "energykwh"),
    "voltage": ("voltage", "voltagev"),
    "vehicleId": ("vehicleid", "vehicle", "session"),
    "soc": ("soc", "socpct"),
    "kwhDeliveredDc": ("kwhdelivereddc", "energydckwh", "energykwh"),
    "batteryTemp": ("batterytemp", "batterytempc"),
    "timestamp": ("timestamp", "recordedat", "time"),
    "from": ("from", "arrivedat", "startedat", "pluggedinat"),
    "to": ("to", "departedat", "endedat", "pluggedoutat"),
}
FIELDS_OF = {
    "meter": ("meterId", "kwhConsumedAc", "voltage", "timestamp"),
    "vehicle": ("vehicleId", "soc", "kwhDeliveredDc", "batteryTemp", "timestamp"),
    "assignment": ("meterId", "vehicleId", "from", "to"),
}
INSTANTS = ("timestamp", "from", "to")
TEXTS = (*INSTANTS, "meterId", "vehicleId")


class Line(NamedTuple):
    """One line of a file: its number, from 1, and what it says, by the wire's names."""

    number: int
    values: dict[str, Any] | bytes


@dataclass(slots=True)
class Summary:
    """What became of a file's lines."""

    lines: int = 0
    accepted: int = 0
    duplicates: int = 0
    conflicts: int = 0
    bad: int = 0
    listed: list[str] = field(default_factory=list)
    oldest: datetime | None = None
    newest: datetime | None = None

    def report(self, number: int, what: str) -> None:
        """Note a bad line; only the first ones are listed."""
        if len(self.listed) < MAX_BAD_LINES_LISTED:
            self.listed.append(f"line {number}: {what}")

    def saw(self, instant: datetime) -> None:
        """Widen the range of time that the file covers."""
        self.oldest = min(self.oldest or instant, instant)
        self.newest = max(self.newest or instant, instant)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line's `import` takes."""
    parser.add_argument("file", type=Path, help="CSV with a header, or lines of JSON; plain or gzip")
    parser.add_argument("--meter", help="id of the meter, where the file does not name one")
    parser.add_argument("--vehicle", help="id of the vehicle, where the file does not name one")
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="FIELD=COLUMN",
        help=f"which column of a CSV is which field; fields: {', '.join(COLUMNS)}",
    )
    parser.add_argument(
        "--end-at", help="shift all timestamps so that the newest becomes this instant (RFC 3339), or `now`"
    )


def run(url: str, settings: Settings, options: argparse.Namespace) -> int:
    """Load a file and print a summary; returns 0, or 1 where no line was of use.

    Raises :class:`ImportFileError` where the file cannot be read, is of no known form or ends in mid-stream; what was
    read before that is kept.
    """
    for name in ("meter", "vehicle"):
        if getattr(options, name) is not None:
            _convert(f"--{name}", getattr(options, name), DeviceId)
    return asyncio.run(_run(url, settings, _Source(options)))


class _Source:
    """A file as lines of the wire's fields, and how far it was read."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.path: Path = options.file
        self.end_at: str | None = options.end_at
        self._constants = {
            name: value for name, value in (("meterId", options.meter), ("vehicleId", options.vehicle)) if value
        }
        self._columns = dict(_assigned_column(text) for text in options.column)
        self.shift = timedelta(0)
        self.position = 0
        self.is_json = False
        self.kind: Kind = "readings"
        with self._open() as stream:
            self._recognise(stream)

    @contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        try:
            with self.path.open("rb") as raw:
                is_gzip = raw.read(2) == GZIP_MAGIC
                raw.seek(0)
                self._raw = raw
                yield cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if is_gzip else raw
        except (EOFError, gzip.BadGzipFile) as error:
            raise ImportFileError(f"{self.path} is damaged: {error}; what came before was kept") from None
        except OSError as error:
            raise ImportFileError(f"{self.path} cannot be read: {error.strerror or error}") from None

    def _recognise(self, stream: IO[bytes]) -> None:
        head = b""
        while not head.strip():
            head = stream.readline()
            if not head:
                raise ImportFileError(f"{self.path} is empty")
        first = head.lstrip(b"\xef\xbb\xbf \t")[:1]
        if first == b"[":
            raise ImportFileError(f"{self.path} is a JSON array; lines of JSON are read, an object each")
        self.is_json = first == b"{"
        if self.is_json:
            self.kind = "assignments" if b'"from"' in head else "readings"
            return
        header = head.decode("utf-8-sig", "replace").rstrip("\r\n")
        self._delimiter = max(DELIMITERS, key=header.count)
        self._mapping = self._map_columns(next(csv.reader([header], delimiter=self._delimiter)))

    def _map_columns(self, header: Sequence[str]) -> dict[str, str]:
        """Column by field, for the kind of line that the header tells of."""
        for name, column in self._columns.items():
            if column not in header:
                raise ImportFileError(f"{self.path} has no column {column} (for {name}); it has {', '.join(header)}")
        plain = {column.strip().lower().replace("_", ""): column for column in header}
        found: dict[str, str | None] = {
            name: next((plain[alias] for alias in aliases if alias in plain), None) for name, aliases in COLUMNS.items()
        }
        found.update(self._columns)
        if found["from"]:
            self.kind, names = "assignments", FIELDS_OF["assignment"]
        elif "vehicleId" in self._constants or found["soc"] or found["batteryTemp"]:
            names = FIELDS_OF["vehicle"]
        else:
            names = FIELDS_OF["meter"]
        mapping = {name: chosen for name in names if name not in self._constants and (chosen := found[name])}
        for name in names:
            if name not in mapping and name not in self._constants and name != "to":
                option = {"meterId": ", or --meter ID", "vehicleId": ", or --vehicle ID"}.get(name, "")
                raise ImportFileError(
                    f"{self.path} has no column for {name}; it has {', '.join(header)}. "
                    f"Say which: --column {name}=COLUMN{option}"
                )
        return mapping

    def lines(self) -> Iterator[Line]:
        """Every line that is not empty, with the file's own identities added and its timestamps shifted."""
        with self._open() as stream:
            for number, values in self._json_lines(stream) if self.is_json else self._csv_lines(stream):
                self.position = self._raw.tell()
                if self.is_json and not self.shift and not self._constants:
                    yield Line(number, values)
                else:
                    yield Line(number, self._adjusted(values))

    def _json_lines(self, stream: IO[bytes]) -> Iterator[tuple[int, Any]]:
        for number, line in enumerate(stream, 1):
            if line.strip():
                yield number, line.lstrip(b"\xef\xbb\xbf") if number == 1 else line

    def _csv_lines(self, stream: IO[bytes]) -> Iterator[tuple[int, Any]]:
        text = io.TextIOWrapper(stream, "utf-8-sig", errors="replace", newline="")
        rows = csv.DictReader(text, delimiter=self._delimiter)
        while True:
            try:
                row = next(rows)
            except StopIteration:
                break
            except csv.Error as error:
                yield rows.line_num, str(error).encode()
                continue
            yield (
                rows.line_num,
                {
                    name: _number(value) if name not in TEXTS else value
                    for name, column in self._mapping.items()
                    if (value := (row.get(column) or "").strip())
                },
            )
        text.detach()

    def _adjusted(self, values: Any) -> dict[str, Any] | bytes:
        """The line with what the command line adds to it; a line that is no object is left for the reader to refuse."""
        if isinstance(values, bytes):
            try:
                values = msgspec.json.decode(values, type=dict[str, Any])
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return bytes(values)
        adjusted: dict[str, Any] = self._constants | values
        if self.shift:
            for name in INSTANTS:
                instant = _instant(adjusted.get(name))
                if instant is not None:
                    adjusted[name] = instant + self.shift
        return adjusted

    def newest(self) -> datetime:
        """The newest timestamp of the file, unshifted. Raises :class:`ImportFileError` where it bears none."""
        newest: datetime | None = None
        for line in self.lines():
            values = self._adjusted(line.values)
            if isinstance(values, dict):
                instants = [_instant(values.get(name)) for name in INSTANTS]
                newest = max((at for at in (newest, *instants) if at is not None), default=None)
        if newest is None:
            raise ImportFileError(f"{self.path} has no line with a timestamp")
        return newest

    def fingerprint(self) -> str:
        """SHA-256, in hex, over the file and the identities it is imported for."""
        digest = hashlib.sha256(msgspec.json.encode([self._constants, self._columns]))
        with self.path.open("rb") as raw:
            while block := raw.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()


async def _run(url: str, settings: Settings, source: _Source) -> int:
    database = Database(url, settings)
    await database.open()
    writer = Writer(database, settings)
    writer.start()
    try:
        began = time.perf_counter()
        if source.end_at is not None:
            source.shift = await _shift(database, source, source.end_at)
        reader = Reader(settings, await horizon(database))
        summary = Summary()
        with tqdm(total=source.path.stat().st_size, unit="B", unit_scale=True, disable=None, leave=False) as bar:
            try:
                for lines in _batches(source):
                    if source.kind == "readings":
                        await _import_readings(reader, writer, lines, summary)
                    else:
                        await _import_assignments(database, lines, summary)
                    bar.update(source.position - bar.n)
            except ProblemError as error:
                raise ImportFileError(f"stopped after line {summary.lines}: {error}; run it again") from error
            finally:
                _tell(source, summary, time.perf_counter() - began)
        if source.kind == "readings" and summary.oldest and summary.newest:
            await _refresh_rollups(url, summary.oldest, summary.newest)
    finally:
        await writer.close()
        await database.close()
    return 0 if summary.accepted + summary.duplicates else 1


async def _shift(database: Database, source: _Source, end_at_text: str) -> timedelta:
    """What to add to each timestamp; for `now`, what was added when the file was imported first."""
    newest = source.newest()
    if end_at_text != "now":
        end_at: datetime = _convert("--end-at", end_at_text, Instant)
        return end_at - newest
    end_at = datetime.now(UTC).replace(second=0, microsecond=0)
    async with database.writing() as connection:
        cursor = await connection.execute(
            query("remember_import"),
            {"fingerprint": source.fingerprint(), "file_name": source.path.name, "shifted_by": end_at - newest},
        )
        [(shift, is_new)] = await cursor.fetchall()
    if not is_new:
        _say(f"imported before; shifted again by the same amount, so that it ends at {(newest + shift).isoformat()}")
    assert isinstance(shift, timedelta)
    return shift


def _batches(source: _Source) -> Iterator[list[Line]]:
    batch: list[Line] = []
    for line in source.lines():
        batch.append(line)
        if len(batch) == LINES_PER_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


async def _import_readings(reader: Reader, writer: Writer, lines: list[Line], summary: Summary) -> None:
    encoded = [
        line.values.strip() if isinstance(line.values, bytes) else msgspec.json.encode(line.values) for line in lines
    ]
    batch: Batch = reader.decode_lines(b"\n".join(encoded))
    written = await writer.write(batch)
    summary.lines += len(lines)
    summary.duplicates += len(written.duplicates)
    summary.conflicts += len(written.conflicts)
    summary.accepted += len(batch) - len(written.duplicates) - len(written.conflicts)
    summary.bad += len(batch.errors)
    told = "the same device and time with other values was kept before; the first stands"
    conflicts = [ReadingError(index, "conflict", None, told) for index in written.conflicts]
    for error in sorted([*batch.errors, *conflicts], key=lambda error: error.index):
        summary.report(
            lines[error.index].number, f"{error.code}: " + ": ".join(filter(None, (error.field, error.detail)))
        )
    for rows in (batch.meters, batch.vehicles):
        for row in rows:
            summary.saw(row.recorded_at)


async def _import_assignments(database: Database, lines: list[Line], summary: Summary) -> None:
    wanted: list[NewAssignment] = []
    numbers: list[int] = []
    for line in lines:
        try:
            if isinstance(line.values, bytes):
                assignment = msgspec.json.decode(line.values, type=NewAssignment)
            else:
                assignment = msgspec.convert(line.values, NewAssignment)
            assignments.check_ends(assignment.from_, assignment.to)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidParameter) as error:
            summary.bad += 1
            summary.report(line.number, str(error))
        else:
            wanted.append(assignment)
            numbers.append(line.number)
    summary.lines += len(lines)
    for number, asked, outcome in zip(numbers, wanted, await assignments.add_each(database, wanted), strict=True):
        if isinstance(outcome, Assignment):
            summary.accepted += 1
        elif _is_there_already(asked, outcome):
            summary.duplicates += 1
        else:
            summary.conflicts += 1
            summary.report(number, assignments.describe(asked, outcome))


def _is_there_already(asked: NewAssignment, outcome: Overlap) -> bool:
    return any(
        (kept.meterId, kept.vehicleId, kept.from_, kept.to) == (asked.meterId, asked.vehicleId, asked.from_, asked.to)
        for kept in outcome.overlaps
    )


async def _refresh_rollups(url: str, oldest: datetime, newest: datetime) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(query("refresh_rollups"), {"from": oldest, "to": newest + timedelta(microseconds=1)})


def _tell(source: _Source, summary: Summary, elapsed_s: float) -> None:
    for text in summary.listed:
        _say(text)
    unlisted = summary.bad + summary.conflicts - len(summary.listed)
    if unlisted > 0:
        _say(f"... and {unlisted} more lines that were not kept")
    conflicts = "conflicts" if source.kind == "readings" else "overlaps"
    _say(
        f"{source.path.name}: {summary.lines} lines of {source.kind} in {elapsed_s:.1f} s: {summary.accepted} kept, "
        f"{summary.duplicates} there already, {summary.conflicts} {conflicts}, {summary.bad} bad"
    )
    if summary.oldest and summary.newest:
        _say(f"from {summary.oldest.isoformat()} to {summary.newest.isoformat()}")
    if any(": timestamp_too_old" in text for text in summary.listed) and source.end_at is None:
        _say("older than the history is kept; --end-at now replays the file as if it ended now")


def _say(text: str) -> None:
    tqdm.write(text, file=sys.stdout)


def _assigned_column(text: str) -> tuple[str, str]:
    name, _, column = text.partition("=")
    if name not in COLUMNS or not column:
        raise ImportFileError(f"--column {text}: it takes FIELD=COLUMN, and the fields are {', '.join(COLUMNS)}")
    return name, column


def _convert(option: str, text: str, type_: Any) -> Any:
    try:
        return msgspec.convert(text, type_)
    except msgspec.ValidationError as error:
        raise ImportFileError(f"{option} {text}: {error}") from None


def _number(text: str) -> float | str:
    """A number, or the text as it is where it is none, for the reader to refuse."""
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text


def _instant(value: object) -> datetime | None:
    try:
        instant: datetime = msgspec.convert(value, Instant)
    except msgspec.ValidationError:
        return None
    return instant
