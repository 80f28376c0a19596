"""Figures of values at the edges of what the history takes, asked of every endpoint.

PostgreSQL raises an error where a product or a quotient leaves the range of float8, and one such reading would fail
every answer that counts it. So each pair of a meter and a vehicle reports its own two edges, in the shape that every
answer wants: days enough for a charger's change and a battery's trend, hours whole and cut, registers that fall.
"""

from argparse import Namespace
from collections.abc import Iterator
from datetime import datetime, timedelta
from math import nextafter
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from app.http.openapi import document
from app.http.routes import ROUTES
from app.ingest.decode import SMALLEST_ENERGY_KWH
from app.tools import doctor
from tests.support.readings import (
    hours_ago,
    insert_meter_readings,
    insert_vehicle_readings,
    meter_reading,
    minutes_ago,
    vehicle_reading,
)
from tests.support.servers import compute_reports
from tests.support.service import Answer, Client

Connection = psycopg.Connection[TupleRow]
Stretch = tuple[datetime, datetime]

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)

# 0 in all figures.
TINY_KWH = (5e-324, 1e-200, -0.0)
LARGEST_KWH = 1e9
# The first three are registers, the others report intervals.
PAIRS = [
    (1e-200, 1e-200),
    (1e-310, LARGEST_KWH),
    (LARGEST_KWH, 1e-300),
    (1e-200, 1e-200),
    (SMALLEST_ENERGY_KWH, SMALLEST_ENERGY_KWH),
    (SMALLEST_ENERGY_KWH, LARGEST_KWH),
    (LARGEST_KWH, SMALLEST_ENERGY_KWH),
    *((tiny, LARGEST_KWH) for tiny in TINY_KWH),
    *((LARGEST_KWH, tiny) for tiny in TINY_KWH),
]
REGISTERS = 3
# The smallest that a column of type real holds, and that float8 holds.
SMALLEST_REAL = 1.4e-45
SMALLEST_DOUBLE = 5e-324

# The past that is asked, which ends with the last day: a series by hour is short, a trend long.
LAST_DAY = 95
DAYS, DAYS_BY_HOUR, DAYS_OF_HEALTH = 25, 5, LAST_DAY


def _instants(begins: datetime) -> list[datetime]:
    """Two charges of half an hour on every fifth day, each within an hour."""
    return [
        begins + day * DAY + hour * HOUR + minute * MINUTE
        for day in range(0, LAST_DAY + 1, 5)
        for hour in (2, 4)
        for minute in (10, 40)
    ]


def _values(number: int, energy_kwh: float, begins: datetime) -> list[tuple[datetime, float]]:
    """What a device of a pair reports at each instant: a register falls every third time, intervals are alike."""
    shares = (0.8, 1.0, 0.2) if number < REGISTERS else (1.0,)
    return [(at, energy_kwh * shares[index % len(shares)]) for index, at in enumerate(_instants(begins))]


def _keep_by_sql(connection: Connection, begins: datetime) -> None:
    """Readings of M-<number> and V-<number>, a pair each, as the constraints of the history take them."""
    for number, (energy_ac_kwh, energy_dc_kwh) in enumerate(PAIRS):
        insert_meter_readings(
            connection,
            [
                (f"M-{number}", at, kwh, (SMALLEST_REAL, 50_000.0)[index % 2])
                for index, (at, kwh) in enumerate(_values(number, energy_ac_kwh, begins))
            ],
        )
        insert_vehicle_readings(
            connection,
            [
                (f"V-{number}", at, (SMALLEST_REAL, 100.0)[index % 2], kwh, (-SMALLEST_REAL, 200.0)[index % 2])
                for index, (at, kwh) in enumerate(_values(number, energy_dc_kwh, begins))
            ],
        )
        connection.execute(
            "INSERT INTO telemetry.assignment (meter_id, vehicle_id, during) VALUES (%s, %s, tstzrange(%s, NULL))",
            [f"M-{number}", f"V-{number}", begins],
        )
    connection.execute("CALL api.refresh_rollups(%s, %s)", [begins, begins + (LAST_DAY + 1) * DAY])


