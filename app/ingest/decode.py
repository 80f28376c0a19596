"""Decodes what devices send: one reading, an array, or lines of JSON, each reading accepted or rejected on its own.

A body whose readings are all well is decoded in one pass. Only where something is wrong is it decoded again, item by
item and field by field, so that every bad item gets an error that names its field.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from app.config import Settings
from app.errors import ClocksDiffer, MalformedBody, NoReadingAccepted, TooManyReadings
from app.ingest.rows import (
    EPOCH,
    MICROSECOND,
    Row,
    instant,
    meter_beginnings,
    meter_row,
    microseconds,
    now_us,
    pack_meter,
    pack_vehicle,
    vehicle_beginnings,
    vehicle_row,
)
from app.wire.allowed import missing, must_be, such_as
from app.wire.items import BYTE_ORDER_MARK, array_items
from app.wire.readings import AnyReading, IngestResult, MeterReading, ReadingError, VehicleReading
from app.words import counted, duration, rfc3339


class Horizon(NamedTuple):
    """What the database says about timestamps: the oldest that a reading of each kind may have, since the history is
    not kept longer, and by how much this machine's clock is behind the database's, seconds (negative: ahead)."""

    meter: datetime
    vehicle: datetime
    clock_behind_s: float = 0.0


MAX_COMMAS_PER_READING = 64
"""Commas per reading, unknown keys included; a body with more than this times `ENERGY_MAX_READINGS_PER_REQUEST` is
rejected before it is decoded."""
# No meter measures less, and arithmetic with less leaves the range of a float. Readings stored before are shown
# likewise (sql/api/relations.sql).
SMALLEST_ENERGY_KWH = 1e-9
"""Smallest energy above 0; a smaller one becomes 0."""
MAX_ID_LENGTH_SHOWN = 64
"""Characters that the log shows of the id of a rejected reading."""
BEGINNING_OF_TIME = datetime(1970, 1, 1, tzinfo=UTC)
# Until the database has answered.
UNKNOWN_HORIZON = Horizon(BEGINNING_OF_TIME, BEGINNING_OF_TIME)


class Batch:
    """One request's readings: those to be written, and why the others are not.

    `examples` has, by code of the errors, the device of the first one, where it names any, and what is wrong.
    """

    __slots__ = ("errors", "examples", "meters", "vehicles")

    def __init__(self) -> None:
        self.meters: list[Row] = []
        self.vehicles: list[Row] = []
        self.errors: list[ReadingError] = []
        self.examples: dict[str, tuple[str | None, str]] = {}

    def __len__(self) -> int:
        return len(self.meters) + len(self.vehicles)

    def keep_only(self, is_own: Callable[[str], bool]) -> None:
        """Refuse the readings of devices that the sender does not speak for, each on its own."""
        foreign = [row for row in (*self.meters, *self.vehicles) if not is_own(row[0])]
        if not foreign:
            return
        self.meters = [row for row in self.meters if is_own(row[0])]
        self.vehicles = [row for row in self.vehicles if is_own(row[0])]
        detail = "the key does not speak for this device"
        self.errors += [ReadingError(row[2], "not_allowed", None, detail) for row in foreign]
        self.errors.sort(key=lambda error: error.index)
        self.examples.setdefault("not_allowed", (foreign[0][0], detail))


class _NamedDevice(msgspec.Struct):
    """A reading as far as it names its device, in whatever form."""

    meterId: Any = None  # noqa: N815
    vehicleId: Any = None  # noqa: N815


class _Refused(Exception):
    """A reading decodes, but cannot be stored."""


# What msgspec raises on bytes that are not JSON: too deep an array and bad UTF-8 have exceptions of their own.
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_NULL = msgspec.Raw(b"null")
_ENERGY_FED_BACK = "; energy that a vehicle feeds back (bidirectional charging) is not accounted for"

_one = msgspec.json.Decoder(AnyReading)
_many = msgspec.json.Decoder(list[AnyReading])
_device = msgspec.json.Decoder(_NamedDevice)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_whole = msgspec.json.Decoder(msgspec.Raw)


class ReadingDecoder:
    """Decodes bodies against the limits of the settings and the horizon of the history."""

    def __init__(self, settings: Settings, horizon: Horizon) -> None:
        self.horizon = horizon
        self._max_clock_skew_s = settings.max_clock_skew_s
        self._max_clock_skew_us = round(settings.max_clock_skew_s * 1_000_000)
        self._max_readings = settings.max_readings_per_request
        self._max_commas = MAX_COMMAS_PER_READING * settings.max_readings_per_request

    def decode_json(self, body: bytes) -> Batch:
        """A JSON object, or an array of objects; an item that is not JSON is one bad reading.

        Raises :class:`MalformedBody`, :class:`TooManyReadings`, and :class:`NoReadingAccepted` on an empty array.
        """
        body = body.removeprefix(BYTE_ORDER_MARK)
        beginning = body.lstrip()[:1]
        if not beginning:
            raise MalformedBody(f"the body is empty; send a reading{such_as(MeterReading)}")
        is_array = beginning == b"["
        if len(body) > self._max_commas and body.count(b",") > self._max_commas:
            raise TooManyReadings(f"a request must hold at most {counted(self._max_readings, 'reading')}")
        try:
            readings = _many.decode(body) if is_array else [_one.decode(body)]
            self._check_count(len(readings))
            return self._sort_out(readings)
        except (_Refused, *_NOT_JSON):
            pass
        try:
            items = array_items(body) if is_array else [bytes(_whole.decode(body))]
        except _NOT_JSON as error:
            raise MalformedBody(f"the body is not JSON: {error}") from None
        return self._one_by_one(items)

    def decode_lines(self, body: bytes) -> Batch:
        """Lines of JSON, an object each; empty lines count for nothing, a line that is not JSON is one bad reading.

        Raises :class:`TooManyReadings`, and :class:`NoReadingAccepted` where there is no line.
        """
        body = body.removeprefix(BYTE_ORDER_MARK)
        lines = body.count(b"\n") + (not body.endswith(b"\n"))
        try:
            if lines <= self._max_readings:
                readings = _one.decode_lines(body)
                # Otherwise lines are empty, or hold more than an object or less than one.
                if len(readings) == lines:
                    return self._sort_out(readings)
        except (_Refused, *_NOT_JSON):
            pass
        return self._one_by_one([line for line in body.split(b"\n") if line.strip()])

    @property
    def horizon(self) -> Horizon:
        """The oldest timestamps that readings may have."""
        return self._horizon

    @horizon.setter
    def horizon(self, horizon: Horizon) -> None:
        self._horizon = horizon
        self._oldest_us = microseconds(horizon.meter), microseconds(horizon.vehicle)

    def check_clock(self) -> None:
        """Raises :class:`ClocksDiffer` where this machine's clock would refuse honest readings, or keep those of the
        future: devices send again after a 503, and not after a 422."""
        behind_s = self._horizon.clock_behind_s
        if abs(behind_s) > self._max_clock_skew_s:
            raise ClocksDiffer(
                f"the clock of the service is {duration(timedelta(seconds=abs(behind_s)))} "
                f"{'behind' if behind_s > 0 else 'ahead of'} the database's, and ENERGY_MAX_CLOCK_SKEW_S allows "
                f"{self._max_clock_skew_s:g} s; set both by NTP, such as chrony or systemd-timesyncd"
            )

    @property
    def newest(self) -> datetime:
        """The newest timestamp that a reading may have now."""
        return instant(now_us() + self._max_clock_skew_us)

    def _check_count(self, count: int) -> None:
        if count > self._max_readings:
            raise TooManyReadings(
                f"a request must hold at most {counted(self._max_readings, 'reading')}, not {count:,}"
            )
        if count == 0:
            raise NoReadingAccepted(
                f"the request holds no reading; send one or more{such_as(MeterReading)}",
                msgspec.structs.asdict(IngestResult(0, 0, 0, 0, [])),
            )

    def _sort_out(self, readings: Iterable[AnyReading]) -> Batch:
        """Rows by kind. Raises :class:`_Refused` at the first reading that cannot be stored.

        The loop that every reading passes. A field that is missing is no number, no instant and no id, and so fails
        where it is used; asking for each beforehand would cost as much as the rest.
        """
        batch = Batch()
        meters, vehicles = batch.meters, batch.vehicles
        newest = now_us() + self._max_clock_skew_us
        oldest_meter, oldest_vehicle = self._oldest_us
        try:
            for place, reading in enumerate(readings):
                at = (reading.timestamp - EPOCH) // MICROSECOND  # type: ignore[operator]
                if reading.vehicleId is None:
                    if not oldest_meter <= at <= newest:
                        raise _Refused
                    # What _measured does; to call it would cost 5 % of the decoding.
                    kwh: Any = reading.kwhConsumedAc
                    if kwh < SMALLEST_ENERGY_KWH:
                        kwh = 0.0
                    fields = pack_meter(8, at, 8, kwh, 4, reading.voltage)
                    device: Any = reading.meterId
                    meters.append((device, at, place, meter_beginnings[device] + fields))
                else:
                    if reading.meterId is not None or not oldest_vehicle <= at <= newest:
                        raise _Refused
                    kwh = reading.kwhDeliveredDc
                    if kwh < SMALLEST_ENERGY_KWH:
                        kwh = 0.0
                    fields = pack_vehicle(8, at, 4, reading.soc, 8, kwh, 4, reading.batteryTemp)
                    device = reading.vehicleId
                    vehicles.append((device, at, place, vehicle_beginnings[device] + fields))
        except (KeyError, TypeError, struct.error) as error:
            raise _Refused from error
        return batch

    def _one_by_one(self, items: Sequence[bytes]) -> Batch:
        self._check_count(len(items))
        newest = self.newest
        batch = Batch()
        for index, item in enumerate(items):
            read = self._read(item, index, newest)
            if isinstance(read, ReadingError):
                batch.errors.append(read)
                if read.code not in batch.examples:
                    batch.examples[read.code] = _named_device(item), read.detail
            elif isinstance(read, MeterReading):
                row = meter_row(index, read.meterId, read.timestamp, _measured(read.kwhConsumedAc), read.voltage)
                batch.meters.append(row)
            else:
                row = vehicle_row(
                    index, read.vehicleId, read.timestamp, read.soc, _measured(read.kwhDeliveredDc), read.batteryTemp
                )
                batch.vehicles.append(row)
        return batch

    def _read(self, item: bytes, index: int, newest: datetime) -> MeterReading | VehicleReading | ReadingError:
        """One reading, field by field, or its first fault in the order of its kind's fields."""
        try:
            given = _fields.decode(item)
        except msgspec.ValidationError:
            return ReadingError(
                index, "not_an_object", None, "a reading must be a JSON object with a meterId or a vehicleId"
            )
        except _NOT_JSON as error:
            return ReadingError(index, "malformed_item", None, f"the reading is not JSON: {error}")
        # A null id counts as absent; another field that is null has a wrong type.
        of_meter, of_vehicle = (given.get(name, _NULL) != _NULL for name in ("meterId", "vehicleId"))
        if of_meter == of_vehicle:
            code = "both_ids" if of_meter else "no_id"
            return ReadingError(index, code, None, "a reading must have either a meterId or a vehicleId, such as M-101")
        kind: type[MeterReading | VehicleReading] = MeterReading if of_meter else VehicleReading
        values: dict[str, Any] = {}
        for spec in msgspec.structs.fields(kind):
            name = spec.encode_name
            if name not in given:
                return ReadingError(index, "missing_field", name, missing(name, spec.type))
            try:
                values[name] = msgspec.json.decode(given[name], type=spec.type)
            except _NOT_JSON:
                code = _code(name, given[name])
                hint = _ENERGY_FED_BACK if code == "negative_energy" else ""
                return ReadingError(index, code, name, must_be(name, spec.type) + hint)
        reading = kind(**values)
        oldest = self.horizon.meter if isinstance(reading, MeterReading) else self.horizon.vehicle
        if reading.timestamp > newest:
            return ReadingError(
                index,
                "timestamp_in_future",
                "timestamp",
                f"timestamp must be {rfc3339(newest)} or earlier: the present, and ENERGY_MAX_CLOCK_SKEW_S",
            )
        if reading.timestamp < oldest:
            detail = f"timestamp must be {rfc3339(oldest)} or later: older history is not kept"
            return ReadingError(index, "timestamp_too_old", "timestamp", detail)
        return reading


def _named_device(item: bytes) -> str | None:
    """The device a bad reading names, shortened; None where it cannot be decoded."""
    try:
        named = _device.decode(item)
    except _NOT_JSON:
        return None
    device_id = named.meterId or named.vehicleId
    return None if device_id is None else str(device_id)[:MAX_ID_LENGTH_SHOWN]


def _measured(energy_kwh: float) -> float:
    return 0.0 if energy_kwh < SMALLEST_ENERGY_KWH else energy_kwh


def _code(name: str, value: msgspec.Raw) -> str:
    """The error code of a value that its field does not allow: of another JSON type, or of the right one."""
    first = bytes(value)[:1]
    if name.endswith("Id"):
        return "invalid_id" if first == b'"' else "wrong_type"
    if name == "timestamp":
        return "invalid_timestamp" if first == b'"' else "wrong_type"
    if name.startswith("kwh") and first == b"-":
        return "negative_energy"
    return "out_of_range" if first in b"-0123456789" else "wrong_type"


def conflict(index: int) -> ReadingError:
    """The error of a reading that contradicts a stored one."""
    return ReadingError(
        index, "conflict", None, "a reading of this device and time is stored with other values; the first one stays"
    )
