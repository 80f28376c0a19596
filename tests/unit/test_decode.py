"""The decoder: what devices send, decoded into rows, and the fault of each reading that cannot be kept.

The decoder has two ways: one pass over a body whose readings are all well, and item by item where one is not. Whatever
a test asks of a batch, it asks of both, by sending the same readings alone and together with a bad one.
"""

import json
import struct
import typing
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from types import NoneType
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.config import Settings
from app.errors import MalformedBody, NoReadingAccepted, ProblemError, TooManyReadings
from app.ingest.decode import SMALLEST_ENERGY_KWH, Batch, Horizon, ReadingDecoder
from app.ingest.rows import Row, meter_row, vehicle_row
from app.wire.items import MAX_MALFORMED_SIGNS, array_items
from app.wire.readings import AnyReading, MeterReading, VehicleReading
from app.wire.values import DeviceId
from tests.support.readings import meter_reading, minutes_ago, vehicle_reading

_METERS_FROM = datetime.now(UTC) - timedelta(days=400)
_VEHICLES_FROM = datetime.now(UTC) - timedelta(days=100)
_DECODER = ReadingDecoder(Settings(), Horizon(_METERS_FROM, _VEHICLES_FROM))
_NO_OBJECT = 5


def _array(readings: Sequence[Any]) -> bytes:
    return msgspec.json.encode(readings)


def _lines(readings: Sequence[Any]) -> bytes:
    return b"\n".join(map(msgspec.json.encode, readings))


def _rows(batch: Batch) -> tuple[list[Row], list[Row]]:
    return batch.meters, batch.vehicles


def _faults(batch: Batch) -> list[tuple[int, str, str | None]]:
    return [(error.index, error.code, error.field) for error in batch.errors]


def _without(reading: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in reading.items() if name not in names}


_ID_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*_=:+|@.-"
_ids = st.text(_ID_CHARACTERS, min_size=1, max_size=64).filter(lambda text: text not in (".", ".."))
_zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def _numbers(lowest: int, highest: int) -> st.SearchStrategy[float]:
    return st.floats(lowest, highest) | st.integers(lowest, highest)


_energies = _numbers(0, 10**9) | st.floats(0, 2 * SMALLEST_ENERGY_KWH)


def _instants(oldest: datetime) -> st.SearchStrategy[datetime]:
    span = datetime.now(UTC) - oldest - timedelta(hours=1)
    moments = st.integers(0, int(span.total_seconds()) * 1_000_000)
    return st.builds(
        lambda moment, zone: (oldest + timedelta(hours=1, microseconds=moment)).astimezone(zone), moments, _zones
    )


_meters = st.fixed_dictionaries(
    {
        "meterId": _ids,
        "kwhConsumedAc": _energies,
        "voltage": _numbers(0, 50_000),
        "timestamp": _instants(_METERS_FROM),
    }
)
_vehicles = st.fixed_dictionaries(
    {
        "vehicleId": _ids,
        "soc": _numbers(0, 100),
        "kwhDeliveredDc": _energies,
        "batteryTemp": _numbers(-60, 200),
        "timestamp": _instants(_VEHICLES_FROM),
    }
)
_good: st.SearchStrategy[dict[str, Any]] = _meters | _vehicles


@st.composite
def _bad(draw: st.DrawFn) -> Any:
    """A reading spoilt in one place."""
    reading = dict(draw(_good))
    name = draw(st.sampled_from(sorted(reading)))
    spoil: Callable[[], Any] = draw(
        st.sampled_from(
            [
                lambda: _without(reading, name),
                lambda: {**reading, name: None},
                lambda: {**reading, name: [reading[name]]},
                lambda: {**reading, name: True},
                lambda: {**reading, name: -1e6},
                lambda: {**reading, name: "no good!"},
                lambda: {**reading, "meterId": "M", "vehicleId": "V"},
                lambda: {**reading, "timestamp": "2026-01-01T00:00:00"},
                lambda: {**reading, "timestamp": "2199-01-01T00:00:00Z"},
                lambda: {**reading, "timestamp": "1999-01-01T00:00:00Z"},
                lambda: [reading],
                lambda: None,
            ]
        )
    )
    return spoil()


def _kwh(given: float) -> float:
    return given if given >= SMALLEST_ENERGY_KWH else 0.0


