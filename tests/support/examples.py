"""A real answer of every endpoint, as docs/answers.md shows them: python -m tests.support.examples.

The service runs on an empty database of the postgres profile, into which three weeks of a small fleet are put: V-202 at
the charger M-101 that turned bad on the 13th, V-203 at the slow socket M-102, and M-103 that feeds nobody. Instants of
the present, which differ from run to run, are shown as noon of the 23rd.
"""

import re
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import psycopg

from app.db import migrate
from tests.support.readings import insert_meter_readings, insert_vehicle_readings
from tests.support.servers import Server, start
from tests.support.service import ROOT, Answer, Client, running_service

ANSWERS = ROOT / "docs" / "answers.md"

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
FIRST = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 22
TURNED_BAD = 12
_INSTANT = re.compile(rb'"\d{4}-\d\d-\d\dT[0-9:.]+Z"')
# What a database of the example takes on disk, and how long it has been there, differs from run to run.
_MEASURED = re.compile(
    rb'("(?:rows|\w*Bytes|\w*bytesPerDay|\w*BytesPerDay|historyDays|diskDaysLeft|computedInSeconds)":)(?:null|[0-9.]+)'
)
# Keys and their ids are random.
_KEY = re.compile(rb"ev_[0-9a-f]{8}_[0-9a-f]{64}")
_KEY_ID = re.compile(rb'("id":)"[0-9a-f]{8}"')
_UNSTEADY = ("/openapi.json", "/v1/database/findings")
_SHOWN = b'"2026-11-23T12:00:00Z"'
_HEAD = """# Answers

A real answer of every endpoint, to the requests as they stand here, in this order, on a small fleet: V-202 charges at
M-101, a charger that turned bad on the 13th; V-203 at M-102, a slow socket; M-103 feeds nobody. Sizes and
ages of the database, which differ from run to run, are shown as 1000. Written by `python -m tests.support.examples`; a
test holds it to what the service answers.
"""


class Example(NamedTuple):
    """One request; `path` is as the description has it, `asked` as it is asked, with its query."""

    method: str
    path: str
    asked: str
    body: Any = None


def _get(path: str, of: str = "", query: str = "") -> Example:
    return Example("GET", path, path.replace("{id}", of) + (f"?{query}" if query else ""))


