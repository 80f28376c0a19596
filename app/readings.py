"""Decodes what devices send: one reading, an array, or lines of JSON, each reading kept or refused on its own.

A body whose readings are all well is decoded in one pass. Only where something is wrong is it decoded again, item by
item and field by field, so that every bad item gets an error that names its field.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from app.config import Settings
from app.errors import MalformedBody, NoReadingAccepted, TooManyReadings
from app.models import AnyReading, IngestResult, MeterReading, ReadingError, VehicleReading


class MeterRow(NamedTuple):
    """A meter reading on its way to the history; `place` is its index in the request, from 0."""

    place: int
    meter_id: str
    recorded_at: datetime
    energy_ac_kwh: float
    voltage_v: float


class VehicleRow(NamedTuple):
    """A vehicle reading on its way to the history; `place` is its index in the request, from 0."""

    place: int
    vehicle_id: str
    recorded_at: datetime
    soc_pct: float
    energy_dc_kwh: float
    battery_temp_c: float


class Horizon(NamedTuple):
    """The oldest timestamp that a reading of each kind may bear: the history is not kept longer."""

    meter: datetime
    vehicle: datetime


# More commas than so many readings can have, unknown keys included, are refused before an array of them is built.
MAX_COMMAS_PER_READING = 64
BEGINNING_OF_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class Batch:
    """One request's readings: those to be written, and why the others are not."""

    __slots__ = ("errors", "meters", "vehicles")

    def __init__(self) -> None:
        self.meters: list[MeterRow] = []
        self.vehicles: list[VehicleRow] = []
        self.errors: list[ReadingError] = []

    def __len__(self) -> int:
        return len(self.meters) + len(self.vehicles)


class _Refused(Exception):
    """A reading decodes, but cannot be kept."""


