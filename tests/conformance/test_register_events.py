"""Events of registers: whatever the readings and their order of arrival, one pass in plain Python finds the same."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Literal

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import TupleRow

from tests.support import registers
from tests.support.readings import hours_ago, insert_meter_readings, insert_vehicle_readings
from tests.support.registers import Decision, Rules

Connection = psycopg.Connection[TupleRow]
Series = list[tuple[datetime, float]]

NUMBERS = count(1)
EXAMPLES = int(os.environ.get("ENERGY_TEST_EXAMPLES", "40"))
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)


def start() -> datetime:
    """Some weeks ago, at midnight."""
    return (hours_ago(0) - timedelta(days=20)).replace(hour=0)


def insert(connection: Connection, kind: str, device: str, readings: Series) -> None:
    """Keep readings of a device, in one statement."""
    if kind == "meter":
        insert_meter_readings(connection, [(device, at, kwh, 230) for at, kwh in readings])
    else:
        insert_vehicle_readings(connection, [(device, at, 50, kwh, 20) for at, kwh in readings])


def declare(connection: Connection, kind: str, device: str, rules: Rules) -> None:
    """What the values of a device mean, and what it can deliver."""
    connection.execute(f"SELECT api.set_{kind}_kind(%s, %s, %s, NULL)", [device, rules.meaning, rules.modulus_kwh])
    connection.execute(
        f"UPDATE telemetry.{kind} SET rated_power_kw = %s WHERE {kind}_id = %s", [rules.rated_power_kw, device]
    )


def events_of(connection: Connection, device: str) -> list[tuple[object, ...]]:
    """The events in the database: instant, kind, value before, value, what they count, correction."""
    return connection.execute(
        "SELECT recorded_at, kind, before_kwh, kwh, round(counted_kwh::numeric, 6)::float8, "
        "round(correction_kwh::numeric, 6)::float8 FROM telemetry.register_event WHERE device_id = %s ORDER BY 1",
        [device],
    ).fetchall()


def expected(readings: Series, rules: Rules, decisions: dict[datetime, Decision] | None = None) -> list[object]:
    """The events as the rules have them, in the same shape."""
    return [
        (event.at, event.kind, event.before_kwh, event.kwh, round(event.counted_kwh, 6), round(event.correction_kwh, 6))
        for event in registers.events(readings, rules, decisions)
    ]


@dataclass(frozen=True)
class History:
    """A register's readings as they come: batches of numbers of readings, in order of arrival."""

    rules: Rules
    readings: Sequence[tuple[int, float]]
    order: Sequence[int]
    batch: int
    declared_after: int


VALUES = st.one_of(st.just(0.0), st.sampled_from([9000.0, 3.0, 700.0]))
HICCUPS = st.sampled_from(
    ["zero", "spike", "stale", "back a little", "back far", "reset", "jump", "repeat", "frozen", "gap", "small spike"]
)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Charging and standing still, with the hiccups of hardware, in some order of arrival."""
    meaning: Literal["register", "session"] = draw(st.sampled_from(["register", "register", "session"]))
    rules = Rules(
        meaning,
        modulus_kwh=draw(st.sampled_from([None, None, 1000.0])) if meaning == "register" else None,
        rated_power_kw=draw(st.sampled_from([None, 11.0, 22.0])),
    )
    resolution = draw(st.sampled_from([0.001, 0.1, 1.0]))
    pace = draw(st.sampled_from([1, 15, 60]))
    true_kwh = draw(st.sampled_from([0.0, 5.0, 840.0, 985.0]))
    shown = true_kwh
    minute = 0
    readings: list[tuple[int, float]] = []
    for _ in range(draw(st.integers(3, 40))):
        minute += pace
        hiccup = draw(st.one_of(st.none(), st.none(), st.none(), HICCUPS))
        charged = draw(st.sampled_from([0.0, 0.0, 4.0, 11.0, 21.0])) * pace / 60
        true_kwh += charged
        if hiccup == "gap":
            minute += draw(st.sampled_from([90, 1500, 12000]))
        elif hiccup == "reset":
            true_kwh = draw(st.sampled_from([0.0, 0.4, 2.0]))
        elif hiccup == "jump":
            true_kwh = draw(st.sampled_from([431.2, 700.0, 12.0]))
        elif hiccup == "back far":
            true_kwh = max(0.0, true_kwh - 12.0)
        shown = round(int(true_kwh / resolution + 1e-9) * resolution, 3)
        if hiccup == "zero":
            readings += [(minute + pace * i, 0.0) for i in range(draw(st.integers(1, 3)))]
            minute = readings[-1][0]
            continue
        if hiccup == "spike":
            readings += [(minute + pace * i, 9000.0) for i in range(draw(st.integers(1, 2)))]
            minute = readings[-1][0]
            continue
        if hiccup == "small spike":
            shown += 0.2 * pace
        if hiccup in ("stale", "frozen") and readings:
            shown = readings[max(0, len(readings) - draw(st.integers(1, 4)))][1]
        if hiccup == "back a little":
            shown = max(0.0, shown - 0.3)
        readings.append((minute, round(shown, 3)))
    numbers = range(len(readings))
    order = draw(st.one_of(st.just(list(numbers)), st.permutations(numbers)))
    if draw(st.booleans()):
        late = draw(st.sampled_from(numbers))
        order = [number for number in numbers if number != late] + [late]
    return History(rules, readings, order, draw(st.sampled_from([1, 1, 3, 50])), draw(st.sampled_from([0, 0, 5])))


@given(history=histories(), kind=st.sampled_from(["meter", "vehicle"]))
@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
def test_events_are_those_of_one_pass_over_the_sorted_readings(
    connection: Connection, history: History, kind: str
) -> None:
    begin = start()
    # A device of its own for each example: a rollup would stand for readings that were deleted.
    device = f"R-{next(NUMBERS)}"
    readings = [(begin + timedelta(minutes=minute), kwh) for minute, kwh in history.readings]
    for first in range(0, len(history.order), history.batch):
        if first <= history.declared_after < first + history.batch:
            declare(connection, kind, device, history.rules)
        insert(connection, kind, device, [readings[number] for number in history.order[first : first + history.batch]])
    if history.declared_after >= len(history.order):
        declare(connection, kind, device, history.rules)
    assert events_of(connection, device) == expected(readings, history.rules)
    assert connection.execute("SELECT count(*) FROM telemetry.register_backlog").fetchone() == (0,)


@pytest.mark.parametrize("kind", ["meter", "vehicle"])
def test_a_zero_is_undone_by_the_return_from_it(connection: Connection, kind: str) -> None:
    readings = [(start() + QUARTER * number, kwh) for number, kwh in enumerate([842, 845.5, 0, 846, 850])]
    rules = Rules(rated_power_kw=22)
    declare(connection, kind, "R-1", rules)
    for reading in readings:
        insert(connection, kind, "R-1", [reading])
    found = events_of(connection, "R-1")
    assert [row[1] for row in found] == ["baseline", "reset", "return"]
    assert found == expected(readings, rules)
