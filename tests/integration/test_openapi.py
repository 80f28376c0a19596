"""What the API says of itself, against what it does: routes, answers, problems, metrics.

The service runs on a database of its own. Every GET that the description documents is asked, so that an endpoint cannot
be added without its answer being held to its schema.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from app.db import migrate
from app.http.openapi import OPERATIONS, Operation, document
from app.http.routes import ROUTES
from app.wire.glossary import TERMS, structs
from app.wire.readings import IngestResult
from tests.support.readings import meter_reading, minutes_ago, vehicle_reading
from tests.support.servers import Server
from tests.support.service import Answer, Client, running_service

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}
_JSON = "application/json"
_PROBLEM = "application/problem+json"
_REQUIRED = {"type", "title", "status", "code", "detail"}
# Units by the end of a name; a number of no unit is a ratio or a share.
_UNITS = {"Kwh": "kWh", "Kw": "kW", "Bytes": "bytes", "Days": "days", "Seconds": "s", "Minutes": "min"}
_UNIT = re.compile(r"\b(kWh|kW|V|percent|min|h|s|days|bytes)\b|°C|\bratio\b|\bshare\b|\bover\b|how many times")


@pytest.fixture(scope="module")
def service(postgres_server: Server) -> Iterator[Client]:
    """The service on a database of its own, which knows meter M-1 and vehicle V-1, assigned to each other."""
    with postgres_server.new_database() as url:
        migrate.migrate(url)
        with running_service(DATABASE_URL=url) as client:
            assigned = client.post(
                "/v1/assignments",
                {"meterId": "M-1", "vehicleId": "V-1", "from": minutes_ago(120), "to": minutes_ago(1)},
            )
            # The first of the database, so that its number is known: _of_a_known_device asks for it.
            assert (assigned.status, assigned.json["id"]) == (201, 1)
            for minutes in range(60, 50, -1):
                at = minutes_ago(minutes)
                client.ingest(meter_reading("M-1", at), vehicle_reading("V-1", at, soc=80 - minutes / 2))
            wrong = {"meterId": "M-1", "from": minutes_ago(61), "to": minutes_ago(59), "action": "scale", "factor": 2}
            corrected = client.post("/v1/corrections?reason=a%20test", wrong)
            assert (corrected.status, corrected.json["id"]) == (201, 1)
            yield client


# A small reader of JSON Schema: types, and names of properties to the letter


def _mismatches(value: Any, schema: dict[str, Any], *, at: str = "answer") -> list[str]:
    """Where a value is not what a schema of the description says; empty where it is."""
    if "$ref" in schema:
        return _mismatches(value, _component(schema["$ref"]), at=at)
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return min((_mismatches(value, option, at=at) for option in options), key=len)
    kind = schema.get("type")
    if kind == "null":
        return [] if value is None else [f"{at} is not null"]
    if kind in _TYPES and (not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return [f"{at} is no {kind}: {value!r}"]
    if isinstance(value, list):
        wrong = [f"{at} has {len(value)} items"] if len(value) > schema.get("maxItems", len(value)) else []
        for index, item in enumerate(value):
            wrong += _mismatches(item, schema.get("items", {}), at=f"{at}[{index}]")
        return wrong
    if isinstance(value, dict) and "properties" in schema:
        properties = schema["properties"]
        # An answer has all its properties; a problem those that it requires, and what is to be said besides.
        needed = schema["required"] if schema["title"] == "Problem" else properties
        wrong = [f"{at} lacks {name}" for name in sorted(needed) if name not in value]
        wrong += [f"{at} has {name}, which is not described" for name in sorted(value.keys() - properties.keys())]
        for name in properties.keys() & value.keys():
            wrong += _mismatches(value[name], properties[name], at=f"{at}.{name}")
        return wrong
    return [] if _is_within(value, schema) else [f"{at} is {value!r}, which is not within {schema}"]


def _is_within(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a text or number is within the bounds of its schema, and an instant is described as one."""
    if isinstance(value, str):
        is_instant = re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", value) is not None
        return (
            value in schema.get("enum", [value])
            and re.search(schema.get("pattern", ""), value) is not None
            and (schema.get("format") == "date-time") == is_instant
        )
    return isinstance(value, bool) or bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))


def _component(reference: str) -> dict[str, Any]:
    schema: dict[str, Any] = document()["components"]["schemas"][reference.rsplit("/", 1)[-1]]
    return schema