_DAY = "from=2026-11-20T00:00:00Z&to=2026-11-21T00:00:00Z"
_HOURS = "from=2026-11-20T08:00:00Z&to=2026-11-20T10:00:00Z"
_WEEKS = "from=2026-11-01T00:00:00Z&to=2026-11-23T00:00:00Z"
EXAMPLES = (
    _get("/v1/analytics/performance/{id}", "V-202", _DAY),
    _get("/v1/analytics/performance/{id}/explain", "V-202", _HOURS),
    _get("/v1/analytics/performance/{id}/series", "V-202", _HOURS + "&bucket=hour&timezone=Europe/Berlin"),
    _get("/v1/analytics/meters/{id}", "M-101", _DAY),
    _get("/v1/analytics/meters/{id}/series", "M-101", f"bucket=day&{_DAY}"),
    _get("/v1/analytics/meters", query=_DAY + "&sort=acConsumedKwh&limit=1"),
    _get("/v1/analytics/vehicles", query=_DAY + "&limit=1"),
    _get("/v1/analytics/vehicles/{id}/curve", "V-202", "from=2026-11-20T08:00:00Z&to=2026-11-20T08:30:00Z&bucket=15m"),
    _get("/v1/analytics/meters/{id}/curve", "M-101", "from=2026-11-20T08:00:00Z&to=2026-11-20T08:30:00Z&bucket=15m"),
    _get("/v1/analytics/sites", query=_DAY),
    _get("/v1/analytics/groups", query=_DAY),
    _get("/v1/analytics/fleet", query=_DAY),
    _get("/v1/analytics/fleet/series", query="from=2026-11-20T00:00:00Z&to=2026-11-22T00:00:00Z&bucket=day"),
    _get("/v1/analytics/losses", query=_WEEKS),
    _get("/v1/sessions", query=_DAY + "&vehicleId=V-202"),
    _get("/v1/sessions/{id}", "2"),
    _get("/v1/analytics/health/{id}", "V-202", _WEEKS),
    _get("/v1/analytics/health/meters/{id}", "M-101", "from=2026-11-06T00:00:00Z&to=2026-11-20T00:00:00Z"),
    _get("/v1/live"),
    _get("/v1/live/meters", query="limit=1"),
    _get("/v1/live/meters/{id}", "M-101"),
    _get("/v1/live/vehicles", query="limit=1"),
    _get("/v1/live/vehicles/{id}", "V-202"),
    Example(
        "POST",
        "/v1/assignments",
        "/v1/assignments",
        {"meterId": "M-103", "vehicleId": "V-204", "from": "2026-11-22T18:00:00Z", "to": "2026-11-22T20:00:00Z"},
    ),
    _get("/v1/assignments", query="meterId=M-101"),
    Example(
        "POST",
        "/v1/assignments/events",
        "/v1/assignments/events",
        {"event": "plugIn", "meterId": "M-103", "vehicleId": "V-204", "at": "2026-11-22T21:00:00Z"},
    ),
    Example("PATCH", "/v1/assignments/{id}", "/v1/assignments/3?reason=typing+error", {"to": "2026-11-22T19:30:00Z"}),
    Example(
        "POST",
        "/v1/assignments/events",
        "/v1/assignments/events",
        {"event": "plugOut", "meterId": "M-104", "vehicleId": "V-205", "at": "2026-11-22T22:00:00Z"},
    ),
    _get("/v1/assignments/waiting"),
    _get("/v1/assignments/{id}", "3"),
    Example("DELETE", "/v1/assignments/{id}", "/v1/assignments/4?reason=never+plugged+in"),
    _get("/v1/assignments/changes", query="limit=1"),
    Example("PUT", "/v1/meters/{id}", "/v1/meters/M-103", {"ratedPowerKw": 3.7}),
    _get("/v1/meters", query="limit=1"),
    _get("/v1/meters/{id}", "M-103"),
    Example("PUT", "/v1/vehicles/{id}", "/v1/vehicles/V-202", {"batteryCapacityKwh": 60}),
    _get("/v1/vehicles", query="limit=1"),
    _get("/v1/vehicles/{id}", "V-202"),
    Example("PUT", "/v1/fleet/defaults", "/v1/fleet/defaults", {"meters": {"energyReading": "interval"}}),
    _get("/v1/fleet/defaults"),
    _get("/v1/register-events", query="meterId=M-105"),
    Example(
        "PUT",
        "/v1/register-decisions",
        "/v1/register-decisions?reason=lightning",
        {"meterId": "M-105", "at": "2026-11-20T06:30:00Z", "decision": "glitch"},
    ),
    _get("/v1/register-decisions", query="meterId=M-105"),
    _get("/v1/register-decisions/changes", query="limit=1"),
    Example("DELETE", "/v1/register-decisions", "/v1/register-decisions?meterId=M-105&at=2026-11-20T06:30:00Z"),
    Example(
        "POST",
        "/v1/corrections",
        "/v1/corrections?reason=sent+twice+the+energy",
        {
            "meterId": "M-102",
            "from": "2026-11-20T08:00:00Z",
            "to": "2026-11-20T09:00:00Z",
            "action": "scale",
            "factor": 0.5,
        },
    ),
    _get("/v1/corrections", query="limit=1"),
    _get("/v1/corrections/{id}", "1", "limit=1"),
    Example("POST", "/v1/corrections/{id}/undo", "/v1/corrections/1/undo?reason=the+meter+was+right"),
    Example("POST", "/v1/erasures", "/v1/erasures?dryRun=true", {"vehicleId": "V-203"}),
    _get("/v1/erasures"),
    Example("POST", "/v1/keys", "/v1/keys", {"name": "ana", "scope": "operator"}),
    Example("POST", "/v1/keys/{id}/rotate", "/v1/keys/1a2b3c4d/rotate"),
    Example("DELETE", "/v1/keys/{id}", "/v1/keys/1a2b3c4d"),
    _get("/v1/keys"),
    Example(
        "POST",
        "/v1/ingest",
        "/v1/ingest",
        [{"meterId": "M-101", "kwhConsumedAc": 0.2, "voltage": 231.5, "timestamp": "2026-11-23T12:00:00Z"}],
    ),
    Example(
        "POST",
        "/v1/ingest",
        "/v1/ingest",
        [{"meterId": "M-101", "kwhConsumedAc": 1.5, "voltage": 231.5, "timestamp": "2026-11-20T08:00:00Z"}],
    ),
    _get("/v1/quality", query=_DAY + "&kind=conflict"),
    _get("/v1/quality/conflicts", query="meterId=M-101"),
    _get("/v1/database"),
    _get("/v1/database/findings"),
    _get("/livez"),
    _get("/readyz"),
    _get("/metrics"),
    _get("/openapi.json"),
)


def answers(server: Server) -> list[tuple[Example, Answer]]:
    """Every example with its answer, in order; each has to succeed."""
    answered = []
    with server.new_database() as url:
        migrate.migrate(url, server.profile)
        with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
            _fill(connection)
        with running_service(DATABASE_URL=url) as client:
            for example in EXAMPLES:
                answer = _ask(client, example)
                # What is computed in the background.
                while answer.status == 503 and example.path.startswith("/v1/database"):
                    time.sleep(0.2)
                    answer = _ask(client, example)
                assert answer.status < 300, (example, answer.body)
                answered.append((example, answer))
    return answered


