"""Lines of a file sorted by the day (UTC) of their readings, on disk: a file of months in whatever order becomes days.

Days are what chunks are made of, and what rollups are completed by. A line that says no time, or one at the ends of the
calendar, is of no day, and is there to be refused.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec

from app.tools.import_file import Line, timestamp_of

MAX_LINES_HELD = 50_000
"""Lines that `import --by-day` holds in memory before it writes them to disk, all days together."""
_LENGTH_BYTES = 4

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, dict[str, Any] | bytes, str | None]).decode


class DaySpool:
    """Takes lines in any order and gives them back day by day; its files go when the block ends."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="energy-import-")
        self._held: dict[datetime | None, list[Line]] = {}
        self._lines_held = 0
        # Lines by day.
        self.counts: Counter[datetime] = Counter()

    def __enter__(self) -> "DaySpool":
        return self

    def __exit__(self, *_: object) -> None:
        self._directory.cleanup()

    def add(self, line: Line) -> None:
        """Keep a line for its day."""
        day = _day(line)
        self._held.setdefault(day, []).append(line)
        if day is not None:
            self.counts[day] += 1
        self._lines_held += 1
        if self._lines_held >= MAX_LINES_HELD:
            self._write()

    def days(self) -> list[datetime]:
        """The midnights that the days begin with, in order."""
        return sorted(self.counts)

    def lines(self, day: datetime | None) -> Iterator[Line]:
        """The lines of a day, or those of no day, in the order they were added."""
        path = self._path(day)
        if path.exists():
            with path.open("rb") as file:
                while length := file.read(_LENGTH_BYTES):
                    yield Line(*_decode(file.read(int.from_bytes(length))))
        yield from self._held.get(day, ())

    def _write(self) -> None:
        # Opened one after another: there may be more days than a process may have files.
        for day, lines in self._held.items():
            with self._path(day).open("ab") as file:
                for line in lines:
                    encoded = _encode(tuple(line))
                    file.write(len(encoded).to_bytes(_LENGTH_BYTES) + encoded)
        self._held.clear()
        self._lines_held = 0

    def _path(self, day: datetime | None) -> Path:
        return Path(self._directory.name) / ("undated" if day is None else day.date().isoformat())


def _day(line: Line) -> datetime | None:
    """The midnight (UTC) that the day of a line begins with; None where it says no time, or its day has no end."""
    at = timestamp_of(line)
    if at is None:
        return None
    try:
        midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    except OverflowError:
        return None
    return None if midnight.date() == date.max else midnight