def _is_as_described(method: str, path: str, answer: Answer) -> None:
    """Holds an answer to what the description says of its operation and status."""
    described = document()["paths"][path][method.lower()]["responses"]
    assert str(answer.status) in described, f"{answer.status} is not described: {answer.body!r}"
    content = described[str(answer.status)].get("content", {})
    if answer.status >= 400:
        assert answer.headers["content-type"] == _PROBLEM
        assert list(content) == [_PROBLEM]
        _is_a_problem(answer)
    elif content:
        assert answer.headers["content-type"] == _JSON
        assert _mismatches(answer.json, content[_JSON]["schema"]) == []


def _is_a_problem(answer: Answer) -> None:
    """A problem document has the members that it requires, and others only as they are described."""
    assert _mismatches(answer.json, _component("Problem")) == []
    assert answer.json["status"] == answer.status
    assert re.fullmatch(r"[a-z_]+", answer.json["code"])


def _references(schema: Any) -> set[str]:
    """Every struct that a part of the description refers to, directly or through another."""
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            waiting += part.values()
            reference = part.get("$ref")
            if isinstance(reference, str) and reference not in found:
                found.add(reference)
                waiting.append(_component(reference))
    return found


# The description


def test_every_route_is_described_with_its_methods_and_nothing_else_is() -> None:
    served = {(method, route.path) for route in ROUTES for method in (route.methods or set()) - {"HEAD"}}
    described = {(method.upper(), path) for path, methods in document()["paths"].items() for method in methods}
    assert described == served


def test_every_struct_of_the_description_is_reachable_and_has_properties() -> None:
    reachable = {reference.rsplit("/", 1)[-1] for reference in _references(document()["paths"])}
    schemas = document()["components"]["schemas"]
    assert reachable == set(schemas)
    assert [name for name, schema in schemas.items() if not schema.get("properties")] == []


def _properties() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for struct, schema in document()["components"]["schemas"].items():
        for name, described in schema["properties"].items():
            yield struct, name, described


def _is_of(schema: dict[str, Any], *kinds: str) -> bool:
    return any(option.get("type") in kinds and "enum" not in option for option in schema.get("anyOf", [schema]))


def test_every_property_is_described_by_the_glossary_and_nothing_else_is_in_it() -> None:
    used = set()
    for struct, name, described in _properties():
        own = [f"{base.__name__}.{name}" for base in structs()[struct].__mro__]
        key = next((key for key in own if key in TERMS), name)
        assert described["description"] == TERMS[key].description, f"{struct}.{name}"
        used.add(key)
    assert used == set(TERMS)


def test_every_number_says_its_unit() -> None:
    for struct, name, described in _properties():
        if _is_of(described, "number"):
            assert _UNIT.search(described["description"]), f"{struct}.{name}"
        for ending, unit in _UNITS.items():
            if name.endswith(ending) and _is_of(described, "number", "integer"):
                assert unit in re.findall(r"\w+", described["description"]), f"{struct}.{name}"


def test_every_text_and_number_has_an_example_that_is_allowed() -> None:
    for struct, name, described in _properties():
        if _is_of(described, "string", "number", "integer"):
            assert described["examples"], f"{struct}.{name}"
        for example in described.get("examples", []):
            assert _mismatches(example, described, at=f"{struct}.{name}") == []


def test_every_parameter_is_described_and_bounded_with_an_example_that_is_allowed() -> None:
    for path, methods in document()["paths"].items():
        for operation in methods.values():
            for item in operation["parameters"]:
                schema, at = item["schema"], f"{path} {item['name']}"
                assert item["description"], at
                bounded = {"enum", "format", "pattern", "maxLength", "maximum"} & schema.keys()
                assert bounded or schema["type"] == "boolean", at
                assert "enum" in schema or schema["type"] == "boolean" or schema["examples"], at
                for example in schema.get("examples", []):
                    assert _mismatches(example, schema, at=at) == []


def _patterns(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("pattern"), str):
            yield part["pattern"]
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from _patterns(inner)


def test_patterns_are_such_as_re2_takes() -> None:
    patterns = {*_patterns(document())}
    assert len(patterns) > 2
    for pattern in patterns:
        # RE2 looks neither ahead nor back, refers to no group, and has no possessive repetition.
        assert not re.search(r"\(\?(?!:)|\\[1-9k]|[*+?}]\+", pattern), pattern
        assert re.compile(pattern)


def test_every_path_parameter_is_described() -> None:
    for path, methods in document()["paths"].items():
        named = set(re.findall(r"\{(\w+)\}", path))
        for operation in methods.values():
            assert {item["name"] for item in operation["parameters"] if item["in"] == "path"} == named, path