def _fill(connection: psycopg.Connection[Any]) -> None:
    """Three weeks, a reading every 10 minutes from 6 to 12 o'clock: first a drive, then a charge of hours."""
    for meter, vehicle, power_kw, capacity_kwh, hours in (
        ("M-101", "V-202", 11.0, 58.0, 2),
        ("M-102", "V-203", 2.3, 40.0, 4),
    ):
        meters, vehicles = [], []
        for day in range(DAYS):
            ratio = (0.91 if day < TURNED_BAD else 0.82) if meter == "M-101" else 0.83
            gained = 100 * power_kw * hours * ratio / capacity_kwh
            for i in range(36):
                at = FIRST + day * DAY + timedelta(hours=6) + (i + 1) * 10 * MINUTE
                energy = power_kw / 6 if 12 <= i < 12 + 6 * hours else 0.0
                share = min(1.0, (i - 11) / (6 * hours)) if i >= 12 else 1 - (i + 1) / 12
                meters.append((meter, at, energy, 229.0 + (i * 7 + day) % 5))
                soc = round(85 - gained + gained * share, 1)
                vehicles.append((vehicle, at, soc, energy * ratio, 20.0 + (i if day != 5 else 2 * i) % 30))
        insert_meter_readings(connection, meters)
        insert_vehicle_readings(connection, vehicles)
        # That of V-203 is over, so that its session has a share of its time that stays.
        ended = FIRST + DAYS * DAY if vehicle == "V-203" else None
        connection.execute(
            "INSERT INTO telemetry.assignment (meter_id, vehicle_id, during) VALUES (%s, %s, tstzrange(%s, %s))",
            [meter, vehicle, FIRST, ended],
        )
    rows = [("M-103", FIRST + 19 * DAY + i * 10 * MINUTE, 0.05, 230.0) for i in range(1, 13)]
    insert_meter_readings(connection, rows)
    # A register with a value that no charger leads to.
    connection.execute("SELECT api.set_meter_kind('M-105', 'register', NULL, NULL)")
    register = enumerate((842.0, 845.5, 9000.0, 846.0, 850.0))
    rows = [("M-105", FIRST + 19 * DAY + timedelta(hours=6) + i * 15 * MINUTE, kwh, 230.0) for i, kwh in register]
    insert_meter_readings(connection, rows)
    connection.execute(
        "INSERT INTO telemetry.access_key (key_id, secret_sha256, name, scope, id_prefixes) "
        "VALUES ('1a2b3c4d', sha256('a key'), 'gateway north', 'gateway', ARRAY['DEPOT-NORTH-'])"
    )


def _ask(client: Client, example: Example) -> Answer:
    body = example.body
    if example.path == "/v1/ingest" and example.body[0]["timestamp"].startswith("2026-11-23"):
        body = [{**reading, "timestamp": datetime.now(UTC)} for reading in body]
    content = None if body is None else msgspec.json.encode(body)
    return client.request(example.method, example.asked, content, {"Content-Type": "application/json"})


def _steady(body: bytes) -> bytes:
    """The body with instants of the present shown as one that does not change."""
    last = (FIRST + (DAYS + 1) * DAY).isoformat().encode()
    body = _MEASURED.sub(rb"\g<1>1000", body)
    body = _KEY_ID.sub(rb'\g<1>"1a2b3c4d"', _KEY.sub(b"ev_1a2b3c4d_0f9e8d7c6b5a", body))
    return _INSTANT.sub(
        lambda found: found[0] if FIRST.isoformat().encode()[:10] <= found[0][1:11] < last[:10] else _SHOWN, body
    )


def documented(answered: Sequence[tuple[Example, Answer]]) -> str:
    """docs/answers.md."""
    parts = [_HEAD]
    for example, answer in answered:
        parts.append(f"\n## `{example.method} {example.path}`\n")
        body = "" if example.body is None else msgspec.json.encode(example.body).decode()
        sent = f"\nContent-Type: application/json\n\n{body}" if body else ""
        parts.append(f"```http\n{example.method} {example.asked}{sent}\n```\n")
        if answer.headers.get("content-type") == "application/json" and example.path not in _UNSTEADY:
            parts.append(f"```json\n{msgspec.json.format(_steady(answer.body), indent=1).decode()}\n```\n")
        else:
            parts.append(f"{answer.status}, `{answer.headers.get('content-type', 'no content')}`\n")
    return "\n".join(parts)


def main() -> None:
    """Write docs/answers.md."""
    with start("postgres") as server:
        answered = answers(server)
    ANSWERS.parent.mkdir(exist_ok=True)
    ANSWERS.write_text(documented(answered), encoding="utf-8")
    sys.stdout.write(f"{len(answered)} answers written\n")


if __name__ == "__main__":
    main()
