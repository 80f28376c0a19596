"""Reads a file to import: CSV with a header or lines of JSON, plain or gzip, as lines with the field names of HTTP.

A line that cannot be read has its fault; the lines after it are still read.
"""

import codecs
import csv
import gzip
import hashlib
import io
import re
import stat
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, cast

import msgspec

from app.errors import ImportFileError, ImportOptionError
from app.tools.dialect import Dialect, Unclear, decimal_of
from app.wire.values import Instant
from app.words import counted, rfc3339

GZIP_MAGIC = b"\x1f\x8b"
UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
DELIMITERS = ",;\t|"
HEAD_BYTES = 64 * 1024
"""Bytes of a file from which `import` detects its format; a CSV header fits within them."""
MAX_LINE_LENGTH = 1024 * 1024
"""Longest line that `import` reads: bytes in lines of JSON, characters in CSV; longer ones are reported and skipped."""
MAX_COLUMNS_NAMED = 20
"""Columns of a CSV file that an error names."""

Kind = Literal["readings", "assignments", "devices"]

# Column names (lower case, without underscores, hyphens and spaces) that mean a field of the wire, in the order they
# are looked for.
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
    "energyReading": ("energyreading",),
    "registerModulusKwh": ("registermoduluskwh",),
    "since": ("since",),
    "ratedPowerKw": ("ratedpowerkw", "powerkw"),
    "batteryCapacityKwh": ("batterycapacitykwh", "capacitykwh"),
    "name": ("name",),
    "site": ("site", "sitename"),
    "group": ("group", "groupname"),
}
# Properties of devices.
DEVICE_FIELDS = ("energyReading", "registerModulusKwh", "ratedPowerKw", "name", "site", "group", "batteryCapacityKwh")
_OF_EITHER = ("energyReading", "registerModulusKwh", "since", "ratedPowerKw", "name")
FIELDS_OF: dict[str, tuple[str, ...]] = {
    "readings of meters": ("meterId", "kwhConsumedAc", "voltage", "timestamp"),
    "readings of vehicles": ("vehicleId", "soc", "kwhDeliveredDc", "batteryTemp", "timestamp"),
    "assignments": ("meterId", "vehicleId", "from", "to"),
    "meters": ("meterId", *_OF_EITHER, "site"),
    "vehicles": ("vehicleId", *_OF_EITHER, "group", "batteryCapacityKwh"),
}
KIND_OF: dict[str, Kind] = {"assignments": "assignments", "meters": "devices", "vehicles": "devices"}
OPTIONAL = ("to", "since", *DEVICE_FIELDS)
# A column of one of these makes a file one of readings.
_OF_READINGS = ("timestamp", "kwhConsumedAc", "kwhDeliveredDc")
OF_VEHICLES = ("soc", "kwhDeliveredDc", "batteryTemp")
OPTION_OF = {"meterId": "--meter", "vehicleId": "--vehicle"}
INSTANTS = ("timestamp", "from", "to")
TEXTS = (*INSTANTS, *OPTION_OF, "energyReading", "since", "name", "site", "group")


class Line(NamedTuple):
    """One line of a file: the number of the line it begins in, from 1, what it says by the wire's names (a line of JSON
    with nothing to add to it stays as it is), and why it cannot be read, where it cannot."""

    number: int
    values: dict[str, Any] | bytes
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class _CsvForm:
    """How a CSV is read: what parts its cells, how many its header has, which of them is which field, and how numbers
    and times are written."""

    delimiter: str
    width: int
    positions: dict[str, int]
    encoding: str
    dialect: Dialect


