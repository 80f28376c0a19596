"""Readings of a file sorted by day (UTC), on disk: turns a file of months in any order into days.

Chunks consist of days, and rollups are completed by day; a reading stamped at midnight belongs to the day that ends. A
reading is stored as its row for COPY, so that a line is decoded once.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from app.ingest.decode import Batch
from app.ingest.rows import instant

MAX_READINGS_HELD = 50_000
"""Readings that `import --by-day` holds in memory before it writes them to disk, all days together."""
_DAY_US = 24 * 3600 * 1_000_000
_LENGTH_BYTES = 4


class _Kept(NamedTuple):
    """A reading: the number of its line, its kind, and its row without the index."""

    number: int
    is_meter: bool
    device_id: str
    recorded_us: int
    row: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Kept).decode


class DaySpool:
    """Takes readings in any order and yields them day by day; its files are deleted when the block ends."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="energy-import-")
        self._held: dict[datetime, list[_Kept]] = {}
        self._readings_held = 0
        # Readings by day.
        self.counts: Counter[datetime] = Counter()

    def __enter__(self) -> "DaySpool":
        return self

    def __exit__(self, *_: object) -> None:
        self._directory.cleanup()

    def add(self, batch: Batch, numbers: Sequence[int]) -> None:
        """Add the readings of a batch to their days; `numbers` are their line numbers, by index."""
        for rows in (batch.meters, batch.vehicles):
            for device_id, recorded_us, place, row in rows:
                day = instant((recorded_us - 1) // _DAY_US * _DAY_US)
                kept = _Kept(numbers[place], rows is batch.meters, device_id, recorded_us, row)
                self._held.setdefault(day, []).append(kept)
                self.counts[day] += 1
        self._readings_held += len(batch)
        if self._readings_held >= MAX_READINGS_HELD:
            self._write()

    def days(self) -> list[datetime]:
        """The midnights that the days begin with, in order."""
        return sorted(self.counts)

    def batches(self, day: datetime, size: int) -> Iterator[tuple[Batch, list[int]]]:
        """The readings of a day in batches, each with its line numbers, by index."""
        batch = Batch()
        numbers: list[int] = []
        for kept in self._readings(day):
            rows = batch.meters if kept.is_meter else batch.vehicles
            rows.append((kept.device_id, kept.recorded_us, len(numbers), kept.row))
            numbers.append(kept.number)
            if len(numbers) == size:
                yield batch, numbers
                batch, numbers = Batch(), []
        if numbers:
            yield batch, numbers

    def _readings(self, day: datetime) -> Iterator[_Kept]:
        path = self._path(day)
        if path.exists():
            with path.open("rb") as file:
                while length := file.read(_LENGTH_BYTES):
                    yield _decode(file.read(int.from_bytes(length)))
        yield from self._held.get(day, ())

    def _write(self) -> None:
        # Opened one after another: there may be more days than a process may have files.
        for day, readings in self._held.items():
            with self._path(day).open("ab") as file:
                for kept in readings:
                    encoded = _encode(kept)
                    file.write(len(encoded).to_bytes(_LENGTH_BYTES) + encoded)
        self._held.clear()
        self._readings_held = 0

    def _path(self, day: datetime) -> Path:
        return Path(self._directory.name) / day.date().isoformat()
