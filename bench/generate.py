"""Seeded readings, written to files before anything is measured: bodies for wrk, and rows for COPY.

A fleet of 10,000 meters and 10,000 vehicles reports once in a *sweep*; the next sweep is stamped a second later, so
that all of a round lies within the minutes that count as fresh. Every device and time occurs once, except where
requests are repeated on purpose. Values come from the simulated fleet of the demo. A batch holds as many meters as
vehicles, neighbours in the fleet, in the shuffled order in which a gateway would hear them.

A file of requests is a sequence of records: the length in bytes as eight digits, a newline, the HTTP request as it
goes over the wire. So that wrk only has to send.
"""

import os
import random
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

from app.local.simulator import Fleet

SEED = 20
DEVICES_OF_A_KIND = 10_000
SWEEP = 2 * DEVICES_OF_A_KIND
SWEEP_S = 1

# Before a round every device has reported once, so long ago: less than makes a reading late, more than what is sent.
KNOWN_AGE = timedelta(minutes=40, seconds=0.5)

_SIMULATED_VEHICLES = 120
_SIMULATED_CHARGERS = 100
_SIMULATED_MINUTES = 90
_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_COPY_TRAILER = struct.pack(">h", -1)
_METER_ROW = struct.Struct(">hi7siqidif")
_VEHICLE_ROW = struct.Struct(">hi7siqifidif")


class Reading(NamedTuple):
    """One reading; `values` are kWh and volts of a meter, percent, kWh and degrees Celsius of a vehicle."""

    device: str
    at: datetime
    values: tuple[float, ...]

    @property
    def is_meter(self) -> bool:
        """Whether a meter reports it."""
        return self.device[0] == "M"


@dataclass(frozen=True)
class Requests:
    """A file of requests, each with so many readings."""

    path: Path
    count: int
    readings_per_request: int


@dataclass(frozen=True)
class CopyFiles:
    """Binary COPY files of batches: rows of meters, and rows of vehicles, each in order of device and time."""

    meters: list[Path]
    vehicles: list[Path]
    readings_per_batch: int


@cache
def _simulated() -> tuple[list[tuple[float, float]], list[tuple[float, float, float]]]:
    """Values of the demo's fleet by minute and device: of meters, and of vehicles."""
    fleet = Fleet(SEED, _SIMULATED_VEHICLES, _SIMULATED_CHARGERS, datetime(2026, 1, 1, 8, tzinfo=UTC))
    meters: list[tuple[float, float]] = []
    vehicles: list[tuple[float, float, float]] = []
    for _ in range(_SIMULATED_MINUTES):
        minute = fleet.step()
        meters += [(r["kwhConsumedAc"], r["voltage"]) for r in minute.meter_readings]
        vehicles += [(r["soc"], r["kwhDeliveredDc"], r["batteryTemp"]) for r in minute.vehicle_readings]
    return meters, vehicles


def sweeps(count: int, first_at: datetime, per_batch: int = 1000) -> Iterator[list[Reading]]:
    """Batches of `per_batch` readings, `count` sweeps of the fleet, the first of them stamped `first_at`.

    `per_batch` divides the 20,000 readings of a sweep. The same arguments give the same readings.
    """
    rng = random.Random(SEED)
    meters, vehicles = _simulated()
    devices = per_batch // 2
    orders = []
    for first in range(0, DEVICES_OF_A_KIND, devices):
        order = [(kind, device) for device in range(first, first + devices) for kind in "MV"]
        rng.shuffle(order)
        orders.append(order)
    for sweep in range(count):
        at = first_at + timedelta(seconds=sweep * SWEEP_S)
        for order in orders:
            yield [
                Reading(f"{kind}-{device:05}", at, _values(meters if kind == "M" else vehicles, device, sweep))
                for kind, device in order
            ]


def _values(pool: Sequence[tuple[float, ...]], device: int, sweep: int) -> tuple[float, ...]:
    return pool[(device * 131 + sweep * 7) % len(pool)]


def late(batches: Iterable[list[Reading]], share: float) -> Iterator[list[Reading]]:
    """The same batches with a share of each moved back by 2 to 25 hours, as devices do that were out of reach."""
    rng = random.Random(SEED)
    for batch in batches:
        moved = set(rng.sample(range(len(batch)), round(len(batch) * share)))
        yield [
            reading._replace(at=reading.at - timedelta(hours=2 + int(reading.device[2:]) % 24))
            if place in moved
            else reading
            for place, reading in enumerate(batch)
        ]