class ImportFile:
    """A file of a detected format, and how many bytes of it were read up to the last line yielded.

    `meter_id` and `vehicle_id` apply where the file names none; `columns` maps fields to columns of a CSV, and
    `dialect` says how it writes numbers and times. `notices` says how the file is read, and what of it is not. Every
    method raises :class:`ImportFileError` where the file cannot be read, or is truncated.
    """

    def __init__(
        self,
        path: Path,
        *,
        meter_id: str | None = None,
        vehicle_id: str | None = None,
        columns: Mapping[str, str] | None = None,
        dialect: Dialect = Dialect(),  # noqa: B008
    ) -> None:
        self.path = path
        self.bytes_read = 0
        self._constants = {name: value for name, value in (("meterId", meter_id), ("vehicleId", vehicle_id)) if value}
        self._columns = dict(columns or {})
        self._dialect = dialect
        self.notices: list[str] = []
        self._csv: _CsvForm | None = None
        self._check_gzip()
        self.kind: Kind = self._recognise()

    def lines(self, shift: timedelta = timedelta(0)) -> Iterator[Line]:
        """Every line that is not blank, with the file's own identities added and its timestamps shifted."""
        with self._open() as stream:
            for line in self._csv_lines(stream, self._csv) if self._csv else self._json_lines(stream):
                self.bytes_read = self._raw.tell()
                yield _shifted(line, shift) if shift and not line.fault else line

    def newest(self) -> datetime:
        """The newest timestamp of the file, unshifted. Raises :class:`ImportFileError` where it has none."""
        instants = (_instant(_object(line.values).get(name)) for line in self.lines() for name in INSTANTS)
        newest = max((instant for instant in instants if instant is not None), default=None)
        if newest is None:
            raise ImportFileError(f"{self.path} has no line with a timestamp")
        return newest

    def fingerprint(self) -> str:
        """SHA-256, in hex, over the file and the identities it is imported for."""
        options = [] if self._dialect == Dialect() else [repr(self._dialect)]
        digest = hashlib.sha256(msgspec.json.encode([self._constants, self._columns, *options]))
        with self.path.open("rb") as raw:
            while block := raw.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()

    @contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        try:
            # It is read more than once, and a pipe cannot be.
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise ImportFileError(f"{self.path} is not a regular file")
            with self.path.open("rb") as raw:
                self._is_gzip = raw.read(2) == GZIP_MAGIC
                raw.seek(0)
                self._raw = raw
                yield cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if self._is_gzip else raw
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ImportFileError(f"{self.path} is damaged: {error}") from None
        except OSError as error:
            raise ImportFileError(f"{self.path} cannot be read: {error.strerror or error}") from None

    def _check_gzip(self) -> None:
        """Reject a gzip with a wrong checksum before any line is read: its lines may look valid and be wrong. A
        truncated one is sound up to its end, and is read."""
        with self._open() as stream, suppress(EOFError):
            while self._is_gzip and stream.read(1 << 20):
                pass

    def _recognise(self) -> Kind:
        with self._open() as stream:
            head = stream.read(HEAD_BYTES)
            marked = head.startswith(UTF16_MARKS)
            while head and not head.removeprefix(UTF8_MARK).strip():
                head = stream.read(HEAD_BYTES)
        if not head:
            raise ImportFileError(f"{self.path} is empty")
        encoding = self._dialect.encoding or _encoding(head)
        text = head.decode(encoding, errors="replace").removeprefix("\ufeff")
        first = head.removeprefix(UTF8_MARK).lstrip()[:1]
        if "\0" in text or (marked and text.lstrip()[:1] in "[{"):
            raise ImportFileError(f"{self.path} is not text in UTF-8")
        if first == b"[":
            raise ImportFileError(f"{self.path} is a JSON array; lines of JSON are read, an object each")
        if first == b"{":
            return self._recognise_json()
        if encoding == WINDOWS:
            self.notices.append("not text in UTF-8, read as Windows-1252; --encoding names another")
        return self._recognise_csv(text, encoding, is_cut=len(head) == HEAD_BYTES)

    def _recognise_json(self) -> Kind:
        if self._columns:
            raise ImportOptionError(f"--column is for CSV, and {self.path} has lines of JSON")
        if self._dialect != Dialect():
            raise ImportOptionError(
                "--decimal, --timezone, --date-format, --unit and --encoding are for CSV, and "
                f"{self.path} has lines of JSON"
            )
        with self._open() as stream:
            objects = (_object(values) for _, values, _ in _lines_of_json(stream))
            first = next(filter(None, objects), {})
        kind: Kind = "readings"
        if "from" in first:
            kind = "assignments"
        elif "timestamp" not in first and not first.keys().isdisjoint(DEVICE_FIELDS):
            kind = "devices"
        if kind != "assignments" and len(self._constants) > 1:
            raise ImportOptionError("a reading is of a meter or of a vehicle: --meter or --vehicle, not both")
        return kind

    def _recognise_csv(self, text: str, encoding: str, *, is_cut: bool) -> Kind:
        if is_cut and not text.lstrip().count("\n"):
            raise ImportFileError(
                f"{self.path} has a first line longer than {HEAD_BYTES} bytes; a CSV has a header there"
            )
        first = next(line for line in text.splitlines() if line.strip())
        named = _SEPARATOR.fullmatch(first.strip())
        delimiter = named[1] if named else max(DELIMITERS, key=first.count)
        records = _records(io.StringIO(text, newline=""), delimiter)
        header = _header(records)
        if isinstance(header, str):
            raise ImportFileError(f"{self.path} has a header that cannot be read: {header}")
        what, positions = self._map_columns(header)
        dialect = self._dialect
        if dialect.decimal is None:
            numbers = [position for name, position in positions.items() if name not in TEXTS]
            rows = (cells for _, cells in records if not isinstance(cells, str))
            cells_of = (row[at].strip() for row in rows for at in numbers if at < len(row))
            dialect = replace(dialect, decimal=decimal_of(cells_of, delimiter))
        if dialect.decimal == ",":
            self.notices.append("numbers have a decimal comma")
        self._csv = _CsvForm(delimiter, len(header), positions, encoding, dialect)
        return KIND_OF.get(what, "readings")

    def _map_columns(self, header: Sequence[str]) -> tuple[str, dict[str, int]]:
        """The kind of file by its header, and the position of the column of each of its fields."""
        named = ", ".join(" ".join(column.split()) for column in header[:MAX_COLUMNS_NAMED])
        positions: dict[str, int] = {}
        plain = [column.strip().lower().translate(_PLAIN) for column in header]
        for name, aliases in COLUMNS.items():
            if name in self._columns:
                column = self._columns[name]
                if column not in header:
                    raise ImportOptionError(f"{self.path} has no column {column} (for {name}); it has {named}")
                positions[name] = header.index(column)
            elif (alias := next((alias for alias in aliases if alias in plain), None)) is not None:
                positions[name] = plain.index(alias)
        if "from" in positions:
            what = "assignments"
        elif positions.keys().isdisjoint(_OF_READINGS) and not positions.keys().isdisjoint(DEVICE_FIELDS):
            is_of_vehicles = {"vehicleId", "group", "batteryCapacityKwh"} & {*positions, *self._constants}
            what = "vehicles" if is_of_vehicles else "meters"
        elif "vehicleId" in self._constants or "soc" in positions or "batteryTemp" in positions:
            what = "readings of vehicles"
        else:
            what = "readings of meters"
        is_of_both = what.startswith("readings") and positions.keys() >= OPTION_OF.keys()
        if is_of_both and "kwhConsumedAc" in positions and not positions.keys().isdisjoint(OF_VEHICLES):
            raise ImportFileError(
                f"{self.path} has columns of meters and of vehicles: {named}. A CSV has readings of one kind, such as "
                "meterId,kwhConsumedAc,voltage,timestamp; split it, or send lines of JSON"
            )
        for name in FIELDS_OF[what]:
            if name not in positions and name not in self._constants and name not in OPTIONAL:
                option = f", or {OPTION_OF[name]} ID" if name in OPTION_OF else ""
                if is_of_both:
                    option = ", or for assignments --column from=COLUMN"
                raise ImportFileError(
                    f"{self.path} has no column for {name}; it has {named}. Say which: --column {name}=COLUMN{option}"
                )
        for name in self._constants:
            if name not in FIELDS_OF[what]:
                raise ImportOptionError(f"{self.path} has {what}; {OPTION_OF[name]} is not for them")
        used = {name: positions[name] for name in FIELDS_OF[what] if name in positions}
        for name, at in used.items():
            if name.startswith("kwh") and self._dialect.energy_unit is None and _IN_WH.search(header[at]):
                raise ImportOptionError(f"{self.path} has a column {header[at].strip()}; give --unit Wh or --unit kWh")
        unread = [" ".join(column.split()) for at, column in enumerate(header) if at not in used.values()]
        if unread := [column for column in unread if column]:
            self.notices.append(f"columns that are not read: {', '.join(unread[:MAX_COLUMNS_NAMED])}")
        return what, used

    def _json_lines(self, stream: IO[bytes]) -> Iterator[Line]:
        for line in _lines_of_json(stream):
            values = _object(line.values) if self._constants else {}
            names_a_device = self.kind != "assignments" and not values.keys().isdisjoint(OPTION_OF)
            yield line._replace(values=self._constants | values) if values and not names_a_device else line

    def _csv_lines(self, stream: IO[bytes], form: _CsvForm) -> Iterator[Line]:
        with io.TextIOWrapper(stream, form.encoding, errors="replace", newline="") as text:
            records = _records(text, form.delimiter)
            _header(records)
            for number, cells in records:
                if isinstance(cells, str):
                    yield Line(number, {}, cells)
                elif any(cell.strip() for cell in cells[form.width :]):
                    # Most likely a decimal comma or an unquoted delimiter, and then all cells are misplaced.
                    yield Line(number, {}, f"{len(cells)} values in {form.width} columns")
                else:
                    try:
                        yield Line(number, self._constants | _named(cells, form))
                    except Unclear as fault:
                        yield Line(number, {}, str(fault))


