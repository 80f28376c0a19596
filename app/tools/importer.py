"""Loads files of readings, assignments or devices, by the same code as HTTP.

Bad lines are reported by number and skipped. Imports are idempotent: in a repeat, readings are duplicates,
and assignments and devices exist already. A file replayed as if it ended now is shifted by the amount of its
first import.
"""

import argparse
import asyncio
import codecs
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import psycopg
from tqdm import tqdm

from app.config import Settings
from app.db.pool import Database, call
from app.db.queries import query
from app.errors import (
    DatabaseLost,
    DatabaseUnavailable,
    ImportFileError,
    ImportOptionError,
    InvalidParameter,
    ProblemError,
)
from app.ingest.decode import UNKNOWN_HORIZON, Batch, ReadingDecoder, conflict
from app.ingest.rows import instant
from app.ingest.writer import Writer, horizon
from app.registry import assignments, devices
from app.tools.day_spool import DaySpool
from app.tools.dialect import Decimal, Dialect
from app.tools.import_file import COLUMNS, ImportFile, Line, day_of_line
from app.wire.allowed import convert, decode
from app.wire.assignments import Assignment, NewAssignment
from app.wire.devices import MeterChange, VehicleChange
from app.wire.values import DeviceId, Instant
from app.words import counted, rfc3339

LINES_PER_BATCH = 5000
"""Lines per transaction of `import`, at most `ENERGY_MAX_READINGS_PER_REQUEST`."""
MAX_BAD_LINES_LISTED = 100
"""Rejected lines listed by `import`; all are counted."""
LINES_SHOWN = 10
"""Lines that `import --dry-run` shows."""

EndAt = datetime | Literal["now"] | None


