"""What operators decide about steps of registers, and what becomes of it: by SQL and over HTTP."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import TupleRow

from tests.conformance.test_plug_events import at_once
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
from tests.support.readings import minutes_ago, now
from tests.support.registers import Decision, Rules, energy, events
from tests.support.service import Answer, Client

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


def total(readings: Series, rules: Rules, decisions: dict[datetime, Decision] | None = None) -> float:
    """All that a series counts."""
    counted = energy(readings, events(readings, rules, decisions), min(readings)[0] - QUARTER, max(readings)[0])
    assert counted is not None
    return counted


@pytest.mark.parametrize("decision", ["plain", "reset", "glitch"])
def test_a_decision_changes_energy_by_what_it_says_and_its_withdrawal_takes_that_back(
    connection: Connection, kind: str, decision: str
) -> None:
    readings = every_quarter(*SPIKE)
    at = readings[2][0]
    declare(connection, kind, "D-1", RATED)
    insert(connection, kind, "D-1", readings)
    decided = {at: Decision(decision)}  # type: ignore[arg-type]
    change = total(readings, RATED, decided) - total(readings, RATED)
    outcome = decide(connection, kind, "D-1", at, decision)
    assert (outcome[:2], outcome[3]) == (("decided", at), False)
    assert outcome[2] == pytest.approx(change)
    assert decide(connection, kind, "D-1", at, decision) == ("unchanged", at, 0, False)
    # A late reading before it changes the step, not the decision.
    late = (readings[1][0] + QUARTER / 3, 12.2)
    insert(connection, kind, "D-1", [late])
    assert events_of(connection, "D-1") == expected([*readings, late], RATED, decided)
    outcome = withdraw(connection, kind, "D-1", at)
    assert outcome[0] == "withdrawn"
    assert outcome[2] == pytest.approx(total([*readings, late], RATED) - total([*readings, late], RATED, decided))
    assert events_of(connection, "D-1") == expected([*readings, late], RATED)
    assert withdraw(connection, kind, "D-1", at) == ("unchanged", at, 0, False)


def test_what_was_decided_before_stays_on_record(connection: Connection, kind: str) -> None:
    readings = every_quarter(*SPIKE)
    at = readings[2][0]
    declare(connection, kind, "D-1", RATED)
    insert(connection, kind, "D-1", readings)
    decide(connection, kind, "D-1", at, "plain", None, "anna", "looked right")
    assert decide(connection, kind, "D-1", at, "exchange", 3999, "ben")[0] == "changed"
    connection.execute("SET energy.operator = 'carla'")
    withdraw(connection, kind, "D-1", at)
    assert connection.execute("SELECT current_setting('energy.operator')").fetchone() == ("carla",)
    connection.execute("RESET energy.operator")
    decide(connection, kind, "D-1", at, "glitch")
    connection.execute("DELETE FROM telemetry.register_decision")
    assert connection.execute(
        "SELECT action, old_kind, old_first_kwh, new_kind, new_first_kwh, operator, reason "
        "FROM api.register_decision_change ORDER BY id"
    ).fetchall() == [
        ("decided", None, None, "plain", None, "anna", "looked right"),
        ("changed", "plain", None, "exchange", 3999, "ben", None),
        ("withdrawn", "exchange", 3999, None, None, "carla", None),
        ("decided", None, None, "glitch", None, None, None),
        ("withdrawn", "glitch", None, None, None, None, None),
    ]


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("minutes_ahead", [-50, 20])
def test_an_exchange_is_announced_before_its_reading_comes(
    connection: Connection, kind: str, minutes_ahead: int, batch: int
) -> None:
    """The new meter goes on nearly where the old one stood: without the announcement, its first step would be plain."""
    first = minutes_ago(60)
    readings = [(first + number * timedelta(minutes=5), 100 + number / 4) for number in range(20)]
    exchange = first + timedelta(minutes=61 + minutes_ahead)
    before = [reading for reading in readings if reading[0] < exchange]
    after = [(at, kwh + 0.05) for at, kwh in readings if at >= exchange]
    declare(connection, kind, "D-1", RATED)
    insert(connection, kind, "D-1", before)
    assert decide(connection, kind, "D-1", exchange, "exchange", 100) == ("decided", None, 0, False)
    for number in range(0, len(after), batch):
        insert(connection, kind, "D-1", after[number : number + batch])
    found = events_of(connection, "D-1")
    assert [(row[0], row[1]) for row in found[1:]] == [(after[0][0], "exchange")]
    assert found == expected(before + after, RATED, {exchange: Decision("exchange", 100)})
    assert connection.execute(
        "SELECT decided_by, decided_at IS NOT NULL FROM api.register_event ORDER BY recorded_at"
    ).fetchall() == [("rule", False), ("operator", True)]


def test_an_exchange_may_be_announced_before_the_first_reading_of_a_device(connection: Connection, kind: str) -> None:
    declare(connection, kind, "D-1", RATED)
    readings = every_quarter(10, 12, 14)
    assert decide(connection, kind, "D-1", readings[1][0], "exchange", 11.5)[0] == "decided"
    for reading in readings:
        insert(connection, kind, "D-1", [reading])
    assert events_of(connection, "D-1") == expected(readings, RATED, {readings[1][0]: Decision("exchange", 11.5)})


REFUSED = [
    (
        timedelta(minutes=40), "plain", None,
        "at must be the instant of a reading of {device}: the next ones are {2} and {3}",
    ),
    (timedelta(days=1), "glitch", None, "at must be the instant of a reading of {device}: the next ones are {5}"),
    (timedelta(0), "reset", None, "at must be later than {0}: the first reading has no step that leads to it"),
    (
        timedelta(minutes=30), "rollover", None,
        "decision rollover needs the registerModulusKwh of {device}, such as 100000",
    ),
    (
        timedelta(minutes=30), "exchange", None,
        "first_kwh is missing: exchange needs the value with which the new meter began, such as 700",
    ),
    (timedelta(minutes=30), "plain", 7.0, "first_kwh must come with exchange: plain has none"),
    (timedelta(minutes=30), "exchange", -1.0, "first_kwh must be a number from 0 to 1e9 (kWh), such as 700"),
    (timedelta(minutes=50), "exchange", 13.0, "first_kwh must be at most 12.5, the reading of {4}"),
]  # fmt: skip


@pytest.mark.parametrize(("after", "decision", "first_kwh", "message"), REFUSED)
def test_what_does_not_fit_the_readings_is_refused_with_what_would(
    connection: Connection, kind: str, after: timedelta, decision: str, first_kwh: float | None, message: str
) -> None:
    readings = every_quarter(*SPIKE)
    declare(connection, kind, "D-1", RATED)
    insert(connection, kind, "D-1", readings)
    before = events_of(connection, "D-1")
    with pytest.raises(psycopg.errors.InvalidParameterValue) as refused:
        decide(connection, kind, "D-1", start() + after, decision, first_kwh)
    instants = [at.isoformat().replace("+00:00", "Z") for at, _ in readings]
    assert refused.value.diag.message_primary == message.format(*instants, device=f"{kind} D-1")
    assert (events_of(connection, "D-1"), decisions_of(connection, "D-1")) == (before, {})


def test_a_rollover_that_is_decided_needs_a_fall_within_the_modulus(connection: Connection, kind: str) -> None:
    rules = Rules(modulus_kwh=100, rated_power_kw=22)
    readings = every_quarter(60, 65, 70, 3, 5)
    declare(connection, kind, "D-1", rules)
    insert(connection, kind, "D-1", readings)
    with pytest.raises(
        psycopg.errors.InvalidParameterValue, match=r"needs a fall from at most 165 kWh: .* from 60 to 65"
    ):
        decide(connection, kind, "D-1", readings[1][0], "rollover")
    decide(connection, kind, "D-1", readings[3][0], "rollover")
    assert events_of(connection, "D-1") == expected(readings, rules, {readings[3][0]: Decision("rollover")})


def test_what_is_no_register_then_or_is_not_known_cannot_be_decided(connection: Connection, kind: str) -> None:
    readings = every_quarter(*SPIKE)
    insert(connection, kind, "D-1", readings)
    connection.execute(f"SELECT api.set_{kind}_kind('D-1', 'register', NULL, %s)", [readings[3][0]])
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=r"is no register at .*: its energyReading must be"):
        decide(connection, kind, "D-1", readings[3][0], "glitch")
    assert decide(connection, kind, "D-1", readings[4][0], "glitch")[0] == "decided"
    with pytest.raises(psycopg.errors.NoDataFound, match=f"{kind} D-2 has no reading and is not registered"):
        decide(connection, kind, "D-2", readings[4][0], "glitch")
    with pytest.raises(psycopg.errors.NoDataFound, match="nothing was decided about") as refused:
        withdraw(connection, kind, "D-1", readings[5][0])
    assert refused.value.diag.message_hint == f"Decisions: {readings[4][0].isoformat().replace('+00:00', 'Z')}"


def test_an_exchange_stays_with_its_reading_when_that_is_dropped(own: Connection, kind: str) -> None:
    begin = start()
    values = (4000.0, 4010.0, 702.0, 712.0, 722.0)
    readings = [(begin + timedelta(hours=7 * number), kwh) for number, kwh in enumerate(values)]
    declare(own, kind, "D-1", RATED)
    insert(own, kind, "D-1", readings)
    exchange = readings[2][0] - timedelta(hours=1)
    decide(own, kind, "D-1", exchange, "exchange", 700)
    own.execute("CALL api.refresh_rollups(now() - interval '40 days', now())")
    before = events_of(own, "D-1")
    own.execute(f"DELETE FROM telemetry.{kind}_telemetry_history WHERE recorded_at <= %s", [readings[2][0]])
    own.execute(f"UPDATE telemetry.{kind} SET rated_power_kw = 30")
    assert [row[1] for row in before] == ["baseline", "exchange"]
    assert events_of(own, "D-1") == before
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="the readings before are not kept any more"):
        decide(own, kind, "D-1", readings[1][0] + timedelta(hours=1), "exchange", 700)
    # Nor are the events of a register lost that was silent for as long as the history is kept.
    own.execute(f"DELETE FROM telemetry.{kind}_telemetry_history")
    own.execute(f"UPDATE telemetry.{kind} SET rated_power_kw = 22")
    assert events_of(own, "D-1") == before


def test_writers_and_operators_at_the_same_time_come_to_what_one_after_the_other_would(
    connection: Connection, migrated_database: str, kind: str
) -> None:
    """Who holds the register makes the others wait, and what they judge then rests on what was committed meanwhile."""
    readings = every_quarter(*SPIKE, 14.0, 15.0)
    declare(connection, kind, "D-1", RATED)
    insert(connection, kind, "D-1", readings[:2])
    at = readings[2][0]

    def acting(act: Callable[[Connection], object]) -> threading.Thread:
        def work() -> None:
            with psycopg.connect(migrated_database, autocommit=True, options="-c timezone=UTC") as own:
                act(own)

        thread = threading.Thread(target=work)
        thread.start()
        return thread

    with psycopg.connect(migrated_database, options="-c timezone=UTC") as holder:
        insert(holder, kind, "D-1", [readings[2]])
        waiting = [
            acting(lambda own: insert(own, kind, "D-1", [readings[4]])),
            acting(lambda own: insert(own, kind, "D-1", [readings[3]])),
        ]
        _wait_for_locks(connection, 2)
        holder.commit()
        for thread in waiting:
            thread.join()
        assert events_of(connection, "D-1") == expected(readings[:5], RATED)
        decide(holder, kind, "D-1", at, "glitch")
        waiting = [
            acting(lambda own: insert(own, kind, "D-1", readings[5:])),
            acting(lambda own: decide(own, kind, "D-1", readings[3][0], "glitch")),
        ]
        _wait_for_locks(connection, 2)
        holder.commit()
        for thread in waiting:
            thread.join()
    decided = {at: Decision("glitch"), readings[3][0]: Decision("glitch")}
    assert decisions_of(connection, "D-1") == decided
    assert events_of(connection, "D-1") == expected(readings, RATED, decided)


def _wait_for_locks(connection: Connection, sessions: int) -> None:
    waiting = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = ''"
    )
    for _ in range(6000):
        if connection.execute(waiting).fetchone() == (sessions,):
            return
        threading.Event().wait(0.01)
    raise TimeoutError(f"no {sessions} sessions wait for a lock")


# Over HTTP


EVENTS = "/v1/register-events"
DECISIONS = "/v1/register-decisions"


def text(instant: datetime) -> str:
    """An instant as answers have it."""
    return instant.isoformat().replace("+00:00", "Z")


def put(client: Client, document: Any, operator: str | None = None, reason: str | None = None) -> Answer:
    """Decide a step, for somebody."""
    headers = {"Content-Type": "application/json", **({"X-Operator": operator} if operator else {})}
    path = DECISIONS + (f"?reason={reason}" if reason else "")
    return client.request("PUT", path, msgspec.json.encode(document), headers)


def test_an_operator_sees_events_and_decides_them(client: Client, connection: Connection, kind: str) -> None:
    readings = every_quarter(*SPIKE)
    at = readings[2][0]
    declare(connection, kind, "D-1", RATED)
    insert(connection, kind, "D-1", readings)
    other = "vehicle" if kind == "meter" else "meter"
    found = client.get(EVENTS, **{f"{kind}Id": "D-1"}).json
    assert [(event["kind"], event["countedKwh"], event["decidedBy"]) for event in found["events"]] == [
        ("baseline", 0, "rule"), ("break", 0, "rule"), ("return", -1.5, "rule"),
    ]  # fmt: skip
    assert found["next"] is None
    jump = {
        f"{kind}Id": "D-1",
        f"{other}Id": None,
        "at": text(at),
        "kind": "break",
        "beforeAt": text(readings[1][0]),
        "beforeKwh": 12,
        "kwh": 4000,
        "countedKwh": 0,
        "correctionKwh": -3988,
        "decidedBy": "rule",
        "operator": None,
        "reason": None,
        "decidedAt": None,
        # The return has undone it.
        "toDecide": False,
        "pending": False,
    }
    assert found["events"][1] == jump
    document = {f"{kind}Id": "D-1", "at": text(at), "decision": "plain"}
    answer = put(client, document, "anna", "a+fast+charger")
    assert answer.status == 200, answer.body
    decided = answer.json
    change = total(readings, RATED, {at: Decision("plain")}) - total(readings, RATED)
    assert (decided["outcome"], decided["energyChangeKwh"], decided["pending"]) == ("decided", round(change, 6), False)
    by = {"operator": "anna", "reason": "a fast charger", "decidedAt": decided["decision"]["decidedAt"]}
    assert decided["event"] == {
        **jump, **by, "kind": "plain", "countedKwh": 3988, "correctionKwh": 0, "decidedBy": "operator",
    }  # fmt: skip
    assert decided["decision"] == {
        f"{kind}Id": "D-1", f"{other}Id": None, "at": text(at), "decision": "plain", "firstKwh": None,
        "databaseRole": "energy_writer", **by,
    }  # fmt: skip
    assert client.get(DECISIONS, **{f"{kind}Id": "D-1"}).json == {"decisions": [decided["decision"]], "next": None}
    assert put(client, document).json == {**decided, "outcome": "unchanged", "energyChangeKwh": 0}
    withdrawn = client.delete(DECISIONS, reason="no", at=text(at), **{f"{kind}Id": "D-1"})
    assert withdrawn.json == {
        "outcome": "withdrawn", "decision": None, "event": jump, "energyChangeKwh": round(-change, 6), "pending": False,
    }  # fmt: skip
    again = client.delete(DECISIONS, at=text(at), **{f"{kind}Id": "D-1"})
    assert again.json == {**withdrawn.json, "outcome": "unchanged", "energyChangeKwh": 0}
    assert client.get(DECISIONS).json == {"decisions": [], "next": None}
    changes = client.get(f"{DECISIONS}/changes").json["changes"]
    assert [(one["action"], one["operator"], one["reason"], one["before"], one["after"]) for one in changes] == [
        ("decided", "anna", "a fast charger", None, {"decision": "plain", "firstKwh": None}),
        ("withdrawn", None, "no", {"decision": "plain", "firstKwh": None}, None),
    ]


def test_an_exchange_that_is_announced_has_no_event_yet(client: Client, connection: Connection, kind: str) -> None:
    declare(connection, kind, "D-1", RATED)
    document = {f"{kind}Id": "D-1", "at": text(now() + timedelta(days=2)), "decision": "exchange", "firstKwh": 700}
    answer = put(client, document)
    assert answer.status == 200, answer.body
    assert (answer.json["outcome"], answer.json["event"], answer.json["energyChangeKwh"]) == ("decided", None, 0)
    [listed] = client.get(DECISIONS).json["decisions"]
    assert (listed["at"], listed["decision"], listed["firstKwh"]) == (document["at"], "exchange", 700)


def test_events_are_listed_by_device_time_and_kind_and_in_pages(client: Client, connection: Connection) -> None:
    for device in ("D-1", "D-2", "D-3"):
        for kind in ("meter", "vehicle"):
            declare(connection, kind, device, RATED)
            insert(connection, kind, device, every_quarter(*SPIKE))
    everything = client.get(EVENTS).json["events"]
    places = [(event["at"], event["meterId"] is None, event["meterId"] or event["vehicleId"]) for event in everything]
    assert (len(places), places) == (18, sorted(places))
    visited: list[Any] = []
    after: dict[str, str] = {}
    while len(visited) < 18:
        page = client.get(EVENTS, limit=5, **after).json
        visited += page["events"]
        after = {"after": page["next"] or ""}
    assert visited == everything
    assert after == {"after": ""}
    of_one = client.get(EVENTS, vehicleId="D-2", limit=2).json
    rest = client.get(EVENTS, vehicleId="D-2", limit=2, after=of_one["next"]).json
    assert of_one["events"] + rest["events"] == [event for event in everything if event["vehicleId"] == "D-2"]
    first, last = everything[0]["at"], everything[-1]["at"]
    # After `from`, up to `to`.
    between = client.get(EVENTS, from_=first, to=last).json["events"]
    assert between == [event for event in everything if event["kind"] != "baseline"]
    assert client.get(EVENTS, from_=last).json == {"events": [], "total": 0, "next": None}
    returns = client.get(EVENTS, kind="return", meterId="D-1").json["events"]
    assert [event["kind"] for event in returns] == ["return"]


NOT_ALLOWED: list[tuple[Any, str, str]] = [
    ({"at": "2026-11-20T08:00:00Z", "decision": "plain"}, "meterId", "meterId is missing"),
    ({"meterId": "D-1", "vehicleId": "D-1", "at": "2026-11-20T08:00:00Z", "decision": "plain"}, "vehicleId", "exclude"),
    ({"meterId": "D-1", "decision": "plain"}, "at", "such as 2026-11-20T08:00:00Z"),
    ({"meterId": "D-1", "at": "2026-11-20T08:00:00Z", "decision": "swap"}, "decision", "glitch, plain, reset"),
    ({"meterId": "D-1", "at": "2026-11-20T08:00:00Z", "decision": "exchange"}, "firstKwh", "firstKwh is missing"),
    ({"meterId": "D-1", "at": "2026-11-20T08:00:00Z", "decision": "exchange", "firstKwh": -1}, "firstKwh", "from 0 to"),
    ({"meterId": "D-1", "at": "2026-11-20T08:00:00Z", "decision": "plain"}, "at", "the instant of a reading"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "field", "said"), NOT_ALLOWED)
def test_a_decision_that_is_not_allowed_is_422_and_says_what_is(
    client: Client, connection: Connection, document: Any, field: str, said: str
) -> None:
    declare(connection, "meter", "D-1", RATED)
    answer = put(client, document)
    assert (answer.status, answer.json["code"], answer.json["field"]) == (422, "invalid_parameter", field), answer.body
    assert said in answer.json["detail"]


def test_what_is_not_known_is_404(client: Client, connection: Connection, kind: str) -> None:
    document = {f"{kind}Id": "D-9", "at": text(start()), "decision": "plain"}
    answer = put(client, document)
    assert (answer.status, answer.json["code"]) == (404, f"unknown_{kind}")
    declare(connection, kind, "D-1", RATED)
    answer = client.delete(DECISIONS, at=text(start()), **{f"{kind}Id": "D-1"})
    assert (answer.status, answer.json["code"]) == (404, "unknown_decision")
    assert "There is no decision about this device." in answer.json["detail"]
    for query in ({"after": "x"}, {"after": "2026-11-20T08:00:00Z,bus,D-1"}, {"kind": "jump"}, {"meterId": "a b"}):
        assert client.get(EVENTS, **query).status == 422
    assert client.delete(DECISIONS, **{f"{kind}Id": "D-1"}).json["field"] == "at"
    assert client.delete(DECISIONS, at=text(start())).json["field"] == "meterId"


def test_decisions_of_many_at_once_leave_one_of_them(client: Client, connection: Connection, kind: str) -> None:
    readings = every_quarter(*SPIKE)
    at = readings[2][0]
    declare(connection, kind, "D-1", RATED)
    insert(connection, kind, "D-1", readings)

    def act(number: int) -> int:
        return put(
            client, {f"{kind}Id": "D-1", "at": text(at), "decision": "exchange", "firstKwh": 3000 + number}
        ).status

    assert at_once(6, act) == [200] * 6
    decided = decisions_of(connection, "D-1")
    assert list(decided) == [at]
    assert events_of(connection, "D-1") == expected(readings, RATED, decided)
    assert len(client.get(f"{DECISIONS}/changes").json["changes"]) == 6


# What a change of a device does


def test_a_change_of_a_device_says_what_it_did(client: Client, connection: Connection, kind: str) -> None:
    readings = every_quarter(*SPIKE)
    insert(connection, kind, "D-1", readings)
    path = f"/v1/{kind}s/D-1"
    changed = client.put(path, {"energyReading": "register"}).json
    assert (changed["outcome"], changed["since"]) == ("changed", None)
    assert changed["judged"] == {"from": None, "readings": 6, "events": 3, "pending": False}
    # It is a register since ever: what is asked holds already.
    changed = client.put(path, {"energyReading": "register", "since": text(readings[3][0])}).json
    assert (changed["outcome"], changed["since"], changed["judged"]) == ("unchanged", None, None)
    changed = client.put(path, {"energyReading": "session", "since": text(readings[3][0])}).json
    assert (changed["outcome"], changed["energyReading"], changed["since"]) == (
        "changed",
        "session",
        text(readings[3][0]),
    )
    # Of its own, a new baseline.
    assert changed["judged"] == {"from": text(readings[3][0]), "readings": 2, "events": 1, "pending": False}
    changed = client.put(path, {"ratedPowerKw": 22000}).json
    assert (changed["outcome"], changed["judged"]["readings"], changed["judged"]["events"]) == ("changed", 6, 2)
    changed = client.put(path, {"ratedPowerKw": 22000}).json
    assert (changed["outcome"], changed["judged"]) == ("unchanged", None)
    changed = client.put(path, {"energyReading": "interval", "since": None}).json
    assert (changed["outcome"], changed["judged"]) == ("changed", None)
    assert events_of(connection, "D-1") == []


def test_a_rated_power_of_the_fleet_is_of_devices_without_one_of_their_own(
    client: Client, connection: Connection, kind: str
) -> None:
    readings = every_quarter(*SPIKE)
    for device, own in (("D-1", None), ("D-2", 22)):
        declare(connection, kind, device, Rules(rated_power_kw=own))
        insert(connection, kind, device, readings)
    answer = client.put("/v1/fleet/defaults", {f"{kind}s": {"ratedPowerKw": 20000}}).json
    assert (answer["outcome"], answer["registersJudged"], answer["pending"]) == ("changed", 1, False)
    assert answer[f"{kind}RatedPowerKw"] == client.get("/v1/fleet/defaults").json[f"{kind}RatedPowerKw"] == 20000
    assert events_of(connection, "D-1") == expected(readings, Rules(rated_power_kw=20000))
    assert events_of(connection, "D-2") == expected(readings, RATED)
    assert len(events_of(connection, "D-1")) == 2
    again = client.put("/v1/fleet/defaults", {f"{kind}s": {"ratedPowerKw": 20000}}).json
    assert (again["outcome"], again["registersJudged"]) == ("unchanged", 0)
    # Readings that come later are judged by it, too.
    later = [(readings[-1][0] + QUARTER, 4000.0), (readings[-1][0] + 2 * QUARTER, 8000.0)]
    for reading in later:
        insert(connection, kind, "D-1", [reading])
    assert events_of(connection, "D-1") == expected(readings + later, Rules(rated_power_kw=20000))
    assert client.put("/v1/fleet/defaults", {f"{kind}s": {"ratedPowerKw": None}}).json["registersJudged"] == 1
    assert events_of(connection, "D-1") == expected(readings + later, Rules())


def test_a_device_that_is_listed_with_its_power_is_judged_by_it(connection: Connection, kind: str) -> None:
    readings = every_quarter(10, 12, 200, 202)
    connection.execute("SELECT api.set_fleet_default(%s, 'register', NULL, NULL)", [kind])
    insert(connection, kind, "D-1", readings)
    assert events_of(connection, "D-1") == expected(readings, Rules())
    connection.execute(f"INSERT INTO telemetry.{kind} ({kind}_id, rated_power_kw) VALUES ('D-1', 22)")
    assert events_of(connection, "D-1") == expected(readings, RATED)
    assert len(events_of(connection, "D-1")) > 1