# What msgspec raises on bytes that are not JSON: too deep an array and bad UTF-8 have exceptions of their own.
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_one = msgspec.json.Decoder(AnyReading)
_many = msgspec.json.Decoder(list[AnyReading])
_items = msgspec.json.Decoder(list[msgspec.Raw])
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Reader:
    """Decodes bodies against the limits of the settings and the horizon of the history."""

    def __init__(self, settings: Settings, horizon: Horizon) -> None:
        self.horizon = horizon
        self._max_clock_skew = timedelta(seconds=settings.max_clock_skew_s)
        self._max_readings = settings.max_readings_per_request

    def decode_json(self, body: bytes) -> Batch:
        """A JSON object, or an array of objects.

        Raises :class:`MalformedBody`, :class:`TooManyReadings`, and :class:`NoReadingAccepted` on an empty array.
        """
        is_array = body.lstrip()[:1] == b"["
        if body.count(b",") > MAX_COMMAS_PER_READING * self._max_readings:
            raise TooManyReadings(f"a request may hold {self._max_readings} readings")
        try:
            readings = _many.decode(body) if is_array else [_one.decode(body)]
            self._check_count(len(readings))
            return self._sort_out(readings)
        except (msgspec.ValidationError, UnicodeDecodeError, _Refused):
            try:
                return self._one_by_one(_items.decode(body) if is_array else [body])
            except _NOT_JSON as error:
                raise MalformedBody(f"the body is not JSON: {error}") from None
        except _NOT_JSON as error:
            raise MalformedBody(f"the body is not JSON: {error}") from None

    def decode_lines(self, body: bytes) -> Batch:
        """Lines of JSON, an object each; empty lines count for nothing, a line that is not JSON is one bad reading.

        Raises :class:`TooManyReadings`, and :class:`NoReadingAccepted` where there is no line.
        """
        lines = [line for line in body.split(b"\n") if line.strip()]
        self._check_count(len(lines))
        try:
            return self._sort_out([_one.decode(line) for line in lines])
        except (_Refused, *_NOT_JSON):
            return self._one_by_one(lines)

    @property
    def newest(self) -> datetime:
        """The newest timestamp that a reading may bear now."""
        return datetime.now(UTC) + self._max_clock_skew

    def _check_count(self, count: int) -> None:
        if count > self._max_readings:
            raise TooManyReadings(f"{count} readings; a request may hold {self._max_readings}")
        if count == 0:
            raise NoReadingAccepted(
                "the request holds no reading", msgspec.structs.asdict(IngestResult(0, 0, 0, 0, []))
            )

    def _sort_out(self, readings: Iterable[AnyReading]) -> Batch:
        """Rows by kind. Raises :class:`_Refused` at the first reading that cannot be kept."""
        batch = Batch()
        meters, vehicles = batch.meters, batch.vehicles
        newest = self.newest
        oldest_meter, oldest_vehicle = self.horizon
        for index, reading in enumerate(readings):
            at = reading.timestamp
            if reading.vehicleId is UNSET:
                if (
                    reading.meterId is UNSET
                    or reading.kwhConsumedAc is UNSET
                    or reading.voltage is UNSET
                    or at is UNSET
                    or not oldest_meter <= at <= newest
                ):
                    raise _Refused
                meters.append(MeterRow(index, reading.meterId, at, reading.kwhConsumedAc, reading.voltage))
            else:
                if (
                    reading.meterId is not UNSET
                    or reading.soc is UNSET
                    or reading.kwhDeliveredDc is UNSET
                    or reading.batteryTemp is UNSET
                    or at is UNSET
                    or not oldest_vehicle <= at <= newest
                ):
                    raise _Refused
                vehicles.append(
                    VehicleRow(index, reading.vehicleId, at, reading.soc, reading.kwhDeliveredDc, reading.batteryTemp)
                )
        return batch

    def _one_by_one(self, items: Sequence[bytes | msgspec.Raw]) -> Batch:
        self._check_count(len(items))
        newest = self.newest
        batch = Batch()
        for index, item in enumerate(items):
            read = self._read(item, index, newest)
            if isinstance(read, MeterRow):
                batch.meters.append(read)
            elif isinstance(read, VehicleRow):
                batch.vehicles.append(read)
            else:
                batch.errors.append(read)
        return batch

    def _read(self, item: bytes | msgspec.Raw, index: int, newest: datetime) -> MeterRow | VehicleRow | ReadingError:
        """One reading, field by field: its row, or its first fault in the order of its kind's fields."""
        try:
            given = _fields.decode(item)
        except msgspec.ValidationError:
            return ReadingError(index, "not_an_object", None, "a reading is a JSON object")
        except _NOT_JSON as error:
            return ReadingError(index, "malformed_line", None, f"the line is not JSON: {error}")
        if ("meterId" in given) == ("vehicleId" in given):
            code = "both_ids" if "meterId" in given else "no_id"
            return ReadingError(index, code, None, "a reading has either a meterId or a vehicleId")
        kind: type[MeterReading | VehicleReading] = MeterReading if "meterId" in given else VehicleReading
        values: dict[str, Any] = {}
        for spec in msgspec.structs.fields(kind):
            name = spec.encode_name
            if name not in given:
                return ReadingError(index, "missing_field", name, f"a reading with this id has a {name}")
            try:
                values[name] = msgspec.json.decode(given[name], type=spec.type)
            except _NOT_JSON as error:
                return ReadingError(index, _code(name, given[name]), name, str(error))
        reading = kind(**values)
        oldest = self.horizon.meter if isinstance(reading, MeterReading) else self.horizon.vehicle
        if reading.timestamp > newest:
            return ReadingError(index, "timestamp_in_future", "timestamp", f"later than {newest.isoformat()}")
        if reading.timestamp < oldest:
            told = f"before {oldest.isoformat()}: the history is not kept longer"
            return ReadingError(index, "timestamp_too_old", "timestamp", told)
        return _row(reading, index)


def _row(reading: MeterReading | VehicleReading, index: int) -> MeterRow | VehicleRow:
    if isinstance(reading, MeterReading):
        return MeterRow(index, reading.meterId, reading.timestamp, reading.kwhConsumedAc, reading.voltage)
    return VehicleRow(
        index, reading.vehicleId, reading.timestamp, reading.soc, reading.kwhDeliveredDc, reading.batteryTemp
    )


def _code(name: str, value: msgspec.Raw) -> str:
    """The error code of a value that its field does not take: of another JSON type, or of the right one but no good."""
    first = bytes(value)[:1]
    if name.endswith("Id"):
        return "invalid_id" if first == b'"' else "wrong_type"
    if name == "timestamp":
        return "invalid_timestamp" if first == b'"' else "wrong_type"
    return "out_of_range" if first in b"-0123456789" else "wrong_type"


def conflict(index: int) -> ReadingError:
    """Why a reading that contradicts one already kept was not."""
    return ReadingError(
        index, "conflict", None, "the same device and time with other values was kept before; the first stands"
    )