@dataclass(slots=True)
class Summary:
    """Counts of a file's lines by outcome."""

    lines: int = 0
    last_line: int = 0
    accepted: int = 0
    duplicates: int = 0
    conflicts: int = 0
    bad: int = 0
    too_old: int = 0
    loaded_before: int = 0
    days_to_repeat: int = 0
    listed: list[str] = field(default_factory=list)
    oldest: datetime | None = None
    newest: datetime | None = None

    def report(self, number: int, what: str) -> None:
        """Note a rejected line; only the first ones are listed."""
        if len(self.listed) < MAX_BAD_LINES_LISTED:
            self.listed.append(f"line {number}: {what}")

    def report_all(self, rejected: Mapping[int, str]) -> None:
        """Note rejected lines, in their order."""
        for number in sorted(rejected):
            self.report(number, rejected[number])

    def count_bad(self, bad: Mapping[int, "_Bad"]) -> None:
        """Count lines that are bad."""
        self.bad += len(bad)
        self.too_old += sum(error.code == "timestamp_too_old" for error in bad.values())

    def saw(self, instant: datetime) -> None:
        """Widen the range of time that the file covers."""
        self.oldest = min(self.oldest or instant, instant)
        self.newest = max(self.newest or instant, instant)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command `import`."""
    parser.add_argument("file", type=Path, help="CSV with a header, or JSON lines; plain or gzip")
    parser.add_argument("--meter", metavar="ID", help="the meter, where the file does not name one")
    parser.add_argument("--vehicle", metavar="ID", help="the vehicle, where the file does not name one")
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="FIELD=COLUMN",
        help="which column of a CSV holds a field, such as meterId=plug; may be given several times. "
        f"Fields: {', '.join(COLUMNS)}",
    )
    parser.add_argument(
        "--by-day",
        action="store_true",
        help="for months of readings: sort by day, then complete and compress day by day; can be stopped and repeated",
    )
    parser.add_argument("--decimal", choices=("comma", "point"), help="the decimal mark of a CSV, where it is unclear")
    parser.add_argument("--unit", choices=("kWh", "Wh"), help="the unit of energies of a CSV; default: kWh")
    parser.add_argument("--timezone", metavar="ZONE", help="of a CSV's times without one, such as Europe/Berlin")
    parser.add_argument(
        "--date-format",
        metavar="FORMAT",
        help="of a CSV's times, as of Python's strptime, such as '%%d/%%m/%%Y %%H:%%M'",
    )
    parser.add_argument("--encoding", help="of a CSV; default: UTF-8, UTF-16 with its mark, else Windows-1252")
    parser.add_argument("--dry-run", action="store_true", help="show the first lines as they would be read, and stop")
    parser.add_argument(
        "--end-at",
        metavar="TIME",
        help="shift all timestamps so that the newest becomes this time, such as 2026-01-31T12:00:00Z, or now",
    )


def run(url: str, settings: Settings, options: argparse.Namespace) -> int:
    """Load a file and print a summary; returns 0, or 1 where no line was loaded, now or before.

    Raises :class:`ImportFileError` where the file cannot be read, has an unknown format or is truncated,
    :class:`ImportOptionError` where an option is wrong, and :class:`DatabaseUnavailable`; lines read before that are
    stored.
    """
    for name in ("meter", "vehicle"):
        if getattr(options, name) is not None:
            _convert(f"--{name}", getattr(options, name), DeviceId)
    end_at: EndAt = options.end_at
    if options.end_at not in (None, "now"):
        end_at = _convert("--end-at", options.end_at, Instant)
    columns = dict(_assigned_column(text) for text in options.column)
    file = ImportFile(
        options.file, meter_id=options.meter, vehicle_id=options.vehicle, columns=columns, dialect=_dialect(options)
    )
    if options.by_day and file.kind != "readings":
        raise ImportOptionError(f"--by-day is for readings, and {file.path} has {file.kind}")
    if options.dry_run:
        _show_first(file, settings)
        return 0
    summary = asyncio.run(_run(url, settings, file, end_at, by_day=options.by_day, prints_summary=True))
    return 0 if summary.accepted + summary.duplicates + summary.loaded_before else 1


def _dialect(options: argparse.Namespace) -> Dialect:
    """Raises :class:`ImportOptionError` where an option names nothing that is known."""
    try:
        time_zone = ZoneInfo(options.timezone) if options.timezone else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ImportOptionError(
            f"--timezone must be a name of the IANA time zone database, such as Europe/Berlin, not {options.timezone}"
        ) from None
    try:
        encoding = codecs.lookup(options.encoding).name if options.encoding else None
        b" ".decode(encoding or "utf-8")  # Some codecs are of no text.
    except (LookupError, UnicodeError):
        raise ImportOptionError(f"--encoding must be known, such as cp1250, not {options.encoding}") from None
    decimal: Decimal | None = {"comma": ",", "point": ".", None: None}[options.decimal]
    encoding = "utf-8-sig" if encoding == "utf-8" else encoding
    return Dialect(decimal, time_zone, options.date_format, options.unit, encoding)


def _show_first(file: ImportFile, settings: Settings) -> None:
    """Print the first lines by the names of HTTP, or what is wrong with them."""
    for notice in file.notices:
        _say(notice)
    lines = list(islice(file.lines(), LINES_SHOWN))
    bad = {line.number: line.fault for line in lines if line.fault}
    if file.kind == "readings":
        bad = {
            number: str(why) for number, why in _decode(ReadingDecoder(settings, UNKNOWN_HORIZON), lines).bad.items()
        }
    for line in lines:
        values = line.values if isinstance(line.values, bytes) else msgspec.json.encode(line.values)
        _say(f"line {line.number}: {bad.get(line.number) or values.decode(errors='replace')}")
    _say(f"{file.path.name}: the first {counted(len(lines), 'line')} of {file.kind}; nothing was loaded")


def load(url: str, settings: Settings, path: Path) -> int:
    """Load a file of readings by day, without output; returns how many were stored. Raises what :func:`run` raises."""
    return asyncio.run(_run(url, settings, ImportFile(path), None, by_day=True, prints_summary=False)).accepted


async def _run(
    url: str, settings: Settings, file: ImportFile, end_at: EndAt, *, by_day: bool, prints_summary: bool
) -> Summary:
    summary = Summary()
    damage: ImportFileError | None = None
    database = Database(url, settings)
    await database.open()
    try:
        with _database_errors(summary):
            shift = await _shift(database, file, end_at)
            began = time.perf_counter()
            try:
                if by_day:
                    await _load_by_day(url, database, settings, file, shift, summary)
                else:
                    await _load(database, settings, file, shift, summary)
            except ImportFileError as error:
                damage = error
            finally:
                if prints_summary:
                    _print_summary(file, summary, time.perf_counter() - began, is_shifted=bool(shift))
            if summary.oldest and summary.newest and not by_day:
                ends = {"from": summary.oldest - timedelta(microseconds=1), "to": summary.newest}
                await call(url, settings, "complete_rollups", ends)
    finally:
        await database.close()
    if damage is not None:
        loaded = f"up to line {summary.last_line} was loaded" if summary.lines else "nothing was loaded"
        raise ImportFileError(f"{damage}; {loaded}")
    if not summary.lines:
        raise ImportFileError(f"{file.path} has a header and nothing under it")
    return summary


@contextmanager
def _database_errors(summary: Summary) -> Iterator[None]:
    """Turns errors of the database into messages for the command line."""
    try:
        yield
    except (DatabaseLost, psycopg.OperationalError):
        raise DatabaseUnavailable(
            f"the database was lost after line {summary.last_line}; run it again: what is there already is left alone"
        ) from None
    except ProblemError as error:
        raise ImportFileError(f"stopped after line {summary.last_line}: {error}") from None
    except psycopg.Error as error:
        what = error.diag.message_primary or str(error)
        raise ImportFileError(f"stopped after line {summary.last_line}: the database refuses this: {what}") from None


async def _shift(database: Database, file: ImportFile, end_at: EndAt) -> timedelta:
    """What to add to each timestamp; for `now`, the shift of the file's first import."""
    if end_at is None:
        return timedelta(0)
    newest = file.newest()
    if end_at != "now":
        return end_at - newest
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    wanted = {"fingerprint": file.fingerprint(), "file_name": file.path.name, "shifted_by": now - newest}
    rows: list[Any] = []
    while not rows:
        # No row: another import of the file commits at this moment, and the next attempt sees it.
        async with database.assigning() as connection:
            cursor = await connection.execute(query("remember_import"), wanted)
            rows = await cursor.fetchall()
    [(shift, is_new)] = rows
    assert isinstance(shift, timedelta)
    if not is_new:
        _say(f"imported before; shifted again by the same amount, so that it ends at {rfc3339(newest + shift)}")
    return shift