def _expected_rows(readings: Sequence[tuple[int, dict[str, Any]]]) -> tuple[list[Row], list[Row]]:
    meters = [
        meter_row(place, reading["meterId"], reading["timestamp"], _kwh(reading["kwhConsumedAc"]), reading["voltage"])
        for place, reading in readings
        if "meterId" in reading
    ]
    vehicles = [
        vehicle_row(
            place,
            reading["vehicleId"],
            reading["timestamp"],
            reading["soc"],
            _kwh(reading["kwhDeliveredDc"]),
            reading["batteryTemp"],
        )
        for place, reading in readings
        if "vehicleId" in reading
    ]
    return meters, vehicles


@settings(deadline=None, max_examples=200)
@given(st.lists(_good, min_size=1, max_size=20))
def test_valid_readings_decode_to_equal_rows_in_their_order(readings: list[dict[str, Any]]) -> None:
    expected = _expected_rows(list(enumerate(readings)))
    for decoded in (_DECODER.decode_json(_array(readings)), _DECODER.decode_lines(_lines(readings))):
        assert _rows(decoded) == expected
        assert decoded.errors == []
        assert len(decoded) == len(readings)
    # A bad reading at the end sends all of them the other way, which gives the same rows.
    for decoded in (
        _DECODER.decode_json(_array([*readings, _NO_OBJECT])),
        _DECODER.decode_lines(_lines([*readings, _NO_OBJECT])),
    ):
        assert _rows(decoded) == expected
        assert _faults(decoded) == [(len(readings), "not_an_object", None)]


@settings(deadline=None, max_examples=300)
@given(st.lists(_good.map(lambda reading: (reading, True)) | _bad().map(lambda reading: (reading, False)), min_size=1))
def test_bad_readings_are_refused_exactly_at_their_indexes(readings: list[tuple[Any, bool]]) -> None:
    sent = [reading for reading, _ in readings]
    expected = _expected_rows([(place, reading) for place, (reading, good) in enumerate(readings) if good])
    bad_places = [place for place, (_, good) in enumerate(readings) if not good]
    for decoded in (_DECODER.decode_json(_array(sent)), _DECODER.decode_lines(_lines(sent))):
        assert _rows(decoded) == expected
        assert [error.index for error in decoded.errors] == bad_places


@settings(deadline=None, max_examples=300)
@given(_bad())
def test_a_bad_reading_has_the_same_fault_alone_in_an_array_and_on_a_line(reading: Any) -> None:
    in_an_array = _faults(_DECODER.decode_json(_array([reading])))
    assert len(in_an_array) == 1
    assert _faults(_DECODER.decode_lines(_lines([reading]))) == in_an_array
    if not isinstance(reading, list):
        assert _faults(_DECODER.decode_json(msgspec.json.encode(reading))) == in_an_array


@settings(deadline=None, max_examples=500)
@given(st.binary(max_size=64) | st.text('[]{}",:.0123456789eE+-ntfu\\ \n', max_size=64).map(str.encode))
def test_no_bytes_at_all_raise_anything_unforeseen(body: bytes) -> None:
    for decode in (_DECODER.decode_json, _DECODER.decode_lines):
        try:
            decoded = decode(body)
        except (MalformedBody, NoReadingAccepted):
            continue
        assert len(decoded) == 0
        assert decoded.errors


@pytest.mark.parametrize("kind", [MeterReading, VehicleReading])
def test_either_kind_decodes_as_it_would_alone(kind: type[msgspec.Struct]) -> None:
    # AnyReading is decoded in place of the two kinds: a field that differs would be checked differently. Ids are texts
    # of any form in it, since rows check them.
    either = {spec.encode_name: typing.get_args(spec.type) for spec in msgspec.structs.fields(AnyReading)}
    for spec in msgspec.structs.fields(kind):
        expected = str if spec.type is DeviceId else spec.type
        assert either[spec.encode_name] == (expected, NoneType), spec.encode_name
        assert spec.required


def test_either_kind_has_the_fields_of_the_two_and_no_more() -> None:
    fields = [{spec.encode_name for spec in msgspec.structs.fields(kind)} for kind in (MeterReading, VehicleReading)]
    assert {spec.encode_name for spec in msgspec.structs.fields(AnyReading)} == fields[0] | fields[1]
    assert fields[0] & fields[1] == {"timestamp"}


