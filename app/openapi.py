"""The API's description: OpenAPI 3.1, from the wire's structs.

What each operation is stands here once; a test holds the list to the routes that are served.
"""

from functools import cache
from typing import Any, NamedTuple

import msgspec

from app import __version__
from app.models import (
    Assignment,
    AssignmentChange,
    Assignments,
    IngestResult,
    LiveMeter,
    LiveMeters,
    LiveVehicle,
    LiveVehicles,
    MeterReading,
    NewAssignment,
    Performance,
    Problem,
    VehicleReading,
)


class Parameter(NamedTuple):
    """A query parameter: its JSON schema and what it does."""

    name: str
    schema: dict[str, Any]
    description: str


class Operation(NamedTuple):
    """One method on one path; `problems` are the statuses it may answer with instead."""

    method: str
    path: str
    summary: str
    response: Any = None
    body: Any = None
    status: int = 200
    problems: tuple[int, ...] = ()
    parameters: tuple[Parameter, ...] = ()


_INSTANT = {"type": "string", "format": "date-time"}
_ID = {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$"}
_BOOLEAN = {"type": "boolean"}

_WINDOW = (
    Parameter("from", _INSTANT, "start of the window, included; 24 hours before `to` unless told"),
    Parameter("to", _INSTANT, "end of the window, not included; now unless told"),
)
_LIMIT = Parameter("limit", {"type": "integer", "minimum": 1, "default": 100}, "how many to list")
_LIVE = (
    Parameter("after", _ID, "list ids after this one: `next` of the page before"),
    _LIMIT,
    Parameter("charging", _BOOLEAN, "only those that charge, or that do not"),
    Parameter(
        "silentFor",
        {"type": "string"},
        "only those whose newest reading is older: seconds, or a number with s, m, h, d",
    ),
)
_Readings = MeterReading | VehicleReading | list[MeterReading | VehicleReading]

OPERATIONS = (
    Operation(
        "POST",
        "/v1/ingest",
        "Keep readings: one, an array, or lines (application/x-ndjson), gzip or plain; of either kind or both",
        IngestResult,
        _Readings,
        problems=(400, 409, 413, 415, 422, 503),
        parameters=(Parameter("strict", _BOOLEAN, "keep all of the readings, or none"),),
    ),
    Operation(
        "GET",
        "/v1/analytics/performance/{id}",
        "A vehicle's AC and DC energy over a window, their ratio, its mean battery temperature",
        Performance,
        problems=(404, 422, 503),
        parameters=_WINDOW,
    ),
    Operation("GET", "/v1/live/meters", "Meters with their newest readings", LiveMeters, None, 200, (422, 503), _LIVE),
    Operation("GET", "/v1/live/meters/{id}", "A meter's newest reading", LiveMeter, problems=(404, 503)),
    Operation(
        "GET", "/v1/live/vehicles", "Vehicles with their newest readings", LiveVehicles, None, 200, (422, 503), _LIVE
    ),
    Operation("GET", "/v1/live/vehicles/{id}", "A vehicle's newest reading", LiveVehicle, problems=(404, 503)),
    Operation(
        "POST",
        "/v1/assignments",
        "Say which meter feeds which vehicle: one assignment, or an array kept whole or not at all",
        Assignment,
        NewAssignment | list[NewAssignment],
        201,
        (400, 409, 413, 415, 422, 503),
    ),
    Operation(
        "GET",
        "/v1/assignments",
        "Assignments in order of id",
        Assignments,
        problems=(422, 503),
        parameters=(
            Parameter("meterId", _ID, "only those of this meter"),
            Parameter("vehicleId", _ID, "only those of this vehicle"),
            Parameter("at", _INSTANT, "only those in force at this instant"),
            Parameter("after", {"type": "integer"}, "list ids after this one: `next` of the page before"),
            _LIMIT,
        ),
    ),
    Operation(
        "PATCH",
        "/v1/assignments/{id}",
        "Close an assignment with `to`, or move its ends",
        Assignment,
        AssignmentChange,
        problems=(400, 404, 409, 413, 415, 422, 503),
    ),
    Operation("GET", "/livez", "Whether the process answers"),
    Operation("GET", "/readyz", "Whether the database answers and readings are being written", problems=(503,)),
    Operation("GET", "/metrics", "What the service counts of itself, for Prometheus"),
    Operation("GET", "/openapi.json", "This description"),
    Operation("GET", "/docs", "This description, for a person"),
    Operation("GET", "/", "Where to go from here"),
)


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    types = [
        type_
        for operation in OPERATIONS
        for type_ in (operation.response, operation.body)
        if type_ is not None and type_ is not _Readings
    ]
    # The two kinds of reading are told apart by their keys, which msgspec has no single type for.
    kinds = [MeterReading, VehicleReading]
    schemas, components = msgspec.json.schema_components(
        [*types, *kinds, Problem], ref_template="#/components/schemas/{name}"
    )
    by_type = dict(zip(map(_key, [*types, *kinds, Problem]), schemas, strict=True))
    one = {"oneOf": [by_type[_key(kind)] for kind in kinds]}
    by_type[_key(_Readings)] = {"anyOf": [one, {"type": "array", "items": one}]}
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(operation, by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": "EV fleet energy", "version": __version__, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {"schemas": components},
    }


def _key(type_: Any) -> str:
    return repr(type_)


def _describe(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": operation.summary}
    if operation.response is not None:
        answer["content"] = {"application/json": {"schema": schemas[_key(operation.response)]}}
    problem = {"application/problem+json": {"schema": schemas[_key(Problem)]}}
    described: dict[str, Any] = {
        "summary": operation.summary,
        "parameters": [
            {"name": name, "in": "query", "schema": schema, "description": description}
            for name, schema, description in operation.parameters
        ],
        "responses": {
            str(operation.status): answer,
            **{str(status): {"description": "problem", "content": problem} for status in operation.problems},
        },
    }
    if "{id}" in operation.path:
        described["parameters"].insert(0, {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}})
    if operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schemas[_key(operation.body)]}},
        }
    return described
