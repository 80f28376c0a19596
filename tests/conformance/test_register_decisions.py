"""What operators decide about steps of registers, and what becomes of it: by SQL and over HTTP."""

from datetime import timedelta
from itertools import count
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import TupleRow

from tests.conformance.test_register_events import (
    EXAMPLES,
    QUARTER,
    History,
    Series,
    declare,
    events_of,
    expected,
    histories,
    insert,
    start,
)
from tests.support.registers import Decision, Rules

Connection = psycopg.Connection[TupleRow]

NUMBERS = count(1)
RATED = Rules(rated_power_kw=22)
KINDS = ("plain", "reset", "rollover", "glitch", "exchange")
SPIKE = (10.0, 12.0, 4000.0, 4002.0, 12.5, 13.0)


@pytest.fixture(params=["meter", "vehicle"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of device in turn."""
    return str(request.param)


def every_quarter(*values: float) -> Series:
    """Readings a quarter of an hour apart."""
    return [(start() + QUARTER * number, kwh) for number, kwh in enumerate(values)]


def decide(connection: Connection, kind: str, device: str, at: Any, decision: str, *more: Any) -> Any:
    """Decide a step: outcome, instant of its reading, change of energy in kWh, whether part of the work is left."""
    [row] = connection.execute(
        f"SELECT * FROM api.decide_step(%s, %s, %s, %s{', %s' * len(more)})", [kind, device, at, decision, *more]
    ).fetchall()
    return row


def withdraw(connection: Connection, kind: str, device: str, at: Any) -> Any:
    """Withdraw a decision: what :func:`decide` returns."""
    [row] = connection.execute("SELECT * FROM api.withdraw_decision(%s, %s, %s)", [kind, device, at]).fetchall()
    return row


def decisions_of(connection: Connection, device: str) -> dict[Any, Decision]:
    """The decisions that hold, by the instant they are about."""
    rows = connection.execute(
        "SELECT decided_for, kind, first_kwh FROM api.register_decision WHERE device_id = %s", [device]
    ).fetchall()
    return {at: Decision(decision, first_kwh) for at, decision, first_kwh in rows}


DECIDED = st.lists(
    st.tuples(
        st.integers(0, 39),
        st.integers(0, 39),
        st.sampled_from([*KINDS, "glitch", "exchange", "withdrawn"]),
        st.sampled_from([0, 0, 1]),
        st.sampled_from([0.0, 0.5, 3.0]),
    ),
    max_size=6,
)


@given(history=histories(), decided=DECIDED, kind=st.sampled_from(["meter", "vehicle"]))
@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
def test_decisions_stand_in_whatever_order_they_and_the_readings_come(
    connection: Connection, history: History, decided: list[tuple[int, int, str, int, float]], kind: str
) -> None:
    """One pass over the sorted readings finds the same events, whichever decisions were taken between their batches.

    Decisions that do not fit the readings of that moment are refused and have no effect.
    """
    begin = start()
    device = f"D-{next(NUMBERS)}"
    readings = [(begin + timedelta(minutes=minute), kwh) for minute, kwh in history.readings]
    declare(connection, kind, device, history.rules)
    for number, first in enumerate(range(0, len(history.order), history.batch)):
        batch = [readings[index] for index in history.order[first : first + history.batch]]
        insert(connection, kind, device, batch)
        for after, which, decision, minutes_before, first_kwh in decided:
            if after % (1 + len(history.order) // history.batch) != number:
                continue
            at = readings[which % len(readings)][0] - timedelta(minutes=minutes_before)
            try:
                if decision == "withdrawn":
                    withdraw(connection, kind, device, at)
                else:
                    decide(connection, kind, device, at, decision, first_kwh if decision == "exchange" else None)
            except (psycopg.errors.InvalidParameterValue, psycopg.errors.NoDataFound):
                continue
    assert events_of(connection, device) == expected(readings, history.rules, decisions_of(connection, device))
    assert connection.execute("SELECT count(*) FROM telemetry.register_backlog").fetchone() == (0,)