async def _load(database: Database, settings: Settings, file: ImportFile, shift: timedelta, summary: Summary) -> None:
    decoder = ReadingDecoder(settings, await horizon(database))
    writer = Writer(database, settings)
    writer.start()
    size = min(LINES_PER_BATCH, settings.max_readings_per_request)
    try:
        with tqdm(total=file.path.stat().st_size, unit="B", unit_scale=True, disable=None, leave=False) as bar:
            for lines in _batches(file.lines(shift), size):
                if file.kind == "readings":
                    await _load_readings(decoder, writer, lines, summary)
                elif file.kind == "assignments":
                    await _load_assignments(database, file.path.name, lines, summary)
                else:
                    await _load_devices(database, lines, summary)
                summary.lines += len(lines)
                summary.last_line = lines[-1].number
                bar.update(file.bytes_read - bar.n)
    finally:
        await writer.close()


async def _load_by_day(
    url: str, database: Database, settings: Settings, file: ImportFile, shift: timedelta, summary: Summary
) -> None:
    """Load readings a day at a time, oldest first, so that each rollup is computed once and each chunk written once.

    Days that an earlier run completed are skipped. A day with a line rejected for its age is not complete: the next run
    reads it again.
    """
    decoder = ReadingDecoder(settings, await horizon(database))
    writer = Writer(database, settings)
    writer.start()
    size = min(LINES_PER_BATCH, settings.max_readings_per_request)
    fingerprint = f"{file.fingerprint()} {shift.total_seconds():+f}"
    completed = {day for (day,) in await database.fetch_all("days_imported", {"fingerprint": fingerprint})}
    refused_days: set[datetime] = set()
    damage: ImportFileError | None = None
    try:
        with DaySpool() as spool:
            try:
                for lines in _batches(file.lines(shift), size):
                    refused_days |= _sort_by_day(decoder, lines, completed, spool, summary)
            except ImportFileError as error:
                damage = error
            for day in tqdm(spool.days(), unit=" days", disable=None, leave=False):
                if day in completed:
                    summary.loaded_before += spool.counts[day]
                    summary.lines += spool.counts[day]
                    continue
                began = datetime.now(UTC)
                for batch, numbers in spool.batches(day, size):
                    summary.report_all(await _write(writer, batch, numbers, summary))
                    summary.lines += len(batch)
                    summary.last_line = max(numbers)
                await call(url, settings, "complete_load", {"from": day, "to": day + timedelta(days=1)})
                if day not in refused_days:
                    await _remember_day(database, fingerprint, day, spool.counts[day], began)
    finally:
        summary.days_to_repeat = len(refused_days)
        await writer.close()
    if damage is not None:
        raise damage


