"""What an answer says about a value that is not allowed: a sentence that names the field and what it allows.

Fields come from the structs of the wire, so that a new one is tried too.
"""

import itertools
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import msgspec
import pytest

from app.db import migrate
from app.wire import values
from app.wire.assignments import AssignmentChange, NewAssignment, PlugEvent
from app.wire.devices import DefaultChange, MeterChange, VehicleChange
from app.wire.readings import MeterReading, VehicleReading
from tests.support.readings import meter_reading, vehicle_reading
from tests.support.servers import Server
from tests.support.service import Client, running_service

ID = "a string (1 to 64 of the characters A-Z a-z 0-9 * - _ = : + | @ . but not . or ..), such as M-101"
INSTANT = "a date and time (RFC 3339 with a time zone), such as 2026-11-20T08:00:00Z"
ASSIGNMENT = {"meterId": "M-1", "vehicleId": "V-1", "from": "2026-01-01T00:00:00Z"}
NEW_ASSIGNMENT = '{"meterId": "M-101", "vehicleId": "V-202", "from": "2026-11-20T08:00:00Z"}'
NEW_READING = '{"meterId": "M-101", "kwhConsumedAc": 12.4, "voltage": 231.5, "timestamp": "2026-11-20T08:00:00Z"}'
EVENT = {"event": "plugIn", "meterId": "M-1", "vehicleId": "V-1", "at": "2026-01-01T00:00:00Z"}
# Of each body its struct, where it is sent, and one that is allowed.
BODIES: list[tuple[type[msgspec.Struct], str, str, dict[str, Any]]] = [
    (NewAssignment, "POST", "/v1/assignments", ASSIGNMENT),
    (PlugEvent, "POST", "/v1/assignments/events", EVENT),
    (AssignmentChange, "PATCH", "/v1/assignments/1", {"to": None}),
    (MeterChange, "PUT", "/v1/meters/M-1", {}),
    (VehicleChange, "PUT", "/v1/vehicles/V-1", {}),
    (DefaultChange, "PUT", "/v1/fleet/defaults", {"energyReading": "interval"}),
    (MeterReading, "POST", "/v1/ingest", meter_reading("M-1")),
    (VehicleReading, "POST", "/v1/ingest", vehicle_reading("V-1")),
]
NOT_ALLOWED = (b"true", b'""', b'"a b"', b'"2026-01-01T00:00:00"', b"-1e9", b"1e12", b"1e999", b"[]", b"{}")
OF_MSGSPEC = ("`", "Expected", "Invalid", "Object", "regex", "out of range")


@pytest.fixture(scope="module")
def service(postgres_server: Server) -> Iterator[Client]:
    with postgres_server.new_database() as url:
        migrate.migrate(url, "postgres")
        with running_service(DATABASE_URL=url) as client:
            yield client


def _send(client: Client, method: str, path: str, body: bytes) -> dict[str, Any]:
    """What the answer says of the fault: its problem, or the first error among the readings."""
    if path == "/v1/fleet/defaults":
        body = b'{"meters": %s}' % body
    answer = client.request(method, path, body, {"Content-Type": "application/json"})
    assert answer.status == 422, (body, answer.body)
    document: dict[str, Any] = answer.json
    return document["errors"][0] if path == "/v1/ingest" else document


@pytest.mark.parametrize(
    ("body", "field", "detail"),
    [
        ({"meterId": "M 1"}, "meterId", f"meterId must be {ID}"),
        ({"meterId": "M" * 65}, "meterId", f"meterId must be {ID}"),
        ({"meterId": 101}, "meterId", f"meterId must be {ID}"),
        ({"meterId": None}, "meterId", f"meterId must be {ID}"),
        ({"from": "2026-01-01"}, "from", f"from must be {INSTANT}"),
        ({"from": "2026-01-01T00:00:00"}, "from", f"from must be {INSTANT}"),
        ({"from": 1767225600}, "from", f"from must be {INSTANT}"),
        (
            {"from": "1969-12-31T00:00:00Z"},
            "from",
            "from must be from 1970-01-01T00:00:00Z to 9999-01-01T00:00:00Z",
        ),
        ({"to": "now"}, "to", f"to must be {INSTANT}, or null"),
        ({"to": "2025-01-01T00:00:00Z"}, "to", "to must be later than from"),
        (
            {"until": None},
            "until",
            f"until is unknown: the fields are meterId, vehicleId, from, to, such as {NEW_ASSIGNMENT}",
        ),
    ],
)
def test_an_assignment_that_is_not_allowed_is_answered_with_what_is(
    service: Client, body: dict[str, Any], field: str, detail: str
) -> None:
    problem = _send(service, "POST", "/v1/assignments", msgspec.json.encode(ASSIGNMENT | body))
    assert (problem["code"], problem["field"]) == ("invalid_parameter", field)
    assert problem["detail"] == detail


def test_of_several_assignments_the_one_at_fault_is_named(service: Client) -> None:
    array = [ASSIGNMENT, ASSIGNMENT | {"to": "2025-01-01T00:00:00Z"}]
    problem = _send(service, "POST", "/v1/assignments", msgspec.json.encode(array))
    assert problem["detail"] == "item 1: to must be later than from"