_METER = meter_reading()
_VEHICLE = vehicle_reading()


@pytest.mark.parametrize(
    ("reading", "code", "field"),
    [
        (5, "not_an_object", None),
        ("text", "not_an_object", None),
        (None, "not_an_object", None),
        ([_METER], "not_an_object", None),
        ({}, "no_id", None),
        (_without(_METER, "meterId"), "no_id", None),
        ({**_METER, "vehicleId": "V-1"}, "both_ids", None),
        ({**_METER, **_VEHICLE}, "both_ids", None),
        *((_without(_METER, name), "missing_field", name) for name in ("kwhConsumedAc", "voltage", "timestamp")),
        *(
            (_without(_VEHICLE, name), "missing_field", name)
            for name in ("soc", "kwhDeliveredDc", "batteryTemp", "timestamp")
        ),
        ({**_METER, "meterId": ""}, "invalid_id", "meterId"),
        ({**_METER, "meterId": "M" * 65}, "invalid_id", "meterId"),
        ({**_METER, "meterId": "M 1"}, "invalid_id", "meterId"),
        ({**_METER, "meterId": "M/1"}, "invalid_id", "meterId"),
        ({**_METER, "meterId": "."}, "invalid_id", "meterId"),
        ({**_METER, "meterId": ".."}, "invalid_id", "meterId"),
        ({**_METER, "meterId": "M\n"}, "invalid_id", "meterId"),
        ({**_METER, "meterId": "M\x00"}, "invalid_id", "meterId"),
        ({**_METER, "meterId": "Zähler"}, "invalid_id", "meterId"),
        ({**_VEHICLE, "vehicleId": "V\n"}, "invalid_id", "vehicleId"),
        ({**_METER, "meterId": 101}, "wrong_type", "meterId"),
        ({**_METER, "meterId": None}, "no_id", None),
        ({**_METER, "voltage": "230"}, "wrong_type", "voltage"),
        ({**_METER, "voltage": True}, "wrong_type", "voltage"),
        ({**_METER, "voltage": None}, "wrong_type", "voltage"),
        ({**_METER, "voltage": [230]}, "wrong_type", "voltage"),
        ({**_METER, "voltage": {}}, "wrong_type", "voltage"),
        ({**_METER, "kwhConsumedAc": -0.001}, "negative_energy", "kwhConsumedAc"),
        ({**_METER, "kwhConsumedAc": 1_000_000_001}, "out_of_range", "kwhConsumedAc"),
        ({**_METER, "voltage": 50_000.1}, "out_of_range", "voltage"),
        ({**_VEHICLE, "soc": 100.001}, "out_of_range", "soc"),
        ({**_VEHICLE, "soc": -0.001}, "out_of_range", "soc"),
        ({**_VEHICLE, "kwhDeliveredDc": -1}, "negative_energy", "kwhDeliveredDc"),
        ({**_VEHICLE, "batteryTemp": -60.1}, "out_of_range", "batteryTemp"),
        ({**_VEHICLE, "batteryTemp": 200.1}, "out_of_range", "batteryTemp"),
        ({**_METER, "timestamp": 1_700_000_000}, "wrong_type", "timestamp"),
        ({**_METER, "timestamp": "yesterday"}, "invalid_timestamp", "timestamp"),
        ({**_METER, "timestamp": "2026-01-01T00:00:00"}, "invalid_timestamp", "timestamp"),
        ({**_METER, "timestamp": "2026-02-30T00:00:00Z"}, "invalid_timestamp", "timestamp"),
        ({**_METER, "timestamp": "2199-01-01T00:00:00Z"}, "timestamp_in_future", "timestamp"),
        ({**_METER, "timestamp": "9999-12-31T23:59:59-14:00"}, "timestamp_in_future", "timestamp"),
        ({**_METER, "timestamp": "1999-01-01T00:00:00Z"}, "timestamp_too_old", "timestamp"),
        ({**_METER, "timestamp": "0001-01-01T00:00:00+14:00"}, "timestamp_too_old", "timestamp"),
        # The first fault is reported, in the order of the contract's fields.
        ({**_METER, "voltage": -1, "kwhConsumedAc": "x", "timestamp": 0}, "wrong_type", "kwhConsumedAc"),
    ],
)
def test_a_fault_has_its_code_and_its_field(reading: Any, code: str, field: str | None) -> None:
    good = meter_reading("M-good")
    for decoded in (
        _DECODER.decode_json(_array([good, reading])),
        _DECODER.decode_lines(_lines([good, reading])),
    ):
        assert _faults(decoded) == [(1, code, field)]
        assert [row[0] for row in decoded.meters] == ["M-good"]
        assert decoded.errors[0].detail


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" + "0" * 400, "1e999999999999"])
def test_a_number_beyond_any_float_is_out_of_range(number: str) -> None:
    body = msgspec.json.encode([_METER]).replace(b"230.0", number.encode())
    assert _faults(_DECODER.decode_json(body)) == [(0, "out_of_range", "voltage")]