def _windows(begins: datetime, days: int) -> list[Stretch]:
    """The last days in whole hours, and from the middle of a charge to the middle of another."""
    first, last = begins + (LAST_DAY - days) * DAY, begins + LAST_DAY * DAY
    return [
        (first + 2 * HOUR, last + 5 * HOUR),
        (first + 2 * HOUR + 20 * MINUTE, last + 4 * HOUR + 20 * MINUTE),
    ]


def _answers(client: Client, begins: datetime) -> Iterator[tuple[str, Answer]]:
    """What every GET that the service routes answers: of every pair, by hour and by day, over each window."""
    for route in ROUTES:
        if "GET" not in (route.methods or ()):
            continue
        known = {parameter["name"] for parameter in document()["paths"][route.path]["get"]["parameters"]}
        for path in _paths(route.path):
            buckets = ("15m",) if "/curve" in path else ("hour", "day") if "bucket" in known else ("",)
            for bucket in buckets:
                days = DAYS_OF_HEALTH if "/health/" in path else DAYS_BY_HOUR if bucket in ("hour", "15m") else DAYS
                for window_from, window_to in _windows(begins, days) if "from" in known else [(begins, begins)]:
                    given = {"bucket": bucket, "from": window_from.isoformat(), "to": window_to.isoformat()}
                    query = {name: value for name, value in given.items() if name in known}
                    yield f"{path} {query}", client.get(path, **query)


def _paths(path: str) -> list[str]:
    """A path, or one of each pair's assignment, meter or vehicle."""
    if "{id}" not in path:
        return [path]
    if "/corrections/" in path:
        return [path.replace("{id}", number) for number in "12"]
    if "/assignments/" in path or "/sessions/" in path:
        return [path.replace("{id}", str(number + 1)) for number in range(len(PAIRS))]
    side = "M" if "/meters/" in path else "V"
    return [path.replace("{id}", f"{side}-{number}") for number in range(len(PAIRS))]


def _ask(client: Client, path: str, window: Stretch) -> Any:
    answer = client.get(f"/v1/analytics/{path}", from_=window[0].isoformat(), to=window[1].isoformat())
    assert answer.status == 200, answer.body
    return answer.json


@pytest.fixture
def begins(client: Client, connection: Connection) -> datetime:
    """When the readings of all pairs begin, which are kept past the service and in the rollups."""
    kind = {"energyReading": "register", "registerModulusKwh": SMALLEST_DOUBLE}
    for number in range(REGISTERS):
        assert client.put(f"/v1/meters/M-{number}", kind).status == 200
        assert client.put(f"/v1/vehicles/V-{number}", {**kind, "batteryCapacityKwh": SMALLEST_DOUBLE}).status == 200
    begins = hours_ago(24 * (LAST_DAY + 2))
    _keep_by_sql(connection, begins)
    # Of values that a correction takes away and puts back.
    window = [begins, begins + LAST_DAY * DAY]
    connection.execute("SELECT api.correct_readings('vehicle', 'V-1', %s, %s, 'void', 'a test')", window)
    connection.execute("SELECT api.undo_correction(1, 'a test')")
    connection.execute("CALL api.refresh_rollups(%s, %s)", window)
    return begins


def test_no_answer_fails_on_a_value_that_the_history_holds(
    client: Client, begins: datetime, migrated_database: str
) -> None:
    compute_reports(migrated_database)
    answers = list(_answers(client, begins))
    assert [asked for asked, answer in answers if answer.status != 200] == []
    assert len(answers) > len(ROUTES) + len(PAIRS)


