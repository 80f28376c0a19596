"""Readings as rows of PostgreSQL's binary COPY, encoded once, where they are decoded.

A row is a plain tuple, since there are hundreds of thousands a second: device id, instant (microseconds since
2000-01-01 UTC, as PostgreSQL counts), place in its request (from 0), and the row as COPY takes it. Tuples compare in
the order in which rows are written: by device, then by time; of two equal keys the one that came first is first.

Layout, all big-endian: the number of fields (16 bits), then each field's length in bytes (32 bits) and its bytes.
Source: PostgreSQL, COPY, "Binary Format".
"""

import re
import struct
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

Row = tuple[str, int, int, bytes]

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_EPOCH_UNIX_US = round(EPOCH.timestamp()) * 1_000_000

# Checking and encoding an id costs more than the rest of its reading.
MAX_IDS_REMEMBERED = 100_000
"""Ids cached per kind of device and worker, checked and encoded; about 200 bytes each."""

_ID = re.compile(r"(?!\.\.?$)[A-Za-z0-9*_=:+|@.-]{1,64}")
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_TRAILER = struct.pack(">h", -1)
_FIELD_COUNT = struct.Struct(">h")
_FIELD_COUNT_AND_ORDINAL = struct.Struct(">hii")

# After the id: recorded_at, energy_ac_kwh, voltage_v, each with its length before it.
_METER = struct.Struct(">iqidif")
# After the id: recorded_at, soc_pct, energy_dc_kwh, battery_temp_c.
_VEHICLE = struct.Struct(">iqifidif")
_METER_FIELDS = 4
_VEHICLE_FIELDS = 5

pack_meter = _METER.pack
pack_vehicle = _VEHICLE.pack


class _Beginnings(dict[str, bytes]):
    """The beginning of a row by its device's id: the number of fields, and the id. Raises :class:`KeyError` where no
    device can have such an id."""

    def __init__(self, fields: int) -> None:
        self._fields = fields

    def __missing__(self, device_id: str) -> bytes:
        if not isinstance(device_id, str) or not _ID.fullmatch(device_id):
            raise KeyError(device_id)
        if len(self) >= MAX_IDS_REMEMBERED:
            self.clear()
        encoded = device_id.encode()
        beginning = self[device_id] = struct.pack(">hi", self._fields, len(encoded)) + encoded
        return beginning


meter_beginnings = _Beginnings(_METER_FIELDS)
vehicle_beginnings = _Beginnings(_VEHICLE_FIELDS)


def microseconds(instant: datetime) -> int:
    """An instant as PostgreSQL counts it: microseconds since 2000-01-01 UTC."""
    return (instant - EPOCH) // MICROSECOND


def now_us() -> int:
    """The present, as PostgreSQL counts it."""
    return time.time_ns() // 1000 - _EPOCH_UNIX_US


def clock_behind_us(asked_us: int, clock_us: int, answered_us: int) -> int:
    """By how much this machine's clock is behind another, which showed `clock_us` at some moment between the two.

    Microseconds, negative where it is ahead; what the time in between leaves open counts for no difference.
    """
    return max(clock_us - answered_us, 0) + min(clock_us - asked_us, 0)


def instant(recorded_at_us: int) -> datetime:
    """The instant of a row, in UTC."""
    return EPOCH + recorded_at_us * MICROSECOND


def meter_row(place: int, meter_id: str, recorded_at: datetime, energy_ac_kwh: float, voltage_v: float) -> Row:
    """A meter's reading as a row. Raises :class:`KeyError` where no meter can have such an id."""
    at = microseconds(recorded_at)
    return meter_id, at, place, meter_beginnings[meter_id] + pack_meter(8, at, 8, energy_ac_kwh, 4, voltage_v)


def vehicle_row(
    place: int, vehicle_id: str, recorded_at: datetime, soc_pct: float, energy_dc_kwh: float, battery_temp_c: float
) -> Row:
    """A vehicle's reading as a row. Raises :class:`KeyError` where no vehicle can have such an id."""
    at = microseconds(recorded_at)
    fields = pack_vehicle(8, at, 4, soc_pct, 8, energy_dc_kwh, 4, battery_temp_c)
    return vehicle_id, at, place, vehicle_beginnings[vehicle_id] + fields


def copy_data(rows: Sequence[Row]) -> bytes:
    """The input of `COPY history FROM STDIN (FORMAT binary)`."""
    return b"".join((_SIGNATURE, *[row[3] for row in rows], _TRAILER))


def numbered_copy_data(rows: Sequence[Row]) -> bytes:
    """The input of `COPY stage FROM STDIN (FORMAT binary)`: each row with its ordinal, from 0, as its first field."""
    pieces = [_SIGNATURE]
    for ordinal, (_, _, _, encoded) in enumerate(rows):
        [fields] = _FIELD_COUNT.unpack_from(encoded)
        pieces.append(_FIELD_COUNT_AND_ORDINAL.pack(fields + 1, 4, ordinal))
        pieces.append(encoded[_FIELD_COUNT.size :])
    pieces.append(_TRAILER)
    return b"".join(pieces)
