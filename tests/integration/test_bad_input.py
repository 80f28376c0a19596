"""What nobody should send: bodies, items, parameters, paths and methods, each refused with its status and code.

Most of what is refused here is refused before any database is asked, and so is tried on one profile. What reaches the
database runs on each. At the end a seeded fuzz mutates valid requests by the thousand: whatever it makes of them, no
answer is ever an unforeseen error.
"""

import gzip
import http.client
import itertools
import random
import socket
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import msgspec
import pytest

from app.db import migrate
from app.http.openapi import OPERATIONS, Operation
from tests.support.readings import meter_reading, minutes_ago, now, vehicle_reading
from tests.support.servers import Server
from tests.support.service import Answer, Client, running_service

_JSON = {"Content-Type": "application/json"}
_NDJSON = {"Content-Type": "application/x-ndjson"}
_GZIP = {**_JSON, "Content-Encoding": "gzip"}
_MAX_BODY_BYTES = 8 * 1024 * 1024
_MAX_READINGS = 20_000
_numbers = itertools.count()


@pytest.fixture(scope="module")
def service(postgres_server: Server) -> Iterator[Client]:
    """The service on a database that the tests here share; each test's devices have ids of their own."""
    with postgres_server.new_database() as url:
        migrate.migrate(url, "postgres")
        with running_service(DATABASE_URL=url) as client:
            yield client


def _new_id(kind: str = "M") -> str:
    return f"{kind}-{next(_numbers)}"


def _body(*readings: Any) -> bytes:
    return msgspec.json.encode(readings)


def _send(client: Client, body: bytes, headers: Mapping[str, str] | None = None, query: str = "") -> Answer:
    return client.request("POST", f"/v1/ingest{query}", body, _JSON if headers is None else headers)


def _streamed(client: Client, chunks: Iterable[bytes], headers: Mapping[str, str]) -> Answer:
    """POST to ingest without a Content-Length, as a client does that does not know how much there will be."""
    parts = urlsplit(client.address)
    assert parts.hostname is not None
    with closing(http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)) as connection:
        connection.request("POST", "/v1/ingest", chunks, dict(headers), encode_chunked=True)
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())