def repeated(batches: Sequence[bytes], distance: int) -> Iterator[bytes]:
    """Every body twice, the second time after `distance` others."""
    for number in range(len(batches) + distance):
        if number < len(batches):
            yield batches[number]
        if number >= distance:
            yield batches[number - distance]


# The forms in which a batch is sent


@cache
def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


@cache
def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000_000


@cache
def _postgres_microseconds(at: datetime) -> int:
    return (at - _POSTGRES_EPOCH) // timedelta(microseconds=1)


def json_object(reading: Reading) -> str:
    """A reading as the service takes it."""
    stamp = _stamp(reading.at)
    if reading.is_meter:
        energy, voltage = reading.values
        return f'{{"meterId":"{reading.device}","kwhConsumedAc":{energy},"voltage":{voltage},"timestamp":"{stamp}"}}'
    soc, energy, temp = reading.values
    return (
        f'{{"vehicleId":"{reading.device}","soc":{soc},"kwhDeliveredDc":{energy},"batteryTemp":{temp},'
        f'"timestamp":"{stamp}"}}'
    )


def json_array(batch: Iterable[Reading]) -> bytes:
    """A batch as a JSON array."""
    return f"[{','.join(map(json_object, batch))}]".encode()


def json_lines(batch: Iterable[Reading]) -> bytes:
    """A batch as lines of JSON."""
    return "\n".join(map(json_object, batch)).encode()


def line_protocol(batch: Iterable[Reading]) -> bytes:
    """A batch in InfluxDB's line protocol, which VictoriaMetrics reads too; nanoseconds."""
    return "\n".join(map(_line, batch)).encode()


def _line(reading: Reading) -> str:
    nanoseconds = _nanoseconds(reading.at)
    if reading.is_meter:
        energy, voltage = reading.values
        return f"meter,meter_id={reading.device} energy_ac_kwh={energy},voltage_v={voltage} {nanoseconds}"
    soc, energy, temp = reading.values
    return (
        f"vehicle,vehicle_id={reading.device} soc_pct={soc},energy_dc_kwh={energy},battery_temp_c={temp} {nanoseconds}"
    )


# Files


def post(path: str, media_type: str, body: bytes) -> bytes:
    """A POST as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def get(path: str) -> bytes:
    """A GET as it goes over the wire."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def write_requests(path: Path, requests: Iterable[bytes], readings_per_request: int = 0) -> Requests:
    """A file of requests for wrk, on disk when this returns: its writing shall not disturb what is measured."""
    count = 0
    with path.open("wb") as file:
        for request in requests:
            file.write(b"%08d\n" % len(request))
            file.write(request)
            count += 1
        file.flush()
        os.fsync(file.fileno())
    return Requests(path, count, readings_per_request)


def write_copy(directory: Path, batches: Iterable[list[Reading]], per_batch: int) -> CopyFiles:
    """Two binary COPY files a batch, in a directory made for them; on disk when this returns."""
    directory.mkdir()
    meters: list[Path] = []
    vehicles: list[Path] = []
    for number, batch in enumerate(batches):
        ordered = sorted(batch)
        meters.append(directory / f"{number:06}.meters")
        vehicles.append(directory / f"{number:06}.vehicles")
        meters[-1].write_bytes(_copy_rows(reading for reading in ordered if reading.is_meter))
        vehicles[-1].write_bytes(_copy_rows(reading for reading in ordered if not reading.is_meter))
    os.sync()
    return CopyFiles(meters, vehicles, per_batch)


def _copy_rows(readings: Iterable[Reading]) -> bytes:
    return b"".join((_COPY_HEADER, *map(_copy_row, readings), _COPY_TRAILER))


def _copy_row(reading: Reading) -> bytes:
    device = reading.device.encode()
    microseconds = _postgres_microseconds(reading.at)
    if reading.is_meter:
        energy, voltage = reading.values
        return _METER_ROW.pack(4, 7, device, 8, microseconds, 8, energy, 4, voltage)
    soc, energy, temp = reading.values
    return _VEHICLE_ROW.pack(5, 7, device, 8, microseconds, 4, soc, 8, energy, 4, temp)


def whole_second(ago: timedelta = timedelta(0)) -> datetime:
    """An instant so long ago, to the second."""
    return (datetime.now(UTC) - ago).replace(microsecond=0)
