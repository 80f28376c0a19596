"""Registers where one reading after the other does not tell: the whole fleet at once, and hours without a history."""

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.support import oracle
from tests.support.oracle import Kind, Reading
from tests.support.readings import hours_ago, insert_meter_readings, insert_vehicle_readings

Connection = psycopg.Connection[TupleRow]

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def insert(connection: Connection, kind: str, device: str, readings: list[Reading]) -> None:
    """Keep readings of a device."""
    if kind == "meter":
        insert_meter_readings(connection, [(device, at, kwh, 230) for at, kwh in readings])
    else:
        insert_vehicle_readings(connection, [(device, at, 50, kwh, 20) for at, kwh in readings])


@pytest.mark.parametrize("kind", ["meter", "vehicle"])
def test_the_hours_of_all_registers_at_once_are_those_of_each(connection: Connection, kind: str) -> None:
    # Intervals, registers that rise, that are reset within hours and between them, one silent for weeks, one that
    # changes its kind: an answer about the fleet reads them all by one query, which has to come to the same.
    start = hours_ago(24 * 4)
    every = [start - 9 * HOUR + 20 * MINUTE * i for i in range(120)]
    courses: dict[str, list[Reading]] = {
        "interval": [Reading(at, 0.2) for at in every],
        "rising": [Reading(at, 500 + i) for i, at in enumerate(every)],
        "sessions": [Reading(at, float(i % 7)) for i, at in enumerate(every)],
        "sometimes reset": [Reading(at, float(1000 + i if i % 50 else 3)) for i, at in enumerate(every)],
        "silent": [Reading(start - 40 * DAY, 100.0), Reading(start + HOUR, 103.5)],
        "changing": [Reading(at, 700.0 + i if i < 60 else 0.1) for i, at in enumerate(every)],
    }
    kinds = {name: [Kind(oracle.EVER, "interval" if name == "interval" else "register")] for name in courses}
    kinds["changing"].append(Kind(every[60], "interval"))
    for name, readings in courses.items():
        insert(connection, kind, name.replace(" ", "-"), readings)
        if name != "interval":
            connection.execute(f"SELECT api.set_{kind}_kind(%s, 'register', NULL, NULL)", [name.replace(" ", "-")])
    connection.execute(f"SELECT api.set_{kind}_kind('changing', 'interval', NULL, %s)", [every[60]])
    connection.execute("CALL api.refresh_rollups(%s, %s)", [start - 41 * DAY, start + 3 * DAY])

    hours = b"SELECT * FROM internal.register_hours(%s, %s, %s) ORDER BY 1, 2"
    of_one = b"SELECT * FROM internal.register_hours(%s, %s, %s, %s) ORDER BY 1, 2"
    window = [start, start + 40 * HOUR]
    rows = connection.execute(hours, [kind, *window]).fetchall()
    names = sorted(name.replace(" ", "-") for name in courses if name != "interval")
    assert rows == [row for name in names for row in connection.execute(of_one, [kind, *window, name])]
    energies = connection.execute(
        "SELECT device_id, sum(energy_kwh) FROM internal.register_hours(%s, %s, %s) GROUP BY 1", [kind, *window]
    ).fetchall()
    assert dict(energies) == {
        name.replace(" ", "-"): pytest.approx(float(answered), abs=1e-9)
        for name, readings in courses.items()
        if name != "interval"
        and (answered := oracle.total(oracle.counted(readings, kinds[name]), window[0], window[1]).kwh) is not None
    }


def drop_history(connection: Connection, before: datetime) -> None:
    """Take the readings before an instant away, as retention does, and say so in the policy."""
    connection.execute(
        "UPDATE telemetry.policy SET dropped_before = %s WHERE relation = 'meter_telemetry_history'", [before]
    )
    connection.execute("DELETE FROM telemetry.meter_telemetry_history WHERE recorded_at < %s", [before])


@pytest.mark.parametrize(
    ("values", "energy_kwh", "resets"),
    [((1000, 1010, 1020), 20.0, 0), ((10, 20, 40), 30.0, 0), ((100, 104, 1, 3), 4.0 + 3.0, 1), ((842, 0, 846), 4.0, 1)],
)
def test_a_whole_hour_is_exact_when_its_history_is_gone(
    own: Connection, values: tuple[float, ...], energy_kwh: float, resets: int
) -> None:
    start = hours_ago(24 * 9)
    own.execute("SELECT api.set_meter_kind('M-1', 'register', NULL, NULL)")
    before = Reading(start - 30 * MINUTE, float(values[0]))
    hour = [Reading(start + 10 * MINUTE * (i + 1), float(kwh)) for i, kwh in enumerate(values)]
    after = Reading(start + 65 * MINUTE, float(values[-1]) + 0.5)
    insert(own, "meter", "M-1", [before, *hour, after])
    own.execute("CALL api.refresh_rollups(%s, %s)", [start - DAY, start + DAY])
    asked: list[Any] = [start, start + 3 * HOUR]
    figures = "SELECT energy_ac_kwh, resets, is_estimated FROM internal.meter_window('M-1', %s, %s, %s, %s)"
    exact = (pytest.approx(energy_kwh + 0.5), resets, False)
    assert own.execute(figures, asked * 2).fetchall() == [exact]
    drop_history(own, start + 2 * HOUR)
    assert own.execute(figures, asked * 2).fetchall() == [exact]