def test_the_service_serves_its_description(service: Client) -> None:
    answer = service.get("/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, _JSON)
    assert answer.json == document()
    assert answer.json["openapi"].startswith("3.1")


# Answers


def _documented_gets() -> list[str]:
    return [
        path
        for path, methods in document()["paths"].items()
        if "get" in methods and methods["get"]["responses"]["200"].get("content")
    ]


def _of_a_known_device(path: str) -> str:
    if any(numbered in path for numbered in ("/assignments/", "/sessions/", "/corrections/")):
        return path.replace("{id}", "1")
    return path.replace("{id}", "M-1" if "/meters/" in path else "V-1")


@pytest.mark.parametrize("path", _documented_gets())
def test_an_answer_has_the_properties_of_its_schema(service: Client, path: str) -> None:
    answer = service.get(_of_a_known_device(path))
    assert answer.status == 200, answer.body
    _is_as_described("GET", path, answer)


@pytest.mark.parametrize("path", [path for path in _documented_gets() if "{id}" in path])
def test_an_unknown_device_is_a_described_404(service: Client, path: str) -> None:
    answer = service.get(path.replace("{id}", "never-heard-of"))
    assert answer.status == 404
    _is_as_described("GET", path, answer)


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in _documented_gets()
        if any(item["in"] == "query" for item in document()["paths"][path]["get"]["parameters"])
    ],
)
def test_a_parameter_of_no_sense_is_a_described_422(service: Client, path: str) -> None:
    names = {item["name"] for item in document()["paths"][path]["get"]["parameters"]}
    for name in names & {"from", "at", "limit"}:
        answer = service.get(_of_a_known_device(path), **{name: "nonsense"})
        assert (answer.status, answer.json["code"], answer.json["field"]) == (422, "invalid_parameter", name)
        _is_as_described("GET", path, answer)


def test_an_answer_to_ingest_has_the_properties_of_its_schema(service: Client) -> None:
    bad = {**meter_reading("M-2"), "voltage": -1}
    answer = service.post("/v1/ingest", [meter_reading("M-2"), bad])
    assert (answer.status, answer.json["accepted"], len(answer.json["errors"])) == (200, 1, 1)
    _is_as_described("POST", "/v1/ingest", answer)