def _assert_problem(answer: Answer, status: int, code: str) -> Any:
    """The document of an answer that has to be a problem of this status and code."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json
    assert (document["status"], document["code"]) == (status, code), document
    assert document["type"].endswith(f":{code}")
    assert document["title"]
    assert document["detail"]
    return document


# Bodies


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"{",
        b"[",
        b'{"meterId":"M-1"',
        b'[{"meterId":"M-1"},',
        b"[]]",
        b"{}{}",
        b"meterId=M-1",
        b"<reading/>",
        b"'M-1'",
        "[]".encode("utf-16"),
        b"\x00",
        b"[" * 500_000,
        b"[" * 500_000 + b"]" * 500_000,
        b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
        pytest.param(gzip.compress(b"[]"), id="gzip without a header that says so"),
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_body_that_is_not_json_is_malformed(service: Client, body: bytes) -> None:
    _assert_problem(_send(service, body), 400, "malformed_body")


@pytest.mark.parametrize(
    "spoilt",
    [
        b'{"meterId":"M-1","kwhConsumedAc":NaN}',
        b'{"meterId":"M-1","kwhConsumedAc":-Infinity}',
        b'{"meterId":"M-1","kwhConsumedAc":01}',
        b'{"meterId":"M-1",}',
        b'{"meterId":"\\ud800"}',
        b'{"meterId":"\\x41"}',
        b'{"meterId":"M\x011"}',
        b"//",
    ],
    ids=repr,
)
def test_what_is_not_json_spoils_its_own_item_or_line_and_no_other(service: Client, spoilt: bytes) -> None:
    for begin, between, end, headers in (
        (b"\xef\xbb\xbf[", b",", b"]", _JSON),
        (b"\xef\xbb\xbf", b"\n", b"\n", _NDJSON),
    ):
        good = msgspec.json.encode(meter_reading(_new_id()))
        answer = _send(service, begin + good + between + spoilt + end, headers)
        assert answer.status == 200
        assert (answer.json["accepted"], answer.json["rejected"]) == (1, 1)
        assert [(error["index"], error["code"]) for error in answer.json["errors"]] == [(1, "malformed_item")]
        alone = _send(service, begin + spoilt + end, headers)
        document = _assert_problem(alone, 422, "no_reading_accepted")
        assert [error["code"] for error in document["errors"]] == ["malformed_item"]


@pytest.mark.parametrize(("body", "headers"), [(b"[]", _JSON), (b"", _NDJSON), (b"\n\n", _NDJSON)])
def test_a_request_without_readings_is_refused_with_zero_counts(
    service: Client, body: bytes, headers: dict[str, str]
) -> None:
    document = _assert_problem(_send(service, body, headers), 422, "no_reading_accepted")
    assert {name: document[name] for name in ("accepted", "duplicates", "conflicts", "rejected", "errors")} == {
        "accepted": 0,
        "duplicates": 0,
        "conflicts": 0,
        "rejected": 0,
        "errors": [],
    }


@pytest.mark.parametrize("body", [b"5", b'"M-1"', b"null", b"true", b"[1]", b'[[{"meterId":"M-1"}]]', b"[null,null]"])
def test_json_that_holds_no_objects_is_refused_item_by_item(service: Client, body: bytes) -> None:
    document = _assert_problem(_send(service, body), 422, "no_reading_accepted")
    assert {error["code"] for error in document["errors"]} == {"not_an_object"}
    assert document["rejected"] == len(document["errors"])


def test_an_object_that_holds_an_array_of_readings_is_one_bad_reading(service: Client) -> None:
    document = _assert_problem(
        _send(service, msgspec.json.encode({"readings": [meter_reading()]})), 422, "no_reading_accepted"
    )
    assert [(error["index"], error["code"]) for error in document["errors"]] == [(0, "no_id")]


def test_a_body_larger_than_the_limit_is_refused_with_a_length_and_without(service: Client) -> None:
    body = _body(meter_reading(_new_id())) + b" " * 10_000_000
    _assert_problem(_send(service, body), 413, "body_too_large")
    chunks = [body[begin : begin + 65_536] for begin in range(0, len(body), 65_536)]
    _assert_problem(_streamed(service, chunks, _JSON), 413, "body_too_large")


def _sent_whole(client: Client, head: str, body: bytes) -> bytes:
    """What is answered to a client that looks for an answer only when it has sent all of its body, and has the
    connection closed then."""
    parts = urlsplit(client.address)
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=30) as connection:
        sent = f"{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{sent}Content-Length: {len(body)}\r\n\r\n".encode())
        # The answer may be there before the body is, which a service in a hurry would close the connection upon.
        time.sleep(0.1)
        for begin in range(0, len(body), 65_536):
            connection.sendall(body[begin : begin + 65_536])
        answer = bytearray()
        while received := connection.recv(65_536):
            answer += received
    return bytes(answer)


@pytest.mark.parametrize(
    ("head", "size", "code"),
    [
        ("POST /v1/ingest", _MAX_BODY_BYTES + 1, b"body_too_large"),
        ("POST /v1/ingest", 3 * _MAX_BODY_BYTES, b"body_too_large"),
        ("POST /v1/assignments", 3 * _MAX_BODY_BYTES, b"body_too_large"),
        ("POST /v1/ingest?strict=maybe", 1_000_000, b"invalid_parameter"),
        ("PUT /v1/ingest", 1_000_000, b"method_not_allowed"),
        ("POST /v1/nothing", 1_000_000, b"unknown_route"),
    ],
)
def test_who_sends_on_after_being_refused_learns_why(service: Client, head: str, size: int, code: bytes) -> None:
    answer = _sent_whole(service, head, b" " * size)
    assert b'"code":"%b"' % code in answer
    assert b"\r\nconnection: close\r\n" in answer


def test_who_waits_for_leave_to_go_on_is_refused_before_sending(service: Client) -> None:
    parts = urlsplit(service.address)
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=10) as connection:
        head = "POST /v1/ingest HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue"
        connection.sendall(f"{head}\r\nContent-Length: {_MAX_BODY_BYTES + 1}\r\n\r\n".encode())
        answer = connection.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nconnection: close\r\n" in answer


def test_bodies_that_come_slowly_are_bounded_together_and_small_ones_pass(postgres_server: Server) -> None:
    # The first body is held unfinished while others come. It alone may grow past the limit for all, since its own
    # limit bounds it; another that grows beside it is turned away, and what fits is answered all the while.
    body = _body(meter_reading(_new_id())) + b" " * 200_000
    with postgres_server.new_database() as url:
        migrate.migrate(url, "postgres")
        with running_service(DATABASE_URL=url, ENERGY_MAX_BODY_BYTES_HELD="100000") as client:
            parts = urlsplit(client.address)
            assert parts.hostname is not None
            with closing(http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)) as slow:
                slow.putrequest("POST", "/v1/ingest")
                for name, value in {**_JSON, "Content-Length": str(len(body))}.items():
                    slow.putheader(name, value)
                slow.endheaders(body[:-1])
                # Until all that was sent has arrived and is held.
                while (refused := _streamed(client, [body[:90_000], body[90_000:]], _JSON)).status == 200:
                    pass
                _assert_problem(refused, 503, "overloaded")
                assert int(refused.headers["retry-after"]) > 0
                assert _send(client, _body(meter_reading(_new_id()))).status == 200
                slow.send(body[-1:])
                assert slow.getresponse().status == 200
            # What was held is let go of.
            assert _streamed(client, [body], _JSON).status == 200


def test_a_body_of_exactly_the_limit_is_read_and_one_byte_more_is_not(service: Client) -> None:
    reading = _body(meter_reading(_new_id()))
    most = reading + b" " * (_MAX_BODY_BYTES - len(reading))
    assert _send(service, most).status == 200
    assert _send(service, gzip.compress(most), _GZIP).status == 200
    assert _streamed(service, [most], _JSON).status == 200
    for answer in (
        _send(service, most + b" "),
        _send(service, gzip.compress(most + b" "), _GZIP),
        _streamed(service, [most, b" "], _JSON),
    ):
        _assert_problem(answer, 413, "body_too_large")


@pytest.mark.parametrize("count", [_MAX_READINGS + 1, 90_000])
def test_more_readings_than_the_limit_are_refused_whole(service: Client, count: int) -> None:
    meter_id = _new_id()
    reading = f'{{"meterId":"{meter_id}","kwhConsumedAc":1,"voltage":1,"timestamp":"{now():%FT%TZ}"}}'.encode()
    # Items that are no readings count as well.
    for item in (reading, b"0"):
        for body, headers in ((b"[" + b",".join([item] * count) + b"]", _JSON), (b"\n".join([item] * count), _NDJSON)):
            assert len(body) <= _MAX_BODY_BYTES
            _assert_problem(_send(service, body, headers), 413, "too_many_readings")
    assert service.get(f"/v1/live/meters/{meter_id}").status == 404


# Content type and encoding


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"Content-Type": "application/json; charset=utf-8"},
        {"Content-Type": "application/json;charset=utf-8"},
        {"Content-Type": "APPLICATION/JSON"},
        {"Content-Type": "Application/JSON ; charset=UTF-8"},
        {**_JSON, "Content-Encoding": "identity"},
    ],
    ids=str,
)
def test_json_is_read_as_such_however_its_type_is_written(service: Client, headers: dict[str, str]) -> None:
    answer = _send(service, _body(meter_reading(_new_id())), headers)
    assert (answer.status, answer.json["accepted"]) == (200, 1)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/xml"},
        {"Content-Type": "application/jsonp"},
        {"Content-Type": "application/json, text/plain"},
        {"Content-Type": "text/plain; application/json"},
        {"Content-Type": "application"},
        {"Content-Type": ";charset=utf-8"},
        {"Content-Type": ""},
        {**_JSON, "Content-Encoding": "br"},
        {**_JSON, "Content-Encoding": "deflate"},
        {**_JSON, "Content-Encoding": "gzip, gzip"},
        {**_JSON, "Content-Encoding": "zstd"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/v1/ingest", "/v1/assignments"])
def test_an_unknown_content_type_or_encoding_is_refused(service: Client, path: str, headers: dict[str, str]) -> None:
    answer = service.request("POST", path, _body(meter_reading()), headers)
    _assert_problem(answer, 415, "unsupported_media_type")


def test_a_correction_is_not_read_from_lines(service: Client) -> None:
    answer = service.request("PATCH", "/v1/assignments/1", b"{}", _NDJSON)
    _assert_problem(answer, 415, "unsupported_media_type")


_PACKED = gzip.compress(_body({"meterId": "M-packed", "kwhConsumedAc": 1, "voltage": 230, "timestamp": "2026"}) * 50)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\x1f",
        _PACKED[:10],
        _PACKED[: len(_PACKED) // 2],
        _PACKED[:-1],
        _PACKED[:-8] + b"\x00" * 8,
        _PACKED[:20] + b"\xff\xff" + _PACKED[22:],
        _PACKED + b"garbage",
        _PACKED + _PACKED[:5],
        zlib.compress(b"[]"),
    ],
    ids=[
        "empty",
        "plain",
        "one byte",
        "a header alone",
        "half",
        "one byte short",
        "a wrong checksum",
        "spoilt in the middle",
        "garbage after the end",
        "another that is cut off",
        "deflate",
    ],
)
def test_a_body_that_is_not_gzip_though_it_says_so_is_malformed(service: Client, body: bytes) -> None:
    _assert_problem(_send(service, body, _GZIP), 400, "malformed_body")


def test_gzip_in_several_members_and_in_single_bytes_is_read(service: Client) -> None:
    first, second = (msgspec.json.encode(meter_reading(_new_id())) for _ in range(2))
    members = gzip.compress(b"[" + first + b",") + gzip.compress(b"") + gzip.compress(second + b"]")
    assert _send(service, members, _GZIP).json["accepted"] == 2
    byte_by_byte = [members[i : i + 1] for i in range(len(members))]
    assert _streamed(service, byte_by_byte, _GZIP).json["duplicates"] == 2


def test_a_small_body_that_decompresses_to_a_large_one_is_refused(service: Client) -> None:
    nearly = gzip.compress(b"[" + b" " * (_MAX_BODY_BYTES - 100), 1)
    bombs = {
        "one member": gzip.compress(b" " * 100_000_000, 1),
        "two members": nearly + nearly,
        "a bomb in a bomb": gzip.compress(gzip.compress(b" " * 100_000_000, 1) + b"\x00" * _MAX_BODY_BYTES, 1),
    }
    for bomb in bombs.values():
        assert len(bomb) < _MAX_BODY_BYTES / 10
        _assert_problem(_send(service, bomb, _GZIP), 413, "body_too_large")


def test_gzip_that_goes_on_without_ever_giving_anything_is_refused(service: Client) -> None:
    # Empty members decompress to nothing, however many there are: what is sent has to be counted too, or a client
    # without a Content-Length would be read, and inflated, for ever.
    chunk = gzip.compress(b"") * 3000
    answer = _streamed(service, itertools.repeat(chunk, 3 * _MAX_BODY_BYTES // len(chunk)), _GZIP)
    _assert_problem(answer, 413, "body_too_large")


# Items

_BAD_VALUES = [
    *(
        ("kwhConsumedAc", text, code)
        for text, code in [
            ("null", "wrong_type"),
            ("true", "wrong_type"),
            ("false", "wrong_type"),
            ('"12.4"', "wrong_type"),
            ('""', "wrong_type"),
            ("[]", "wrong_type"),
            ("[1]", "wrong_type"),
            ("{}", "wrong_type"),
            ("[" * 200 + "]" * 200, "wrong_type"),
            ("-0.1", "negative_energy"),
            ("-1e-300", "negative_energy"),
            ("1e400", "out_of_range"),
            ("-1e400", "negative_energy"),
            ("1" + "0" * 400, "out_of_range"),
            ("18446744073709551616", "out_of_range"),
            ("1000000000.1", "out_of_range"),
        ]
    ),
    ("voltage", "50000.1", "out_of_range"),
    ("voltage", "-1", "out_of_range"),
    ("voltage", '"230 V"', "wrong_type"),
    ("soc", "100.1", "out_of_range"),
    ("soc", "-0.1", "out_of_range"),
    ("soc", '"55%"', "wrong_type"),
    ("kwhDeliveredDc", "-1", "negative_energy"),
    ("kwhDeliveredDc", "null", "wrong_type"),
    ("batteryTemp", "-60.1", "out_of_range"),
    ("batteryTemp", "201", "out_of_range"),
    ("batteryTemp", "true", "wrong_type"),
    *(
        (name, text, code)
        for name in ("meterId", "vehicleId")
        for text, code in [
            ('""', "invalid_id"),
            ('"' + "a" * 65 + '"', "invalid_id"),
            ('"."', "invalid_id"),
            ('".."', "invalid_id"),
            ('"a b"', "invalid_id"),
            ('" a"', "invalid_id"),
            ('"a/b"', "invalid_id"),
            ('"a\\n"', "invalid_id"),
            ('"\\n"', "invalid_id"),
            ('"a\\u0000"', "invalid_id"),
            ('"a\\u0000b"', "invalid_id"),
            ('"a\';DROP TABLE x"', "invalid_id"),
            ('"é"', "invalid_id"),
            ('"\\ud83d\\ude00"', "invalid_id"),
            ('"٣"', "invalid_id"),
            ("101", "wrong_type"),
            ("true", "wrong_type"),
            ('["M-101"]', "wrong_type"),
            ('{"id":"M-101"}', "wrong_type"),
        ]
    ),
    *(
        ("timestamp", text, code)
        for text, code in [
            ("1700000000", "wrong_type"),
            ("1.7e12", "wrong_type"),
            ("null", "wrong_type"),
            ("{}", "wrong_type"),
            ('""', "invalid_timestamp"),
            ('"now"', "invalid_timestamp"),
            ('"1700000000"', "invalid_timestamp"),
            ('"2026-01-01"', "invalid_timestamp"),
            ('"2026-01-01T00:00:00"', "invalid_timestamp"),
            ('"2026-13-01T00:00:00Z"', "invalid_timestamp"),
            ('"2026-02-29T00:00:00Z"', "invalid_timestamp"),
            ('"2026-01-01T24:00:00Z"', "invalid_timestamp"),
            ('"2026-01-01T00:00:00Z "', "invalid_timestamp"),
            ('"2026-01-01T00:00:00+25:00"', "invalid_timestamp"),
            ('"2026-01-01T00:00:00 Europe/Berlin"', "invalid_timestamp"),
            ('"Thu, 01 Jan 2026 00:00:00 GMT"', "invalid_timestamp"),
            ('"12026-01-01T00:00:00Z"', "invalid_timestamp"),
            ('"infinity"', "invalid_timestamp"),
            ('"2030-01-01T00:00:00Z"', "timestamp_in_future"),
            ('"9999-12-31T23:59:59Z"', "timestamp_in_future"),
            ('"9999-12-31T23:59:59-14:00"', "timestamp_in_future"),
            ('"1999-01-01T00:00:00Z"', "timestamp_too_old"),
            ('"1970-01-01T00:00:00Z"', "timestamp_too_old"),
            ('"0001-01-01T00:00:00Z"', "timestamp_too_old"),
            ('"0001-01-01T00:00:00+14:00"', "timestamp_too_old"),
        ]
    ),
]


@pytest.mark.parametrize(
    ("field", "text", "code"), _BAD_VALUES, ids=[f"{field}={text[:24]}" for field, text, _ in _BAD_VALUES]
)
def test_a_bad_value_costs_its_own_reading_and_no_other(service: Client, field: str, text: str, code: str) -> None:
    kinds = (meter_reading(_new_id()), vehicle_reading(_new_id("V")))
    reading = next(reading for reading in kinds if field in reading)
    spoilt = msgspec.json.encode({**reading, field: msgspec.Raw(text.encode())})
    good_before, good_after = _new_id("A"), _new_id("B")
    body = _body(meter_reading(good_before), msgspec.Raw(spoilt), vehicle_reading(good_after))
    for answer in (
        _send(service, body),
        _send(service, b"\n".join(msgspec.json.decode(body, type=list[msgspec.Raw])), _NDJSON),
    ):
        assert answer.status == 200, answer.body
        assert answer.json["rejected"] == 1
        assert answer.json["accepted"] + answer.json["duplicates"] == 2
        [error] = answer.json["errors"]
        assert (error["index"], error["code"], error["field"]) == (1, code, field)
        assert error["detail"]
    assert service.get(f"/v1/live/meters/{good_before}").status == 200
    assert service.get(f"/v1/live/vehicles/{good_after}").status == 200
    alone = _assert_problem(_send(service, spoilt), 422, "no_reading_accepted")
    assert [(error["index"], error["code"], error["field"]) for error in alone["errors"]] == [(0, code, field)]


@pytest.mark.parametrize(
    ("reading", "code", "field"),
    [
        ({}, "no_id", None),
        ({"meter_id": "M-1", "kwhConsumedAc": 1, "voltage": 230}, "no_id", None),
        ({"meterId": "M-1", "vehicleId": "V-1"}, "both_ids", None),
        ({**meter_reading(), **vehicle_reading()}, "both_ids", None),
        ({"meterId": "M-1"}, "missing_field", "kwhConsumedAc"),
        ({"meterId": "M-1", "kwhConsumedAc": 1}, "missing_field", "voltage"),
        ({"meterId": "M-1", "kwhConsumedAc": 1, "voltage": 230}, "missing_field", "timestamp"),
        ({"vehicleId": "V-1"}, "missing_field", "soc"),
        ({"vehicleId": "V-1", "soc": 1}, "missing_field", "kwhDeliveredDc"),
        ({"vehicleId": "V-1", "soc": 1, "kwhDeliveredDc": 1}, "missing_field", "batteryTemp"),
        ({"vehicleId": "V-1", "soc": 1, "kwhDeliveredDc": 1, "batteryTemp": 1}, "missing_field", "timestamp"),
        ({"vehicleId": "V-1", "kwhConsumedAc": 1, "voltage": 230, "timestamp": now()}, "missing_field", "soc"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else None,
)
def test_a_reading_that_lacks_something_gets_what_it_lacks(
    service: Client, reading: dict[str, Any], code: str, field: str | None
) -> None:
    document = _assert_problem(service.post("/v1/ingest", reading), 422, "no_reading_accepted")
    assert [(error["index"], error["code"], error["field"]) for error in document["errors"]] == [(0, code, field)]


@pytest.mark.parametrize("text", ["0", "-0", "-0.0", "1e-400", "1000000000", "1E+2", "0.1e1"])
def test_a_number_at_the_edge_of_what_is_allowed_is_kept(service: Client, text: str) -> None:
    meter_id = _new_id()
    answer = service.post("/v1/ingest", meter_reading(meter_id, kwhConsumedAc=msgspec.Raw(text.encode())))
    assert (answer.status, answer.json["accepted"]) == (200, 1)
    assert service.get(f"/v1/live/meters/{meter_id}").json["kwhConsumedAc"] == float(text)


def test_unknown_keys_cost_nothing_whatever_they_hold(service: Client) -> None:
    meter_id = _new_id()
    strange: dict[str, Any] = {
        "": None,
        "firmware": {"a": [[], {}]},
        "soc": "of no meter",
        "METERID": 5,
        "timeStamp": "x",
    }
    answer = _send(service, _body({**strange, **meter_reading(meter_id)}))
    assert (answer.status, answer.json) == (
        200,
        {"accepted": 1, "duplicates": 0, "conflicts": 0, "rejected": 0, "errors": []},
    )
    assert service.get(f"/v1/live/meters/{meter_id}").json["voltage"] == 230.0


@pytest.mark.parametrize("first", ["1", '"x"'])
def test_of_a_key_that_comes_twice_the_last_counts(service: Client, first: str) -> None:
    meter_id = _new_id()
    body = msgspec.json.encode(meter_reading(meter_id)).replace(b'"voltage":', f'"voltage":{first},"voltage":'.encode())
    answer = _send(service, body)
    assert (answer.status, answer.json.get("accepted")) == (200, 1), answer.body
    assert service.get(f"/v1/live/meters/{meter_id}").json["voltage"] == 230.0


def test_bytes_that_are_not_utf8_cost_their_own_reading(service: Client) -> None:
    good, spoilt = (msgspec.json.encode(meter_reading(_new_id())) for _ in range(2))
    for bytes_ in (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80"):
        body = b"[" + good + b"," + spoilt.replace(b'"M-', b'"' + bytes_) + b"]"
        answer = _send(service, body)
        assert answer.status == 200, answer.body
        assert [(error["index"], error["code"]) for error in answer.json["errors"]] == [(1, "invalid_id")]


@pytest.mark.parametrize("bad", [99, 100, 101, 5000])
def test_errors_are_listed_to_a_hundred_and_counted_all(service: Client, bad: int) -> None:
    document = _assert_problem(_send(service, _body(*([{}] * bad))), 422, "no_reading_accepted")
    assert document["rejected"] == bad
    assert [error["index"] for error in document["errors"]] == list(range(min(bad, 100)))
    # The same with good ones between, which are kept: the errors listed are the first.
    items = [item for _ in range(bad) for item in ({}, meter_reading(_new_id()))]
    answer = _send(service, _body(*items))
    assert (answer.status, answer.json["accepted"], answer.json["rejected"]) == (200, bad, bad)
    assert [error["index"] for error in answer.json["errors"]] == list(range(0, 2 * bad, 2))[:100]


def test_conflicts_are_listed_among_the_errors_in_order_of_index(service: Client) -> None:
    known = meter_reading(_new_id())
    service.ingest(known)
    answer = _send(service, _body({}, {**known, "voltage": 1}, known, 5, {**known, "voltage": 2}))
    assert answer.status == 200
    counts = {name: answer.json[name] for name in ("accepted", "duplicates", "conflicts", "rejected")}
    assert counts == {"accepted": 0, "duplicates": 1, "conflicts": 2, "rejected": 2}
    assert [(error["index"], error["code"]) for error in answer.json["errors"]] == [
        (0, "no_id"),
        (1, "conflict"),
        (3, "not_an_object"),
        (4, "conflict"),
    ]
    assert service.get(f"/v1/live/meters/{known['meterId']}").json["voltage"] == 230.0


def test_a_strict_request_with_a_bad_reading_keeps_none(service: Client) -> None:
    good = _new_id()
    answer = _send(service, _body(meter_reading(good), {}), query="?strict=true")
    document = _assert_problem(answer, 422, "strict_rejected")
    assert (document["accepted"], document["rejected"]) == (0, 1)
    assert [(error["index"], error["code"]) for error in document["errors"]] == [(1, "no_id")]
    assert service.get(f"/v1/live/meters/{good}").status == 404


def test_a_strict_request_with_a_conflict_keeps_none(service: Client) -> None:
    known, new = meter_reading(_new_id()), _new_id()
    service.ingest(known)
    answer = _send(service, _body(meter_reading(new), {**known, "voltage": 1}), query="?strict=true")
    _assert_problem(answer, 409, "conflict")
    assert service.get(f"/v1/live/meters/{new}").status == 404


# Routes and methods


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/ingest", {"POST"}),
        ("PUT", "/v1/ingest", {"POST"}),
        ("OPTIONS", "/v1/ingest", {"POST"}),
        ("POST", "/v1/live/meters", {"GET", "HEAD"}),
        ("DELETE", "/v1/live/vehicles/V-1", {"GET", "HEAD"}),
        ("POST", "/v1/analytics/performance/V-1", {"GET", "HEAD"}),
        ("PUT", "/v1/assignments", {"GET", "HEAD", "POST"}),
        ("DELETE", "/v1/assignments", {"GET", "HEAD", "POST"}),
        ("PUT", "/v1/assignments/1", {"DELETE", "GET", "HEAD", "PATCH"}),
        ("POST", "/livez", {"GET", "HEAD"}),
        ("POST", "/metrics", {"GET", "HEAD"}),
        ("PATCH", "/", {"GET", "HEAD"}),
    ],
)
def test_a_method_that_is_not_served_gets_those_that_are(
    service: Client, method: str, path: str, allowed: set[str]
) -> None:
    answer = service.request(method, path, headers=_JSON)
    _assert_problem(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/v1",
        "/v1/ingests",
        "/v2/ingest",
        "//",
        "/v1/lives",
        "/V1/INGEST",
        "/%00",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_path_that_is_not_served_is_unknown(service: Client, method: str, path: str) -> None:
    _assert_problem(service.request(method, path, headers=_JSON), 404, "unknown_route")


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/ingest/"), ("GET", "/v1/live/meters/"), ("GET", "/livez/")])
def test_a_slash_too_many_is_an_unknown_path_and_no_redirect(service: Client, method: str, path: str) -> None:
    # A redirect would be made up from the Host that the client named, and behind a proxy without its TLS.
    _assert_problem(service.request(method, path, headers=_JSON), 404, "unknown_route")


_BAD_IDS = ["a%20b", "a%0A", "%0A", "%00", "a%00b", "a" * 65, "%FF", "%C3%A9", "%F0%9F%98%80", "a'--", "%25", "a%09"]


@pytest.mark.parametrize("device_id", _BAD_IDS, ids=repr)
@pytest.mark.parametrize(
    "path",
    [
        operation.path
        for operation in OPERATIONS
        if operation.method == "GET" and "{id}" in operation.path and not operation.path.startswith("/v1/assignments/")
    ],
)
def test_an_id_that_no_device_can_have_is_an_unknown_device(service: Client, path: str, device_id: str) -> None:
    answer = service.request("GET", path.replace("{id}", device_id))
    assert answer.json["code"] in ("unknown_vehicle", "unknown_meter", "unknown_session", "unknown_correction")
    _assert_problem(answer, 404, answer.json["code"])


@pytest.mark.parametrize("assignment_id", ["0", "-1", "1.0", "1e3", "x", "+1", "%C2%B2", "%00", "9" * 19, "9" * 5000])
def test_an_id_that_no_assignment_has_is_an_unknown_assignment(service: Client, assignment_id: str) -> None:
    for method, body in (("PATCH", b'{"to":null}'), ("GET", None), ("DELETE", None)):
        answer = service.request(method, f"/v1/assignments/{assignment_id}", body, _JSON)
        _assert_problem(answer, 404, "unknown_assignment")


# Query parameters

_BAD_OF_ANY = ["", "no such thing!", "%00", "%FF", "%0A"]
_BAD_INSTANTS = [
    "2026-01-01",
    "2026-01-01T00:00:00",
    "2026-01-01 00:00",
    "2026-02-30T00:00:00Z",
    "1700000000",
    "infinity",
    "-infinity",
    "0001-01-01T00:00:00%2B14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-01-01T00:00:00Z%00",
]
_BAD_NUMBERS = ["-1", "1.5", "1e2", "0x1", "%2B5", "%C2%B2", "%D9%A3", "9" * 20, "9" * 5000, "NaN", "1_0", "%205"]
_BAD_OF_NAME = {
    "from": _BAD_INSTANTS,
    "to": _BAD_INSTANTS,
    "at": _BAD_INSTANTS,
    "limit": [*_BAD_NUMBERS, "0", "1001", "9" * 19],
    "charging": ["1", "TRUE", "yes", "null"],
    "strict": ["1", "True", "on", "null"],
    "partial": ["1", "True", "on", "null"],
    "silentFor": ["-1", "1w", "1h30m", "h", "nan", "inf", "1e3", ".5", "5.", "5 s", "%D9%A3", "9" * 13, "9" * 5000],
    "meterId": _BAD_IDS,
    "vehicleId": _BAD_IDS,
}
_PARAMETERS = [
    (operation.method, operation.path, parameter.name, schema_type)
    for operation in OPERATIONS
    for parameter in operation.query
    for schema_type in [parameter.schema.get("type")]
    # Text of any words; what is too long, or no line, has a test where assignments have theirs.
    if parameter.name not in ("site", "group", "search", "reason")
]


@pytest.mark.parametrize(
    ("method", "path", "name", "schema_type"), _PARAMETERS, ids=[" ".join(map(str, row)) for row in _PARAMETERS]
)
def test_a_parameter_that_cannot_be_used_is_refused_by_name(
    service: Client, method: str, path: str, name: str, schema_type: str
) -> None:
    path = path.replace("{id}", "V-1")
    specific = _BAD_OF_NAME.get(name, [])
    if name == "after":
        specific = _BAD_NUMBERS if schema_type == "integer" else _BAD_IDS
    for text in [*_BAD_OF_ANY, *specific]:
        body = b"[]" if method == "POST" else None
        answer = service.request(method, f"{path}?{name}={text.replace(' ', '%20')}", body, _JSON)
        document = _assert_problem(answer, 422, "invalid_parameter")
        assert document["field"] == name, text


@pytest.mark.parametrize(
    "operation",
    [operation for operation in OPERATIONS if operation.path.startswith("/v1/")],
    ids=lambda operation: f"{operation.method} {operation.path}",
)
def test_a_parameter_that_is_not_known_or_comes_twice_is_refused_with_those_that_are(
    service: Client, operation: Operation
) -> None:
    def refused(query: str) -> Any:
        path = operation.path.replace("{id}", "1")
        body = None if operation.body is None else b"{}"
        # A POST names its type, with or without a body.
        typed = _JSON if operation.method == "POST" or body is not None else {}
        answer = service.request(operation.method, f"{path}?{query}", body, typed)
        return _assert_problem(answer, 422, "invalid_parameter")

    known = [parameter.name for parameter in operation.query if parameter.place == "query"]
    for name in ("start", "vehicleid", "Strict", "%20from", "x", ""):
        document = refused("&".join([*(f"{one}=1" for one in known), f"{name}=1"]))
        assert document["field"] == unquote(name)
        assert document["detail"].endswith(f" is unknown: this request takes {', '.join(known) or 'none'}")
    for name in known:
        document = refused(f"{name}=1&{name}=1")
        assert (document["field"], document["detail"]) == (name, f"{name} must be given once")


def test_a_parameter_that_is_not_known_keeps_a_reading_out(service: Client) -> None:
    meter_id = _new_id()
    for query in ("?Strict=true", "?strict=true&strict=true"):
        _assert_problem(_send(service, _body(meter_reading(meter_id)), query=query), 422, "invalid_parameter")
    assert service.get(f"/v1/live/meters/{meter_id}").status == 404


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/"])
def test_probes_and_pages_leave_parameters_alone(service: Client, path: str) -> None:
    assert service.get(path, of="a probe").status == 200


def test_a_window_that_ends_before_it_begins_or_is_too_long_is_refused(service: Client) -> None:
    path = "/v1/analytics/performance/V-1"
    at = minutes_ago(60)
    for begins, ends in (
        (at, at),
        (at + timedelta(microseconds=1), at),
        (at - timedelta(days=31, hours=1, microseconds=1), at),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
    ):
        text = [value if isinstance(value, str) else value.isoformat() for value in (begins, ends)]
        document = _assert_problem(service.get(path, from_=text[0], to=text[1]), 422, "invalid_parameter")
        assert document["field"] == "from"
    # A window without a start begins a day before its end, which has to be possible.
    early = _assert_problem(service.get(path, to="0001-01-01T00:00:00Z"), 422, "invalid_parameter")
    assert early["field"] == "to"
    _assert_problem(service.get(path, from_="2199-01-01T00:00:00Z"), 422, "invalid_parameter")


def test_a_plus_sign_that_nobody_escaped_is_taken_for_one(service: Client) -> None:
    vehicle_id = _new_id("V")
    service.ingest(vehicle_reading(vehicle_id, minutes_ago(5)))
    path = f"/v1/analytics/performance/{vehicle_id}"
    for ends in ("2026-01-02T01:00:00+01:00", "2026-01-02T05:45:00.250000+05:45"):
        asked = f"{path}?from=2026-01-01T00:00:00+00:00&to="
        bare, escaped = (service.request("GET", asked + text) for text in (ends, quote(ends)))
        assert (bare.status, escaped.status) == (200, 200), bare.body
        assert bare.json == escaped.json
        assert bare.json["window"]["from"] == "2026-01-01T00:00:00Z"
        assert bare.json["window"]["to"].startswith("2026-01-02T00:00:00")
    assert service.request("GET", "/v1/assignments?at=2026-01-01T00:00:00+01:00").status == 200
    # A space elsewhere is no plus sign.
    for text in ("2026-01-01T00:00:00+", "+2026-01-01T00:00:00Z", "2026-01-01+00:00"):
        answer = service.request("GET", f"{path}?from={text}")
        assert _assert_problem(answer, 422, "invalid_parameter")["field"] == "from"


def test_windows_at_the_ends_of_time_are_answered(client: Client) -> None:
    client.ingest(vehicle_reading("V-1"))
    for begins, ends in (
        ("0001-01-01T00:00:00Z", "0001-01-01T00:30:00Z"),
        ("0001-01-01T00:30:00Z", "0001-01-31T23:30:00Z"),
        ("1969-12-31T23:30:00Z", "1970-01-01T00:30:00Z"),
        ("9999-12-01T00:30:00Z", "9999-12-31T23:59:59.999999Z"),
    ):
        answer = client.get("/v1/analytics/performance/V-1", from_=begins, to=ends)
        assert answer.status == 200, answer.body
        assert answer.json["totalEnergy"] == {"acConsumedKwh": None, "dcDeliveredKwh": None, "dcElsewhereKwh": None}
        assert answer.json["window"] == {"from": begins, "to": ends}


@pytest.mark.parametrize("kind", ["meters", "vehicles"])
def test_a_silence_longer_than_the_calendar_goes_back_is_refused(client: Client, kind: str) -> None:
    client.ingest(meter_reading("M-1"), vehicle_reading("V-1"))
    assert client.get(f"/v1/live/{kind}", silentFor="3650d").json == {kind: [], "total": 0, "next": None}
    for silent_for in ("9999999d", "99999999999d", "999999999999", "99999999.9d"):
        document = _assert_problem(client.get(f"/v1/live/{kind}", silentFor=silent_for), 422, "invalid_parameter")
        assert document["field"] == "silentFor"


# Assignments

_ASSIGNMENT = {"meterId": "M-1", "vehicleId": "V-1", "from": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        5,
        None,
        "x",
        [],
        [5],
        [[_ASSIGNMENT]],
        {name: value for name, value in _ASSIGNMENT.items() if name != "meterId"},
        {name: value for name, value in _ASSIGNMENT.items() if name != "vehicleId"},
        {name: value for name, value in _ASSIGNMENT.items() if name != "from"},
        {**_ASSIGNMENT, "until": "2026-01-02T00:00:00Z"},
        {**_ASSIGNMENT, "id": 5},
        {**_ASSIGNMENT, "meterId": "a b"},
        {**_ASSIGNMENT, "meterId": "a\n"},
        {**_ASSIGNMENT, "vehicleId": "a\x00"},
        {**_ASSIGNMENT, "vehicleId": "V" * 65},
        {**_ASSIGNMENT, "vehicleId": 5},
        {**_ASSIGNMENT, "vehicleId": None},
        {**_ASSIGNMENT, "from": None},
        {**_ASSIGNMENT, "from": 1_700_000_000},
        {**_ASSIGNMENT, "from": "2026-01-01T00:00:00"},
        {**_ASSIGNMENT, "from": "infinity"},
        {**_ASSIGNMENT, "to": "2026-01-01T00:00:00Z"},
        {**_ASSIGNMENT, "to": "2025-12-31T23:59:59Z"},
        {**_ASSIGNMENT, "to": "2026-01-02"},
        {**_ASSIGNMENT, "to": False},
        [{**_ASSIGNMENT, "from": "2026-01-01T00:00:00Z"}] * 1001,
    ],
    ids=lambda body: str(body)[:60],
)
def test_an_assignment_that_cannot_be_is_refused(service: Client, body: Any) -> None:
    _assert_problem(service.post("/v1/assignments", body), 422, "invalid_parameter")
    assert service.get("/v1/assignments", meterId="M-1").json["assignments"] == []


@pytest.mark.parametrize("body", [b"", b"{", b'{"from":', b'{"from":NaN}', b"nothing", b"\xff"], ids=repr)
def test_an_assignment_that_is_not_json_is_malformed(service: Client, body: bytes) -> None:
    _assert_problem(service.request("POST", "/v1/assignments", body, _JSON), 400, "malformed_body")
    _assert_problem(service.request("PATCH", "/v1/assignments/1", body, _JSON), 400, "malformed_body")


# The first and the last lie, in UTC, in the year before 1 and in the one after 9999.
_BEYOND = [
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00Z",
    "1969-12-31T23:59:59.999999Z",
    "9999-01-01T00:00:01Z",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-14:00",
]


@pytest.mark.parametrize("beyond", _BEYOND)
def test_an_end_that_no_fleet_can_have_is_refused(client: Client, beyond: str) -> None:
    for document in ({**_ASSIGNMENT, "from": beyond}, {**_ASSIGNMENT, "to": beyond}):
        _assert_problem(client.post("/v1/assignments", document), 422, "invalid_parameter")
        _assert_problem(client.post("/v1/assignments", [document]), 422, "invalid_parameter")
    kept = client.post("/v1/assignments", _ASSIGNMENT)
    assert kept.status == 201
    for change in ({"from": beyond}, {"to": beyond}):
        _assert_problem(client.patch(f"/v1/assignments/{kept.json['id']}", change), 422, "invalid_parameter")
    assert client.get("/v1/assignments").json == {"assignments": [kept.json], "next": None}


def test_the_widest_assignment_there_can_be_is_kept(client: Client) -> None:
    ends = {"from": "1970-01-01T00:00:00Z", "to": "9999-01-01T00:00:00Z"}
    kept = client.post("/v1/assignments", {"meterId": "M-1", "vehicleId": "V-1", **ends})
    assert kept.status == 201
    assert {name: kept.json[name] for name in ends} == ends
    assert client.get("/v1/assignments", at="2026-01-01T00:00:00Z").json["assignments"] == [kept.json]
    assert client.patch(f"/v1/assignments/{kept.json['id']}", {"to": None}).json["to"] is None


@pytest.mark.parametrize(
    "body", [{}, [], 5, None, {"x": 1}, {"from": None}, {"to": 5}, {"to": "2026-01-01"}, {"meterId": "M 2"}], ids=str
)
def test_a_change_that_cannot_be_is_refused(client: Client, body: Any) -> None:
    kept = client.post("/v1/assignments", _ASSIGNMENT).json
    _assert_problem(client.patch(f"/v1/assignments/{kept['id']}", body), 422, "invalid_parameter")
    _assert_problem(
        client.patch(f"/v1/assignments/{kept['id']}", {"to": _ASSIGNMENT["from"]}), 422, "invalid_parameter"
    )
    assert client.get("/v1/assignments").json["assignments"] == [kept]


# What is no HTTP


def _exchange(client: Client, sent: bytes) -> bytes:
    """The first bytes of the answer to bytes that need not be HTTP."""
    parts = urlsplit(client.address)
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=10) as connection:
        connection.sendall(sent)
        return connection.recv(65_536)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTQ/1.1\r\n\r\n",
        b"GET /v1/live/meters/\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nHost: localhost\r\nContent-Length: \xb2\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n[]",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nBroken\x00: x\r\n\r\n",
    ],
    ids=lambda sent: repr(sent[:32]),
)
def test_what_is_not_http_is_answered_with_400(service: Client, sent: bytes) -> None:
    assert _exchange(service, sent).startswith(b"HTTP/1.1 400 ")
    assert service.get("/readyz").status == 200


def test_a_client_that_goes_away_in_the_middle_of_its_body_harms_nothing(service: Client) -> None:
    meter_id = _new_id()
    body = _body(meter_reading(meter_id))
    parts = urlsplit(service.address)
    head = b"POST /v1/ingest HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    length = f"Content-Length: {len(body)}\r\n\r\n".encode()
    cut_off = [
        head,
        head + length,
        head + length + body[:-1],
        head + length + body[: len(body) // 2],
        head + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % len(body) + body,
        head + b"Content-Encoding: gzip\r\n" + length + gzip.compress(body)[: len(body) // 4],
    ]
    for sent in cut_off * 5:
        with socket.create_connection((parts.hostname, parts.port or 80), timeout=10) as connection:
            connection.sendall(sent)
    # The first half of a body is no reading, even where it holds a whole one.
    assert service.get(f"/v1/live/meters/{meter_id}").status == 404
    assert service.ingest(meter_reading(meter_id))["accepted"] == 1
    assert service.get("/readyz").status == 200


# Fuzz

_SEED = 20_260_101
_STRANGE = [
    b"null", b"NaN", b"1e999", b"-0", b"9" * 30, b'""', b"[]", b"{}", b"true", b'"\\u0000"', b"\xff", b"\x00", b"\\",
    b'"', b"[", b"{", b"}", b"]", b",", b":", b"\n", b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-14:00",
    b"9" * 400, b"\xed\xa0\x80", b"\\ud800", b'"meterId"', b'"vehicleId"', b'"from"', b'"to"', b"-", b"e",
]  # fmt: skip
_DESIGNED = {200, 201, 400, 404, 405, 409, 413, 415, 422}


def _mutated(chance: random.Random, text: bytes) -> bytes:
    """The text with a few places cut, doubled, swapped or overwritten."""
    mutated = bytearray(text)
    for _ in range(chance.randint(1, 4)):
        begin = chance.randrange(len(mutated) + 1)
        end = min(len(mutated), begin + chance.randrange(12))
        match chance.randrange(5):
            case 0:
                mutated[begin:end] = b""
            case 1:
                mutated[begin:begin] = mutated[begin:end]
            case 2:
                mutated[begin:end] = chance.choice(_STRANGE)
            case 3:
                mutated[begin:begin] = chance.choice(_STRANGE)
            case _:
                mutated[begin:end] = chance.randbytes(end - begin)
    return bytes(mutated)


class _KeptAlive:
    """Sends one request after the other over one connection, as long as the service keeps it open."""

    def __init__(self, client: Client) -> None:
        parts = urlsplit(client.address)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)

    def request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        self._connection.request(method, path, body, dict(headers))
        response = self._connection.getresponse()
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, named, response.read())

    def close(self) -> None:
        self._connection.close()


def _bodies(chance: random.Random) -> Iterator[tuple[str, str, bytes | None, dict[str, str]]]:
    """Mutated bodies for ingest, plain, as lines and packed."""
    while True:
        readings = [
            meter_reading(f"M-fuzz-{chance.randrange(50)}", minutes_ago(chance.randrange(60))),
            vehicle_reading(f"V-fuzz-{chance.randrange(50)}", minutes_ago(chance.randrange(60))),
        ]
        match chance.randrange(4):
            case 0:
                yield "POST", "/v1/ingest", _mutated(chance, _body(*readings)), _JSON
            case 1:
                yield "POST", "/v1/ingest", _mutated(chance, msgspec.json.encode(chance.choice(readings))), _JSON
            case 2:
                lines = b"\n".join(map(msgspec.json.encode, readings))
                yield "POST", "/v1/ingest", _mutated(chance, lines), _NDJSON
            case _:
                packed = gzip.compress(_mutated(chance, _body(*readings)))
                yield "POST", "/v1/ingest", packed if chance.random() < 0.5 else _mutated(chance, packed), _GZIP


def _assigned(chance: random.Random) -> Iterator[tuple[str, str, bytes | None, dict[str, str]]]:
    """Mutated assignments, events, changes of them, and what is known of devices."""
    while True:
        begins = minutes_ago(chance.randrange(10_000))
        ends = chance.choice([None, begins + timedelta(minutes=chance.randrange(1, 100))])
        wanted = {"meterId": f"M-{chance.randrange(20)}", "vehicleId": f"V-{chance.randrange(20)}", "from": begins}
        happened = {"event": chance.choice(["plugIn", "plugOut", "handOver"]), "at": begins, **wanted}
        del happened["from"]
        match chance.randrange(6):
            case 5:
                device = {"energyReading": "register", "since": begins, "ratedPowerKw": 11, "registerModulusKwh": 1000}
                path, document = chance.choice([
                    ("/v1/meters/M-1", device),
                    ("/v1/vehicles/V-1", {**device, "batteryCapacityKwh": 60}),
                    ("/v1/fleet/defaults", {"meters": {"energyReading": "register", "since": begins}}),
                ])  # fmt: skip
                yield "PUT", path, _mutated(chance, msgspec.json.encode(document)), _JSON
            case 0:
                yield "POST", "/v1/assignments", _mutated(chance, msgspec.json.encode({**wanted, "to": ends})), _JSON
            case 3:
                yield "POST", "/v1/assignments/events", _mutated(chance, msgspec.json.encode(happened)), _JSON
            case 4:
                lines = b"\n".join(map(msgspec.json.encode, [happened, wanted]))
                path = chance.choice(["/v1/assignments/events", "/v1/assignments?partial=true"])
                yield "POST", path, _mutated(chance, lines), _NDJSON
            case 1:
                yield "POST", "/v1/assignments", _mutated(chance, _body(wanted, {**wanted, "to": ends})), _JSON
            case _:
                change = _mutated(chance, msgspec.json.encode({"from": begins, "to": ends}))
                yield "PATCH", f"/v1/assignments/{chance.randrange(1, 60)}", change, _JSON


def _asked(chance: random.Random) -> Iterator[tuple[str, str, bytes | None, dict[str, str]]]:
    """Mutated ids and query strings of everything that is asked."""
    asked = [operation for operation in OPERATIONS if operation.method == "GET" and operation.path.startswith("/v1/")]
    plausible = {
        "from": "2026-01-01T00:00:00+01:00",
        "to": "2026-01-02T00:00:00Z",
        "at": "2026-01-01T12:00:00Z",
        "limit": "100",
        "after": "1",
        "charging": "true",
        "silentFor": "12.5h",
        "meterId": "M-1",
        "vehicleId": "V-1",
    }
    while True:
        operation = chance.choice(asked)
        device_id = b"V-fuzz-1"
        path = operation.path.replace(
            "{id}", quote(_mutated(chance, device_id) if chance.random() < 0.2 else device_id)
        )
        names = [parameter.name for parameter in operation.query if chance.random() < 0.6]
        values = [(name, plausible.get(name, "1").encode()) for name in names]
        query = urlencode([(name, _mutated(chance, text) if chance.random() < 0.6 else text) for name, text in values])
        yield "GET", f"{path}?{query}", None, {}


@pytest.mark.parametrize("requests", [_bodies, _assigned, _asked], ids=["ingest", "assignments", "queries"])
def test_no_mutation_of_a_valid_request_is_ever_an_unforeseen_error(client: Client, requests: Any) -> None:
    chance = random.Random(_SEED)
    statuses: dict[int, int] = {}
    with closing(_KeptAlive(client)) as connection:
        for method, path, body, headers in itertools.islice(requests(chance), 1200):
            answer = connection.request(method, path, body, headers)
            request_and_answer = (method, path, body, answer.body)
            is_designed = answer.status in _DESIGNED or answer.json["code"] == "not_computed_yet"
            assert is_designed, request_and_answer
            statuses[answer.status] = statuses.get(answer.status, 0) + 1
            if answer.status >= 400:
                assert answer.headers["content-type"] == "application/problem+json", request_and_answer
                assert answer.json["status"] == answer.status, request_and_answer
            else:
                assert answer.json is not None, request_and_answer
    assert client.get("/readyz").status == 200
    # Mutations that all fail alike, or all pass, would have tried little.
    assert len([status for status, count in statuses.items() if count > 20]) >= 2, statuses
    assert client.ingest(meter_reading("M-after"))["accepted"] == 1
