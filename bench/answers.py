"""What does each analytics answer cost, beside the bare SQL over the same rollup rows? python -m bench.answers.

10,000 meters and as many vehicles, each vehicle at the meter of its number, four readings an hour for 25 hours and a
few on each of the eight days before; the rollups are refreshed up to their hour of grace. A fleet's answer stands
beside the sum over all its rollup rows of 24 hours, a device's beside the sum over its own; a window is of whole hours,
or cut at both ends. Values rise all the time: at last all devices are declared registers, and the fleet is asked
again. Each is the median of rounds in which all take turns, by psycopg with the settings of the service's readers,
planning included.
"""

import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import TupleRow

from app.db import migrate
from app.db.migrate import Profile
from app.db.queries import query
from app.local.embedded.server import EmbeddedServer
from bench.generate import whole_second
from bench.targets import bindir_of
from tests.support.servers import PROFILES, open_directory, stop_jobs

DEVICES = 10_000
QUICK_DEVICES = 500
ROUNDS = 5
MOST_OF_A_FLEET = 3.0
MOST_OF_A_DEVICE = 5.0
_READERS = "-c timezone=UTC -c jit=off -c plan_cache_mode=force_custom_plan"

_LOAD = """
CREATE TEMPORARY TABLE step AS
SELECT m FROM generate_series(-768, -1, 24) AS m
UNION ALL
SELECT m FROM generate_series(0, 99) AS m;
INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v)
SELECT
    'M-' || lpad(n::text, 5, '0'), %(from)s + m * interval '15 minutes', 2 + n * 31 %% 100 / 50.0 + m * 0.002,
    229 + n %% 3
FROM generate_series(0, %(last)s) AS n, step
ORDER BY n, m;
INSERT INTO telemetry.vehicle_telemetry_history (vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c)
SELECT
    'V-' || lpad(n::text, 5, '0'), %(from)s + m * interval '15 minutes', 20 + abs(m) %% 60,
    (2 + n * 31 %% 100 / 50.0 + m * 0.002) * 0.89, 20 + abs(m) %% 15
FROM generate_series(0, %(last)s) AS n, step
ORDER BY n, m;
INSERT INTO telemetry.assignment (meter_id, vehicle_id, during)
SELECT 'M-' || lpad(n::text, 5, '0'), 'V-' || lpad(n::text, 5, '0'), tstzrange(%(from)s, NULL)
FROM generate_series(0, %(last)s) AS n
"""
_BARE_FLEET = b"""
SELECT
    (SELECT sum(energy_ac_sum_kwh) FROM telemetry.meter_hourly
    WHERE bucket_start > %(window_from)s AND bucket_start <= %(window_to)s),
    (SELECT sum(energy_dc_sum_kwh) FROM telemetry.vehicle_hourly
    WHERE bucket_start > %(window_from)s AND bucket_start <= %(window_to)s)
"""
_BARE_VEHICLE = b"""
SELECT
    (SELECT sum(energy_ac_sum_kwh) FROM telemetry.meter_hourly
    WHERE meter_id = %(meter_id)s AND bucket_start > %(window_from)s AND bucket_start <= %(window_to)s),
    (SELECT sum(energy_dc_sum_kwh) FROM telemetry.vehicle_hourly
    WHERE vehicle_id = %(vehicle_id)s AND bucket_start > %(window_from)s AND bucket_start <= %(window_to)s)
"""
_SAY_REGISTERS = """
SELECT api.set_fleet_default(device_type, 'register', NULL, NULL) FROM unnest(ARRAY['meter', 'vehicle']) AS device_type
"""
FLEET, DEVICE = "bare sum of the fleet", "bare sum of a device"
FLEET_OF_REGISTERS = "bare sum of the fleet, once more"


class Question(NamedTuple):
    """A statement and its parameters; `beside` names the bare one it is measured by."""

    statement: bytes
    parameters: Mapping[str, Any]
    beside: str | None = None


class Cost(NamedTuple):
    """Median milliseconds of an answer, and how many times the bare statement's that is."""

    name: str
    ms: float
    ratio: float | None
    most: float | None


def measure(profile: Profile, url: str, rounds: int = ROUNDS, devices: int = DEVICES) -> list[Cost]:
    """The cost of each answer on an empty, migrated database, which is filled for it."""
    with psycopg.connect(url, autocommit=True, options=_READERS) as connection:
        stop_jobs(url, profile)
        whole = _prepare(connection, devices)
        costs = _costs(connection, _questions(whole), rounds)
        connection.execute(_SAY_REGISTERS)
        return costs + _costs(connection, _questions_of_registers(whole), rounds)