def _sort_by_day(
    decoder: ReadingDecoder, lines: Sequence[Line], completed: Collection[datetime], spool: DaySpool, summary: Summary
) -> set[datetime]:
    """Decode lines into the spool; returns the days with a reading rejected for its age.

    A bad line of a completed day counts as loaded before: an earlier run has reported it.
    """
    decoded = _decode(decoder, lines)
    day_of = {line.number: day_of_line(line) for line in lines if line.number in decoded.bad}
    before = {number for number, day in day_of.items() if day in completed}
    summary.loaded_before += len(before)
    summary.lines += len(decoded.bad)
    bad = {number: error for number, error in decoded.bad.items() if number not in before}
    summary.count_bad(bad)
    summary.report_all({number: str(error) for number, error in bad.items()})
    spool.add(decoded.batch, decoded.numbers)
    return {day for number, error in bad.items() if error.is_for_age and (day := day_of[number]) is not None}


async def _remember_day(database: Database, fingerprint: str, day: datetime, readings: int, began: datetime) -> None:
    values = {"fingerprint": fingerprint, "day_start": day, "readings": readings, "started_at": began}
    async with database.assigning() as connection:
        await connection.execute(query("remember_day_imported"), values)


def _batches(lines: Iterator[Line], size: int) -> Iterator[list[Line]]:
    """Lines in batches; of a damaged file, the lines before the damage come before the error."""
    batch: list[Line] = []
    try:
        for line in lines:
            batch.append(line)
            if len(batch) == size:
                yield batch
                batch = []
    except ImportFileError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


class _Bad(NamedTuple):
    """Why a line is rejected: the code of the decoder's error, or none, and a sentence."""

    code: str | None
    what: str

    @property
    def is_for_age(self) -> bool:
        """Whether it is rejected only for now: with a longer retention, or later, it is accepted."""
        return self.code in ("timestamp_too_old", "timestamp_in_future")

    def __str__(self) -> str:
        return self.what if self.code is None else f"{self.code}: {self.what}"


class _Decoded(NamedTuple):
    """Lines as readings: their line numbers by index, and the bad lines by number."""

    batch: Batch
    numbers: list[int]
    bad: dict[int, _Bad]


def _decode(decoder: ReadingDecoder, lines: Sequence[Line]) -> _Decoded:
    bad = {line.number: _Bad(None, line.fault) for line in lines if line.fault}
    sound = [line for line in lines if not line.fault]
    numbers = [line.number for line in sound]
    if not sound:
        return _Decoded(Batch(), numbers, bad)
    encoded = [line.values if isinstance(line.values, bytes) else msgspec.json.encode(line.values) for line in sound]
    batch = decoder.decode_lines(b"\n".join(encoded))
    bad |= {numbers[error.index]: _Bad(error.code, error.detail) for error in batch.errors}
    return _Decoded(batch, numbers, bad)


async def _load_readings(decoder: ReadingDecoder, writer: Writer, lines: Sequence[Line], summary: Summary) -> None:
    decoded = _decode(decoder, lines)
    summary.count_bad(decoded.bad)
    rejected = {number: str(error) for number, error in decoded.bad.items()}
    summary.report_all(rejected | await _write(writer, decoded.batch, decoded.numbers, summary))


async def _write(writer: Writer, batch: Batch, numbers: Sequence[int], summary: Summary) -> dict[int, str]:
    """Write readings; returns the conflicts with stored readings, by line number."""
    if not len(batch):
        return {}
    written = await writer.write(batch)
    summary.duplicates += len(written.duplicates)
    summary.conflicts += len(written.conflicts)
    summary.accepted += len(batch) - len(written.duplicates) - len(written.conflicts)
    recorded_us = [at_us for _, at_us, _, _ in (*batch.meters, *batch.vehicles)]
    summary.saw(instant(min(recorded_us)))
    summary.saw(instant(max(recorded_us)))
    return {numbers[index]: str(_Bad("conflict", conflict(index).detail)) for index in written.conflicts}