def test_energies_below_the_smallest_are_zero_in_figures(client: Client, begins: datetime) -> None:
    for window in _windows(begins, DAYS):
        readings = sum(window[0] < at <= window[1] for at in _instants(begins))
        attributed_kwh = 0.0
        for number, pair in enumerate(PAIRS):
            answered = _ask(client, f"performance/V-{number}", window)
            attributed_kwh += answered["totalEnergy"]["acConsumedKwh"]
            if number >= REGISTERS:
                ac_kwh, dc_kwh = (readings * kwh if kwh >= SMALLEST_ENERGY_KWH else 0 for kwh in pair)
                assert answered["totalEnergy"] == {
                    "acConsumedKwh": round(ac_kwh, 6),
                    "dcDeliveredKwh": round(dc_kwh, 6),
                    "dcElsewhereKwh": 0.0,
                }
                # No device delivers the largest energy in half an hour.
                is_plausible = LARGEST_KWH not in pair or not readings
                assert (answered["reasons"]["efficiencyRatio"] == "implausible_power") is not is_plausible
                ratio = pytest.approx(dc_kwh / ac_kwh, rel=1e-9, abs=1e-4) if ac_kwh and is_plausible else None
                assert answered["efficiencyRatio"] == ratio
        assert _ask(client, "fleet", window)["acAttributedKwh"] == pytest.approx(attributed_kwh, rel=1e-9)


def test_doctor_fails_on_no_value_that_the_history_holds(connection: Connection, begins: datetime) -> None:
    assert begins < hours_ago(0)
    assert doctor.run(connection.info.dsn, Namespace(json=True, silent_for="1 hour")) in (0, 3, 4)


@pytest.mark.parametrize("minutes", [1, 120], ids=["fresh", "late"])
@pytest.mark.parametrize("others", [[], [None]], ids=["all good", "one bad"])
def test_an_energy_that_no_meter_measures_is_kept_as_zero_and_its_repeat_is_a_duplicate(
    client: Client, connection: Connection, minutes: int, others: list[None]
) -> None:
    tiny_kwh = [*TINY_KWH, 9.9e-10, nextafter(SMALLEST_ENERGY_KWH, 0)]
    at = minutes_ago(minutes)
    readings = [
        reading
        for number, kwh in enumerate([*tiny_kwh, SMALLEST_ENERGY_KWH])
        for reading in (
            meter_reading(f"M-{number}", at, kwhConsumedAc=kwh, voltage=1e-50),
            vehicle_reading(f"V-{number}", at, kwhDeliveredDc=kwh, soc=SMALLEST_DOUBLE, batteryTemp=-1e-46),
        )
    ]
    assert client.ingest(*readings, *others)["accepted"] == len(readings)
    assert client.ingest(*readings, *others)["duplicates"] == len(readings)
    kept = "SELECT energy_ac_kwh::text FROM telemetry.meter_telemetry_history ORDER BY meter_id"
    assert connection.execute(kept).fetchall() == [*[("0",)] * len(tiny_kwh), ("1e-09",)]
    kept = "SELECT energy_dc_kwh::text FROM telemetry.vehicle_telemetry_history ORDER BY vehicle_id"
    assert connection.execute(kept).fetchall() == [*[("0",)] * len(tiny_kwh), ("1e-09",)]
    assert client.get("/v1/live/meters/M-0").json["charging"] is False


def test_the_repeat_of_an_energy_that_was_kept_before_it_became_zero_is_a_duplicate(
    client: Client, connection: Connection
) -> None:
    at = minutes_ago(1)
    insert_meter_readings(connection, [("M-1", at, 1e-200, 230.0), ("M-2", at, 1e-9, 230.0)])
    insert_vehicle_readings(connection, [("V-1", at, 55.0, 1e-200, 30.0), ("V-2", at, 55.0, 1e-9, 30.0)])
    for kwh, device, outcome in ((1e-200, 1, "duplicates"), (0.0, 1, "duplicates"), (0.0, 2, "conflicts")):
        answered = client.ingest(
            meter_reading(f"M-{device}", at, kwhConsumedAc=kwh), vehicle_reading(f"V-{device}", at, kwhDeliveredDc=kwh)
        )
        assert answered[outcome] == 2