def test_an_ingest_that_keeps_nothing_is_a_problem_with_the_counts(service: Client) -> None:
    answer = service.post("/v1/ingest", [{**meter_reading("M-2"), "voltage": -1}])
    assert answer.status == 422
    _is_as_described("POST", "/v1/ingest", answer)
    assert set(answer.json) == {*_REQUIRED, *IngestResult.__struct_fields__}


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {"Content-Type": _JSON}, 400),
        (b"no gzip", {"Content-Type": _JSON, "Content-Encoding": "gzip"}, 400),
        (b" " * (8 * 1024 * 1024 + 1), {"Content-Type": _JSON}, 413),
        (b"<reading/>", {"Content-Type": "application/xml"}, 415),
        (b"[]", {"Content-Type": _JSON}, 422),
    ],
)
def test_a_body_that_cannot_be_read_is_a_described_problem(
    service: Client, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = service.request("POST", "/v1/ingest", body, headers)
    assert answer.status == status
    _is_as_described("POST", "/v1/ingest", answer)


def test_a_strict_contradiction_is_a_described_409(service: Client) -> None:
    at = minutes_ago(5)
    service.ingest(meter_reading("M-3", at))
    answer = service.post("/v1/ingest?strict=true", [meter_reading("M-3", at, voltage=231.0)])
    assert answer.status == 409
    _is_as_described("POST", "/v1/ingest", answer)


def test_answers_about_assignments_have_the_properties_of_their_schemas(service: Client) -> None:
    path, wanted = "/v1/assignments", {"meterId": "M-4", "vehicleId": "V-4", "from": minutes_ago(60)}
    created = service.post(path, wanted)
    assert created.status == 201
    _is_as_described("POST", path, created)
    overlapping = service.post(path, wanted)
    assert overlapping.status == 409
    _is_as_described("POST", path, overlapping)

    changed = service.patch(f"{path}/{created.json['id']}", {"to": minutes_ago(30)})
    assert changed.status == 200
    _is_as_described("PATCH", f"{path}/{{id}}", changed)
    unknown = service.patch(f"{path}/999999", {"to": minutes_ago(30)})
    assert unknown.status == 404
    _is_as_described("PATCH", f"{path}/{{id}}", unknown)


def test_what_becomes_of_an_assignment_is_answered_as_described(service: Client) -> None:
    path, events = "/v1/assignments", "/v1/assignments/events"
    plug_in = {"event": "plugIn", "meterId": "M-8", "vehicleId": "V-8", "at": minutes_ago(60)}
    opened = service.post(events, plug_in)
    assert (opened.status, opened.json["outcome"]) == (200, "created")
    taken = {**plug_in, "vehicleId": "V-9"}
    for sent, status in ((plug_in, 200), ([plug_in, taken], 200), (taken, 409), ([taken], 422)):
        answer = service.post(events, sent)
        assert answer.status == status
        _is_as_described("POST", events, answer)
    plug_out = {"event": "plugOut", "meterId": "M-9", "at": minutes_ago(30)}
    for sent, status in ((plug_out, 200), ({**plug_out, "vehicleId": "V-8"}, 404)):
        answer = service.post(events, sent)
        assert answer.status == status
        _is_as_described("POST", events, answer)
    partial = service.post(f"{path}?partial=true", [{"meterId": "M-9", "vehicleId": "V-9", "from": minutes_ago(9)}, {}])
    assert partial.status == 200
    _is_as_described("POST", path, partial)

    kept = f"{path}/{opened.json['assignment']['id']}"
    for method in ("GET", "DELETE", "GET"):
        answer = service.request(method, kept)
        assert answer.status == 200
        _is_as_described(method, f"{path}/{{id}}", answer)
    unknown = service.delete(f"{path}/999999")
    assert unknown.status == 404
    _is_as_described("DELETE", f"{path}/{{id}}", unknown)


def test_an_array_of_assignments_is_answered_as_described(service: Client) -> None:
    begins = minutes_ago(60)
    wanted = [
        {"meterId": "M-5", "vehicleId": "V-5", "from": begins, "to": begins + timedelta(minutes=10)},
        {"meterId": "M-5", "vehicleId": "V-5", "from": begins + timedelta(minutes=10)},
    ]
    created = service.post("/v1/assignments", wanted)
    assert (created.status, len(created.json["assignments"])) == (201, 2)
    _is_as_described("POST", "/v1/assignments", created)


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v2", 404), ("DELETE", "/v1/ingest", 405)])
def test_what_is_not_served_is_a_problem_too(service: Client, method: str, path: str, status: int) -> None:
    answer = service.request(method, path)
    assert (answer.status, answer.headers["content-type"]) == (status, _PROBLEM)
    _is_a_problem(answer)
    assert set(answer.json) == _REQUIRED


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
def test_a_request_that_is_not_let_in_is_a_described_problem(service: Client, operation: Operation) -> None:
    refused = [({"Content-Type": _JSON, "Host": "evil.example"}, 400)]
    if operation.method != "GET":
        refused += [
            ({"Content-Type": _JSON, "Sec-Fetch-Site": "cross-site"}, 403),
            ({"Content-Type": "text/plain"}, 415),
        ]
    for headers, status in refused:
        answer = service.request(operation.method, operation.path.replace("{id}", "1"), b"{}", headers)
        assert answer.status == status
        _is_as_described(operation.method, operation.path, answer)


# Metrics


def _readings_counted(service: Client) -> dict[str, float]:
    text = service.get("/metrics").body.decode()
    return {
        outcome: float(count)
        for outcome, count in re.findall(r'^energy_readings_total\{outcome="(\w+)"\} (\S+)$', text, re.M)
    }


def test_metrics_are_in_the_text_format_of_prometheus(service: Client) -> None:
    answer = service.get("/metrics")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    text = answer.body.decode()
    named = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
    assert named >= {"energy_readings_total", "energy_readings_waiting", "energy_http_request_seconds"}
    assert 'energy_http_request_seconds_count{endpoint="ingest",status="200"}' in text


def test_metrics_count_readings_by_what_became_of_them(service: Client) -> None:
    before = _readings_counted(service)
    at = minutes_ago(3)
    service.ingest(meter_reading("M-6", at))
    service.ingest(meter_reading("M-6", at))
    service.ingest(
        meter_reading("M-6", at, voltage=231.0), meter_reading("M-7", at), {**meter_reading("M-7"), "voltage": -1}
    )
    after = _readings_counted(service)
    assert {outcome: count - before.get(outcome, 0) for outcome, count in after.items()} == {
        "accepted": 2,
        "duplicate": 1,
        "conflict": 1,
        "rejected": 1,
    }


def test_operations_have_names_for_generated_clients_and_belong_together() -> None:
    described = [operation for methods in document()["paths"].values() for operation in methods.values()]
    names = [operation["operationId"] for operation in described]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z]+[A-Za-z]+", name) for name in names)
    assert {"postIngest", "getSessions", "getSessionsById", "getAnalyticsPerformanceByIdSeries"} <= {*names}
    assert {tag for operation in described for tag in operation["tags"]} == {
        "analytics", "assignments", "corrections", "database", "erasures", "fleet", "ingest", "keys", "live", "meters",
        "quality", "register-decisions", "register-events", "service", "sessions", "vehicles",
    }  # fmt: skip