def _costs(connection: psycopg.Connection[TupleRow], questions: Mapping[str, Question], rounds: int) -> list[Cost]:
    taken: dict[str, list[float]] = {name: [] for name in questions}
    for _ in range(rounds + 1):
        for name, question in questions.items():
            began = time.perf_counter()
            connection.execute(question.statement, question.parameters).fetchall()
            taken[name].append((time.perf_counter() - began) * 1000)
    # The first round warms the caches.
    medians = {name: statistics.median(times[1:]) for name, times in taken.items()}
    return [
        Cost(
            name,
            medians[name],
            medians[name] / medians[question.beside] if question.beside else None,
            {FLEET: MOST_OF_A_FLEET, DEVICE: MOST_OF_A_DEVICE}.get(question.beside or ""),
        )
        for name, question in questions.items()
    ]


def _prepare(connection: psycopg.Connection[TupleRow], devices: int) -> dict[str, Any]:
    """Fill the database; returns the window of 24 whole hours."""
    to = whole_second().replace(minute=0, second=0)
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(_LOAD, {"from": to - timedelta(hours=25), "last": devices - 1})
    connection.execute("CALL api.refresh_rollups(%s, %s)", [to - timedelta(days=10), to])
    connection.execute("ANALYZE")
    return {"window_from": to - timedelta(hours=24), "window_to": to}


def _cut(whole: dict[str, Any]) -> dict[str, Any]:
    return {
        "window_from": whole["window_from"] + timedelta(minutes=20),
        "window_to": whole["window_to"] - timedelta(minutes=10),
    }


def _questions_of_registers(whole: dict[str, Any]) -> dict[str, Question]:
    window = {"bucket": "window", "timezone": "UTC"}
    return {
        FLEET_OF_REGISTERS: Question(_BARE_FLEET, whole),
        "fleet of registers": Question(query("fleet_energy"), whole | window, FLEET_OF_REGISTERS),
        "fleet of registers, cut hours": Question(query("fleet_energy"), _cut(whole) | window, FLEET_OF_REGISTERS),
    }


def _questions(whole: dict[str, Any]) -> dict[str, Question]:
    cut = _cut(whole)
    one = {"vehicle_id": "V-00123", "meter_id": "M-00123"}
    window = {"bucket": "window", "timezone": "UTC"}
    by_hour, by_day = {"bucket": "hour", "timezone": "UTC"}, {"bucket": "day", "timezone": "Asia/Kolkata"}
    performance = query("vehicle_performance")
    return {
        FLEET: Question(_BARE_FLEET, whole),
        "fleet": Question(query("fleet_energy"), whole | window, FLEET),
        "fleet, cut hours": Question(query("fleet_energy"), cut | window, FLEET),
        "fleet/series by hour": Question(query("fleet_energy"), whole | by_hour, FLEET),
        "losses": Question(query("losses"), whole | {"below": None, "row_limit": 100}, FLEET),
        DEVICE: Question(_BARE_VEHICLE, whole | one),
        "performance": Question(performance, whole | one, DEVICE),
        "performance, cut hours": Question(performance, cut | one, DEVICE),
        "performance/series by hour": Question(query("vehicle_series"), whole | one | by_hour, DEVICE),
        "performance/series by day, half-hour zone": Question(query("vehicle_series"), whole | one | by_day, DEVICE),
        "meters": Question(query("meter_energy"), whole | one, DEVICE),
        "health, condition": Question(query("vehicle_condition"), whole | one, DEVICE),
        "health, battery": Question(query("battery_months"), whole | one, DEVICE),
        "health/meters": Question(query("charger_health"), whole | one, DEVICE),
    }


def markdown(profile: Profile, costs: Sequence[Cost]) -> str:
    """A table of one profile's costs."""
    lines = [f"## Answers, {profile}", "", "| | ms | times the bare sum | aim |", "| --- | ---: | ---: | ---: |"]
    for cost in costs:
        ratio = "" if cost.ratio is None else f"{cost.ratio:.1f}"
        lines.append(f"| {cost.name} | {cost.ms:.1f} | {ratio} | {'' if cost.most is None else f'≤ {cost.most:g}'} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Every profile there is a server for, each on a server of its own."""
    devices = QUICK_DEVICES if "--quick" in sys.argv else DEVICES
    for profile in PROFILES:
        with open_directory() as directory, EmbeddedServer(directory / "data", bindir_of(profile)) as server:
            migrate.migrate(server.url, profile)
            sys.stdout.write(markdown(profile, measure(profile, server.url, devices=devices)) + "\n")


if __name__ == "__main__":
    main()