_PLAIN = str.maketrans("", "", "_- ")
WINDOWS = "cp1252"
# The first line by which spreadsheets know the delimiter.
_SEPARATOR = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_IN_WH = re.compile(r"(?<![A-Za-z])Wh(?![A-Za-z])")


def _encoding(head: bytes) -> str:
    """What the mark of a file says, else UTF-8, or Windows-1252 where its beginning is none: the end may be cut."""
    if head.startswith(UTF16_MARKS):
        return "utf-16"
    if head.startswith(UTF8_MARK):
        return "utf-8-sig"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return WINDOWS
    return "utf-8-sig"


def _header(records: Iterator[tuple[int, list[str] | str]]) -> list[str] | str:
    """The next record, or the one after it where it only names the delimiter; empty where there is none."""
    _, cells = next(records, (1, []))
    names_delimiter = not isinstance(cells, str) and cells and cells[0].strip().lower() == "sep="
    return next(records, (1, []))[1] if names_delimiter and not any(cells[1:]) else cells


def _named(cells: Sequence[str], form: _CsvForm) -> dict[str, Any]:
    """The filled cells, by field name. Raises :class:`Unclear`."""
    return {
        name: _cell(name, text, form.dialect)
        for name, position in form.positions.items()
        if position < len(cells) and (text := cells[position].strip())
    }