@pytest.mark.parametrize("number", ["0", "-0", "-0.0", "0e5", "1e-400", "2.3E+2"])
def test_a_number_may_be_written_in_any_way_that_json_has(number: str) -> None:
    body = msgspec.json.encode([_METER]).replace(b"230.0", number.encode())
    [row] = _DECODER.decode_json(body).meters
    # The voltage is the last field of the row.
    assert struct.unpack(">f", row[3][-4:]) == (float(number),)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "01", "1.", "+1", ".5", "0x1", "1_0"])
def test_what_is_no_json_number_spoils_its_reading_only(number: str) -> None:
    good, bad = msgspec.json.encode(_METER), msgspec.json.encode(_METER).replace(b"230.0", number.encode())
    with pytest.raises(MalformedBody):
        _DECODER.decode_json(bad)
    for batch in (_DECODER.decode_json(b"[%b, %b, %b]" % (good, bad, good)), _DECODER.decode_lines(good + b"\n" + bad)):
        assert _faults(batch) == [(1, "malformed_item", None)]
        assert batch.examples["malformed_item"][1].startswith("the reading is not JSON: ")


@pytest.mark.parametrize(
    "text",
    [
        rb'{"meterId": "M-\ud800"}',
        rb'{"firmware": {"name": "\ud800]"}}',
        rb'{"\udfff": 1}',
        b'{"firmware": [[NaN]]}',
        b'{"firmware": "a\x01b"}',
        rb'{"firmware": "\x41"}',
        b"{'meterId': 'M-1'}",
        b'{"meterId": "M-1",}',
        b'{"meterId": "M-1"} {"meterId": "M-2"}',
        b'{"firmware": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b"Infinity",
        b"",
    ],
    ids=lambda text: repr(text[:40]),
)
def test_an_item_that_is_not_json_is_one_bad_reading(text: bytes) -> None:
    good = msgspec.json.encode({**_METER, "firmware": {"name": 'a "[{, \\'}})
    for items in ([good, text], [text, good], [good, text, good]):
        batch = _DECODER.decode_json(b"[" + b" , ".join(items) + b"]")
        assert _faults(batch) == [(items.index(text), "malformed_item", None)]
        assert len(batch.meters) == len(items) - 1


_json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text('ab"\\{}[],: ', max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('"{,', max_size=2), inner, max_size=3),
)


@given(st.lists(_json_values, max_size=5), st.sampled_from([None, 1]))
def test_items_are_found_as_a_decoder_finds_them(items: list[Any], indent: int | None) -> None:
    body = json.dumps([*items, 0], indent=indent).encode()
    assert [json.loads(item) for item in array_items(body)] == [*items, 0]
    spoilt = array_items(body.removesuffix(b"]").rstrip() + b", NaN]")
    assert [json.loads(item) for item in spoilt[:-1]] == [*items, 0]