async def _load_assignments(database: Database, file_name: str, lines: Sequence[Line], summary: Summary) -> None:
    wanted: list[NewAssignment] = []
    numbers: list[int] = []
    rejected: dict[int, str] = {}
    for line in lines:
        try:
            wanted.append(_assignment(line))
            numbers.append(line.number)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidParameter) as error:
            summary.bad += 1
            rejected[line.number] = str(error)
    author = assignments.Author(reason=f"import of {file_name}")
    kept = await assignments.add_each(database, wanted, author)
    for number, asked, outcome in zip(numbers, wanted, kept, strict=True):
        if isinstance(outcome, Assignment):
            summary.accepted += 1
        elif assignments.there_already(asked, outcome):
            summary.duplicates += 1
        else:
            summary.conflicts += 1
            rejected[number] = assignments.describe(asked, outcome)
    summary.report_all(rejected)


async def _load_devices(database: Database, lines: Sequence[Line], summary: Summary) -> None:
    wanted: dict[int, devices.Wanted] = {}
    rejected: dict[int, str] = {}
    for line in lines:
        try:
            wanted[line.number] = _device(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidParameter) as error:
            rejected[line.number] = str(error)
    outcomes = await devices.set_each(database, list(wanted.values()))
    for number, outcome in zip(wanted, outcomes, strict=True):
        if isinstance(outcome, InvalidParameter):
            rejected[number] = outcome.detail
        elif outcome:
            summary.accepted += 1
        else:
            summary.duplicates += 1
    summary.bad += len(rejected)
    summary.report_all(rejected)


def _device(line: Line) -> devices.Wanted:
    """Raises :class:`InvalidParameter`, or what msgspec raises, where a line is none."""
    if line.fault:
        raise InvalidParameter(line.fault)
    values = line.values if isinstance(line.values, dict) else decode(line.values, dict[str, Any], "the line")
    change = dict(values)
    meter_id, vehicle_id = change.pop("meterId", None), change.pop("vehicleId", None)
    if (meter_id is None) == (vehicle_id is None):
        raise InvalidParameter("a device must have either a meterId or a vehicleId, such as M-101")
    if meter_id is not None:
        return devices.Wanted("meter", convert(meter_id, DeviceId, "meterId"), convert(change, MeterChange, "the line"))
    return devices.Wanted(
        "vehicle", convert(vehicle_id, DeviceId, "vehicleId"), convert(change, VehicleChange, "the line")
    )


def _assignment(line: Line) -> NewAssignment:
    """Raises :class:`InvalidParameter`, or what msgspec raises, where a line is none."""
    if line.fault:
        raise InvalidParameter(line.fault)
    if isinstance(line.values, bytes):
        assignment = decode(line.values, NewAssignment, "the line")
    else:
        assignment = convert(line.values, NewAssignment, "the line")
    assignments.check_ends(assignment.from_, assignment.to)
    return assignment


def _print_summary(file: ImportFile, summary: Summary, elapsed_s: float, *, is_shifted: bool) -> None:
    for notice in file.notices:
        _say(notice)
    for text in summary.listed:
        _say(text)
    unlisted = summary.bad + summary.conflicts - len(summary.listed)
    if unlisted > 0:
        _say(f"... and {counted(unlisted, 'more line')} not kept")
    conflict = "overlap" if file.kind == "assignments" else "conflict"
    _say(
        f"{file.path.name}: {counted(summary.lines, 'line')} of {file.kind} in {elapsed_s:.1f} s: "
        f"{summary.accepted:,} kept, {summary.duplicates:,} there already, {counted(summary.conflicts, conflict)}, "
        f"{summary.bad:,} bad"
    )
    if summary.loaded_before:
        _say(f"{counted(summary.loaded_before, 'line')} of days that an earlier run has finished")
    if summary.oldest and summary.newest:
        _say(f"from {rfc3339(summary.oldest)} to {rfc3339(summary.newest)}")
    if summary.too_old and not is_shifted:
        _say("older than the history is kept; --end-at now replays the file as if it ended now")
    if summary.days_to_repeat:
        _say(
            f"{counted(summary.days_to_repeat, 'day')} not finished, because of lines that are older than the history "
            "is kept or in the future; run it again when these are accepted"
        )


def _say(text: str) -> None:
    tqdm.write(text, file=sys.stdout)


def _assigned_column(text: str) -> tuple[str, str]:
    name, _, column = text.partition("=")
    if name not in COLUMNS or not column:
        raise ImportOptionError(f"--column {text}: it takes FIELD=COLUMN, and the fields are {', '.join(COLUMNS)}")
    return name, column


def _convert(option: str, text: str, type_: Any) -> Any:
    try:
        return convert(text, type_, option)
    except InvalidParameter as error:
        raise ImportOptionError(f"{error}, not {text}") from None