def _cell(name: str, text: str, dialect: Dialect) -> float | str | datetime:
    if name in INSTANTS or name == "since":
        return dialect.instant(name, text)
    return text if name in TEXTS else dialect.number(name, text)


def _lines_of_json(stream: IO[bytes]) -> Iterator[Line]:
    number = 0
    while line := stream.readline(MAX_LINE_LENGTH + 1):
        number += 1
        if len(line) > MAX_LINE_LENGTH:
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_LINE_LENGTH)
            yield Line(number, b"", _TOO_LONG)
        elif line := (line.removeprefix(UTF8_MARK) if number == 1 else line).strip():
            yield Line(number, line)


_TOO_LONG = f"the line is longer than {MAX_LINE_LENGTH}"


class _TextLines:
    """Lines of a text; those read since a mark can be read again."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text
        self._taken: list[str] = []
        self._again: deque[str] = deque()
        self.number = 0

    def __iter__(self) -> "_TextLines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._read()
        if not line:
            raise StopIteration
        self._taken.append(line)
        self.number += 1
        if len(line) > MAX_LINE_LENGTH:
            raise csv.Error(_TOO_LONG)
        return line

    def mark(self) -> int:
        """Begin a record; returns the number of its first line."""
        self._taken.clear()
        return self.number + 1

    def give_back(self) -> None:
        """Let the lines after the record's first be read again."""
        later = self._taken[1:]
        self._again.extendleft(reversed(later))
        self.number -= len(later)

    def _read(self) -> str:
        line = self._text.readline(MAX_LINE_LENGTH + 1)
        rest = line if len(line) > MAX_LINE_LENGTH else ""
        while rest and not rest.endswith(("\n", "\r")):
            rest = self._text.readline(MAX_LINE_LENGTH)
        return line


def _records(text: IO[str], delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Records of a CSV that are not blank, each with the number of the line it begins in; in place of one that cannot
    be read, the fault.

    An unclosed quote would swallow the lines after it: they are read again, each for itself.
    """
    lines = _TextLines(text)
    reader = csv.reader(cast(Iterable[str], lines), delimiter=delimiter, strict=True)
    while True:
        number = lines.mark()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines.give_back()
            yield number, str(error)
        else:
            if any(cell.strip() for cell in cells):
                yield number, cells


def day_of_line(line: Line) -> datetime | None:
    """The midnight (UTC) before a reading, which its day begins with; None where the line has no such day."""
    at = None if line.fault else _instant(_object(line.values).get("timestamp"))
    try:
        before = None if at is None else at.astimezone(UTC) - datetime.resolution
        return before and before.replace(hour=0, minute=0, second=0, microsecond=0)
    except OverflowError:
        return None


def _shifted(line: Line, shift: timedelta) -> Line:
    values = _object(line.values)
    for name in INSTANTS:
        instant = _instant(values.get(name))
        if instant is not None:
            try:
                values[name] = (instant + shift).astimezone(UTC)
            except OverflowError:
                return Line(
                    line.number, {}, f"{name} {rfc3339(instant)} cannot be shifted by {counted(shift.days, 'day')}"
                )
    return line._replace(values=values) if values else line


def _object(values: dict[str, Any] | bytes) -> dict[str, Any]:
    """A line's values; empty where it is no JSON object, which the decoder rejects."""
    if isinstance(values, dict):
        return values
    try:
        return msgspec.json.decode(values, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _instant(value: object) -> datetime | None:
    try:
        instant: datetime = msgspec.convert(value, Instant)
    except msgspec.ValidationError:
        return None
    return instant