@pytest.mark.parametrize(
    ("method", "path", "detail"),
    [
        ("POST", "/v1/ingest", f"the body is empty; send a reading, such as {NEW_READING}"),
        ("POST", "/v1/assignments", f"the body is empty; send JSON, such as {NEW_ASSIGNMENT}"),
        (
            "PUT",
            "/v1/fleet/defaults",
            'the body is empty; send JSON, such as {"meters": {"energyReading": "interval"}}',
        ),
    ],
)
def test_an_empty_body_is_answered_with_one_that_works(service: Client, method: str, path: str, detail: str) -> None:
    for body in (b"", b" \n"):
        answer = service.request(method, path, body, {"Content-Type": "application/json"})
        assert (answer.status, answer.json["code"], answer.json["detail"]) == (400, "malformed_body", detail)


def test_a_body_that_is_not_gzip_is_answered_with_what_to_do(service: Client) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = service.request("POST", "/v1/ingest", b"{}", headers)
    assert (answer.status, answer.json["code"]) == (400, "malformed_body")
    assert answer.json["detail"].endswith("; compress it, or send it without Content-Encoding: gzip")


@pytest.mark.parametrize(
    ("method", "path", "body", "field", "detail"),
    [
        (
            "POST",
            "/v1/assignments",
            b'"M-1"',
            None,
            f"the body must be an object with the fields meterId, vehicleId, from, to, such as {NEW_ASSIGNMENT}",
        ),
        ("POST", "/v1/assignments", b"{}", "meterId", f"meterId is missing: it must be {ID}"),
        ("POST", "/v1/assignments", b"[{}]", "meterId", f"item 0: meterId is missing: it must be {ID}"),
        (
            "POST",
            "/v1/assignments",
            b"[1]",
            None,
            "item 0: the item must be an object with the fields meterId, vehicleId, from, to, such as "
            f"{NEW_ASSIGNMENT}",
        ),
        (
            "POST",
            "/v1/assignments/events",
            msgspec.json.encode(EVENT | {"event": "unplug"}),
            "event",
            "event must be handOver, plugIn or plugOut",
        ),
        (
            "POST",
            "/v1/assignments/events",
            msgspec.json.encode(EVENT | {"vehicleId": None}),
            "vehicleId",
            f"vehicleId is missing: it must be {ID} for plugIn",
        ),
        (
            "PUT",
            "/v1/meters/M-1",
            b'{"ratedPowerKw": 0}',
            "ratedPowerKw",
            "ratedPowerKw must be a number above 0 and up to 100,000 (kW), such as 11, or null",
        ),
        (
            "PUT",
            "/v1/meters/M-1",
            b'{"energyReading": "counter"}',
            "energyReading",
            "energyReading must be interval, register or session, or null",
        ),
        (
            "PUT",
            "/v1/meters/M-1",
            b'{"registerModulusKwh": 1000}',
            "registerModulusKwh",
            'registerModulusKwh must come with "energyReading": "register"',
        ),
        (
            "PUT",
            "/v1/fleet/defaults",
            b'{"energyReading": 1}',
            "meters.energyReading",
            "meters.energyReading must be interval, register or session",
        ),
        (
            "PUT",
            "/v1/fleet/defaults",
            b"[]",
            "meters",
            "meters must be an object with the fields energyReading, registerModulusKwh, since, "
            "ratedPowerKw, such as "
            '{"energyReading": "interval"}',
        ),
    ],
)
def test_a_body_that_is_not_allowed_is_answered_with_what_is(
    service: Client, method: str, path: str, body: bytes, field: str | None, detail: str
) -> None:
    problem = _send(service, method, path, body)
    assert (problem["code"], problem["field"], problem["detail"]) == ("invalid_parameter", field, detail)


@pytest.mark.parametrize(
    ("reading", "code", "detail"),
    [
        ({"soc": 100.1}, "out_of_range", "soc must be a number from 0 to 100 (percent), such as 82.5"),
        ({"soc": "82"}, "wrong_type", "soc must be a number from 0 to 100 (percent), such as 82.5"),
        (
            {"batteryTemp": -61},
            "out_of_range",
            "batteryTemp must be a number from -60 to 200 (degrees C), such as 34.2",
        ),
        (
            {"kwhDeliveredDc": None},
            "wrong_type",
            "kwhDeliveredDc must be a number from 0 to 1,000,000,000 (kWh; below 1e-9 it becomes 0), such as 12.4",
        ),
        (
            {"kwhDeliveredDc": -0.5},
            "negative_energy",
            "kwhDeliveredDc must be a number from 0 to 1,000,000,000 (kWh; below 1e-9 it becomes 0), such as 12.4; "
            "energy that a vehicle feeds back (bidirectional charging) is not accounted for",
        ),
        ({"vehicleId": "V 1"}, "invalid_id", f"vehicleId must be {ID}"),
        ({"timestamp": "yesterday"}, "invalid_timestamp", f"timestamp must be {INSTANT}"),
    ],
)
def test_a_reading_that_is_not_allowed_is_listed_with_what_is(
    service: Client, reading: dict[str, Any], code: str, detail: str
) -> None:
    error = _send(service, "POST", "/v1/ingest", msgspec.json.encode(vehicle_reading("V-1", **reading)))
    assert (error["code"], error["detail"]) == (code, detail)