@pytest.mark.parametrize("sign", [b"{", b"[", b"[],", b'"",', b'{"', b'["\\"'])
def test_the_search_for_items_has_an_end(sign: bytes) -> None:
    assert len(array_items(b"[" + b"{},." * (MAX_MALFORMED_SIGNS // 2 - 1) + b"]")) == MAX_MALFORMED_SIGNS // 2
    with pytest.raises((msgspec.DecodeError, RecursionError)):
        array_items(b"[" + sign * MAX_MALFORMED_SIGNS + b".]")


def test_a_byte_order_mark_is_passed_over() -> None:
    body = msgspec.json.encode(_METER)
    for marked in (b"\xef\xbb\xbf" + body, b"\xef\xbb\xbf[" + body + b"]"):
        assert len(_DECODER.decode_json(marked)) == 1
    assert len(_DECODER.decode_lines(b"\xef\xbb\xbf" + body)) == 1


def test_unknown_keys_are_ignored_whatever_they_hold() -> None:
    strange = {**_METER, "firmware": [1, {"x": None}], "": 0, "METERID": "x"}
    for decoded in (_DECODER.decode_json(_array([strange])), _DECODER.decode_json(_array([strange, _NO_OBJECT]))):
        assert decoded.meters == _DECODER.decode_json(_array([_METER])).meters


@pytest.mark.parametrize(
    ("reading", "foreign"),
    [
        (_METER, {"soc": 50}),
        (_METER, {"soc": None}),
        (_METER, {"batteryTemp": "warm", "kwhDeliveredDc": -5}),
        (_VEHICLE, {"voltage": 800_000}),
        (_VEHICLE, {"kwhConsumedAc": []}),
    ],
)
def test_fields_of_the_other_kind_are_unknown_keys(reading: dict[str, Any], foreign: dict[str, Any]) -> None:
    # What is no field of a meter's reading cannot be its fault, least of all a fault of its timestamp.
    expected = _rows(_DECODER.decode_json(_array([reading])))
    for decoded in (
        _DECODER.decode_json(_array([{**foreign, **reading}])),
        _DECODER.decode_lines(_lines([{**reading, **foreign}])),
    ):
        assert _faults(decoded) == []
        assert _rows(decoded) == expected


@pytest.mark.parametrize("reading", [_METER, _VEHICLE], ids=["meter", "vehicle"])
def test_a_null_id_is_an_absent_id(reading: dict[str, Any]) -> None:
    """Alone the readings are decoded in one pass, beside a bad one item by item."""
    absent = dict.fromkeys({*_METER, *_VEHICLE} - {*reading})
    expected = _rows(_DECODER.decode_json(_array([reading])))
    for extra in (absent, {name: None for name in absent if name.endswith("Id")}):
        full = {**extra, **reading}
        alone, beside, spaced = (
            _DECODER.decode_json(body)
            for body in (_array([full]), _array([full, _NO_OBJECT]), _array([full]).replace(b":null", b" : null "))
        )
        assert [_faults(batch) for batch in (alone, beside, spaced)] == [[], [(1, "not_an_object", None)], []]
        assert [_rows(batch) for batch in (alone, beside, spaced)] == [expected] * 3
    nobody = {name: None if name.endswith("Id") else value for name, value in reading.items()}
    assert _faults(_DECODER.decode_json(_array([{**absent, **nobody}, nobody]))) == [
        (0, "no_id", None),
        (1, "no_id", None),
    ]
    assert _faults(_DECODER.decode_lines(_lines([{**_METER, **_VEHICLE}]))) == [(0, "both_ids", None)]


@pytest.mark.parametrize("first", ["230.0", '"x"', "-1", "null"])
def test_of_a_key_that_comes_twice_the_last_counts(first: str) -> None:
    # As with nearly every decoder of JSON, a fault of the first must not be blamed on another field either.
    once = msgspec.json.encode(_METER)
    twice = once.replace(b'"voltage":', f'"voltage":{first},"voltage":'.encode())
    assert _rows(_DECODER.decode_json(twice)) == _rows(_DECODER.decode_json(once))
    spoilt = once.replace(b"}", b',"voltage":"x"}')
    assert _faults(_DECODER.decode_json(spoilt)) == [(0, "wrong_type", "voltage")]


def test_a_line_that_is_not_json_is_one_bad_reading() -> None:
    lines = [msgspec.json.encode(_METER), b"{", b"\xff\xfe", b'{"meterId":"\xff"}', msgspec.json.encode(_VEHICLE)]
    decoded = _DECODER.decode_lines(b"\n".join(lines))
    assert [(index, code) for index, code, _ in _faults(decoded)] == [
        (1, "malformed_item"),
        (2, "malformed_item"),
        (3, "invalid_id"),
    ]
    assert ([row[2] for row in decoded.meters], [row[2] for row in decoded.vehicles]) == ([0], [4])


def test_empty_lines_count_for_nothing() -> None:
    body = b"\n\r\n" + msgspec.json.encode(_METER) + b"\r\n  \n" + msgspec.json.encode(_VEHICLE) + b"\n\n"
    decoded = _DECODER.decode_lines(body)
    assert ([row[2] for row in decoded.meters], [row[2] for row in decoded.vehicles]) == ([0], [1])
    assert decoded.errors == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"nothing",
        b"[",
        b"[1,",
        b"[1]]",
        b"{",
        b'{"meterId":',
        b"\xff\xfe[\x00]\x00",
        b"[" * 100_000,
        b'[{"x":' * 50_000,
    ],
    ids=lambda body: repr(body[:16]),
)
def test_a_body_that_is_not_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBody, match=r"not JSON|is empty"):
        _DECODER.decode_json(body)