def test_a_missing_field_of_a_reading_is_listed_with_what_it_has_to_be(service: Client) -> None:
    error = _send(service, "POST", "/v1/ingest", b'{"meterId": "M-1", "kwhConsumedAc": 1}')
    assert (error["code"], error["detail"]) == (
        "missing_field",
        "voltage is missing: it must be a number from 0 to 50,000 (V), such as 231.5",
    )


def _faults() -> Iterator[tuple[str, str, str, bytes]]:
    """Method, path, name of the field at fault, and body: every field with every value that it does not take."""
    for (struct, method, path, allowed), value in itertools.product(BODIES, NOT_ALLOWED):
        for field in msgspec.structs.fields(struct):
            body = msgspec.json.encode({**allowed, field.encode_name: msgspec.Raw(value)})
            try:
                msgspec.json.decode(body, type=struct)
            except msgspec.ValidationError:
                yield method, path, field.encode_name, body


def test_no_fault_of_any_field_is_answered_in_words_of_the_decoder(service: Client) -> None:
    tried = 0
    for method, path, name, body in _faults():
        problem = _send(service, method, path, body)
        assert f"{name} must be " in problem["detail"], (body, problem)
        assert not any(word in problem["detail"] for word in OF_MSGSPEC), (body, problem)
        tried += 1
    assert tried > 200


@pytest.mark.parametrize(
    ("path", "field", "detail"),
    [
        ("/v1/analytics/fleet?from=yesterday", "from", f"from must be {INSTANT}"),
        ("/v1/analytics/fleet?to=0001-01-01T00:00:00%2B14:00", "to", f"to must be {INSTANT}"),
        (
            "/v1/analytics/fleet?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
            "from",
            "from must be earlier than to",
        ),
        ("/v1/analytics/fleet/series?bucket=5m", "bucket", "bucket must be day, hour, month, week or year"),
        (
            "/v1/analytics/fleet/series?timezone=a%20b",
            "timezone",
            "timezone must be the IANA name of a time zone, such as Europe/Berlin",
        ),
        (
            "/v1/analytics/fleet/series?timezone=Mars",
            "timezone",
            "timezone must be the IANA name of a time zone, such as Europe/Berlin; Mars is unknown",
        ),
        ("/v1/analytics/losses?below=2", "below", "below must be a number above 0 and up to 1, such as 0.85"),
        ("/v1/live/meters?limit=0", "limit", "limit must be a whole number from 1 to 1000, such as 100"),
        ("/v1/live/meters?charging=1", "charging", "charging must be true or false"),
        (
            "/v1/live/meters?silentFor=soon",
            "silentFor",
            "silentFor must be a number of seconds, or one with s, m, h or d, such as 90 or 15m",
        ),
        ("/v1/live/meters?after=a%20b", "after", f"after must be {ID}"),
        ("/v1/assignments?meterId=", "meterId", f"meterId must be {ID}"),
    ],
)
def test_a_parameter_that_is_not_allowed_is_answered_with_what_is(
    service: Client, path: str, field: str, detail: str
) -> None:
    problem = service.get(path).json
    assert (problem["code"], problem["field"], problem["detail"]) == ("invalid_parameter", field, detail)


@pytest.mark.parametrize(
    ("path", "code", "detail"),
    [
        ("/v1/live/meters/a%20b", "unknown_meter", f"id must be {ID}"),
        ("/v1/assignments/first", "unknown_assignment", "id must be a whole number, such as 42"),
    ],
)
def test_an_id_that_no_device_can_have_is_not_found(service: Client, path: str, code: str, detail: str) -> None:
    problem = service.get(path).json
    assert (problem["status"], problem["code"], problem["field"], problem["detail"]) == (404, code, "id", detail)


def test_a_field_whose_name_looks_like_a_place_is_unknown(service: Client) -> None:
    for place in ("since", "meters", "meters.since.x", "[0]"):
        problem = _send(service, "PUT", "/v1/meters/M-1", msgspec.json.encode({f"x` - at `$.{place}": 1}))
        assert problem["detail"].startswith("x")
        assert " is unknown: the fields are " in problem["detail"]


def test_an_unknown_field_is_not_repeated_at_length(service: Client) -> None:
    answer = service.request(
        "PUT", "/v1/meters/M-1", b'{"%s": 1}' % (b"x" * 1_000_000), {"Content-Type": "application/json"}
    )
    assert answer.status == 422
    assert len(answer.body) < 1000


def test_every_example_is_allowed() -> None:
    kinds = [kind for kind in vars(values).values() if get_origin(kind) is Annotated]
    assert kinds
    for kind in kinds:
        [example] = get_args(kind)[1].examples
        msgspec.convert(example, kind)