@pytest.mark.parametrize(
    ("decode", "body"),
    [
        (_DECODER.decode_json, b"[]"),
        (_DECODER.decode_json, b" [ ] "),
        (_DECODER.decode_lines, b""),
        (_DECODER.decode_lines, b"\n \r\n"),
    ],
)
def test_a_request_without_readings_is_refused_with_its_counts(decode: Callable[[bytes], Batch], body: bytes) -> None:
    with pytest.raises(NoReadingAccepted) as refused:
        decode(body)
    assert refused.value.extra == {"accepted": 0, "duplicates": 0, "conflicts": 0, "rejected": 0, "errors": []}


@pytest.mark.parametrize("last", [_METER, _NO_OBJECT], ids=["all good", "one bad"])
def test_more_readings_than_the_limit_are_refused_whole(last: Any) -> None:
    decoder = ReadingDecoder(Settings(max_readings_per_request=3), Horizon(_METERS_FROM, _VEHICLES_FROM))
    most = [_METER, _METER, last]
    assert len(decoder.decode_json(_array(most))) + len(decoder.decode_json(_array(most)).errors) == 3
    for decode, body in (
        (decoder.decode_json, _array([_METER, *most])),
        (decoder.decode_lines, _lines([_METER, *most])),
    ):
        with pytest.raises(TooManyReadings, match="at most 3 readings, not 4"):
            decode(body)


def test_a_timestamp_may_be_as_far_ahead_as_clocks_are_allowed_to_be() -> None:
    decoder = ReadingDecoder(Settings(max_clock_skew_s=60), Horizon(_METERS_FROM, _VEHICLES_FROM))
    ahead = [meter_reading("M", minutes_ago(-0.5)), vehicle_reading("V", minutes_ago(-0.5))]
    assert len(decoder.decode_json(_array(ahead))) == 2
    too_far = [meter_reading("M", minutes_ago(-2)), vehicle_reading("V", minutes_ago(-2))]
    assert [code for _, code, _ in _faults(decoder.decode_json(_array(too_far)))] == ["timestamp_in_future"] * 2


def test_each_kind_has_a_horizon_of_its_own_that_may_move() -> None:
    between = _METERS_FROM + (_VEHICLES_FROM - _METERS_FROM) / 2
    both = _array([meter_reading("M", between), vehicle_reading("V", between)])
    decoder = ReadingDecoder(Settings(), Horizon(_METERS_FROM, _VEHICLES_FROM))
    assert _faults(decoder.decode_json(both)) == [(1, "timestamp_too_old", "timestamp")]
    decoder.horizon = Horizon(_VEHICLES_FROM, _METERS_FROM)
    assert _faults(decoder.decode_json(both)) == [(0, "timestamp_too_old", "timestamp")]


def test_a_timestamp_at_the_horizon_is_still_kept() -> None:
    decoded = _DECODER.decode_json(
        _array([meter_reading("M", _METERS_FROM), meter_reading("M", _METERS_FROM - timedelta(microseconds=1))])
    )
    assert [row[2] for row in decoded.meters] == [0]
    assert _faults(decoded) == [(1, "timestamp_too_old", "timestamp")]


def test_every_refusal_is_a_problem_with_a_status_of_its_own() -> None:
    refusals: list[type[ProblemError]] = [MalformedBody, NoReadingAccepted, TooManyReadings]
    assert [refusal.status for refusal in refusals] == [400, 422, 413]
