"""Plug events that come late, out of order, twice, from clocks that differ, or never."""

from datetime import timedelta
from itertools import permutations
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg.rows import TupleRow

from app.config import Settings
from tests.conformance.test_assignments import created, hour, listed, overlapped, text
from tests.conformance.test_plug_events import EVENTS, event, event_applied, kept, outcomes, span
from tests.support.service import Client

Connection = psycopg.Connection[TupleRow]

DEFAULTS = "/v1/fleet/defaults"
SECOND = 1 / 3600
TOLERANCE_S = Settings().plug_clock_tolerance_s


def close_by_next(client: Client, wanted: bool = True) -> None:
    answer = client.put(DEFAULTS, {"closeByNextPlugIn": wanted})
    assert (answer.status, answer.json["closeByNextPlugIn"]) == (200, wanted)


def ids(assignments: list[Any]) -> list[int]:
    return [one["id"] for one in assignments]


def trace(client: Client, assignment_id: int) -> list[tuple[Any, ...]]:
    """What became of an assignment: action and reason of each change."""
    answer = client.get(f"/v1/assignments/{assignment_id}")
    assert answer.status == 200, answer.body
    return [(change["action"], change["reason"]) for change in answer.json["changes"]]


# Any order of arrival


@pytest.mark.parametrize(
    "hours",
    [(0, 1, 2, 3), (0, 1, 1, 2), (0, 0, 1, 2), (0, 1, 2, 2), (0, 1 + 3 * SECOND, 1, 2)],
    ids=["apart", "adjoining", "the first of no length", "the last of no length", "clocks differ"],
)
def test_events_make_the_same_assignments_in_any_order_of_arrival(client: Client, hours: tuple[float, ...]) -> None:
    close_by_next(client)
    for number, order in enumerate(permutations(range(4))):
        meter, first, second = f"M-{number}", f"V-{number}", f"W-{number}"
        happened = [
            event(kind, meter, vehicle, at)
            for (kind, vehicle), at in zip(
                [("plugIn", first), ("plugOut", first), ("plugIn", second), ("plugOut", second)], hours, strict=True
            )
        ]
        sessions = ((first, hours[0], min(hours[1:3])), (second, hours[2], hours[3]))
        wanted = [span(meter, vehicle, begins, ends) for vehicle, begins, ends in sessions if begins < ends]
        for position in order:
            answer = client.post(EVENTS, happened[position])
            assert answer.status == 200, (order, answer.body)
        assert [row for row in kept(client) if row[0] == meter] == wanted, order
        assert set(outcomes(client.post(EVENTS, happened))) == {"unchanged"}, order
        assert [row for row in kept(client) if row[0] == meter] == wanted, order


def test_a_plug_out_waits_for_its_plug_in(client: Client, connection: Connection) -> None:
    body = msgspec.json.encode(event("plugOut", "M-1", "V-1", 2))
    headers = {"Content-Type": "application/json", "X-Operator": "gateway"}
    answer = client.request("POST", f"{EVENTS}?reason=replay", body, headers).json
    assert (answer["outcome"], answer["assignment"], answer["error"]) == ("waiting", None, None)
    assert event_applied(client, "plugOut", "M-1", "V-1", 2)["outcome"] == "unchanged"
    select = "SELECT vehicle_id, plugged_out_at, assignment_id, operator, reason FROM api.unmatched_plug_out"
    assert connection.execute(select).fetchall() == [("V-1", hour(2), None, "gateway", "replay")]
    # Neither another vehicle's plug-in is meant, nor one after it.
    event_applied(client, "plugIn", "M-1", "V-2", 0)
    event_applied(client, "plugOut", "M-1", "V-2", 0.5)
    begun = event_applied(client, "plugIn", "M-1", "V-1", 1)
    assert (begun["outcome"], begun["assignment"]["to"]) == ("created", text(hour(2)))
    assert connection.execute(select).fetchall()[0][2] == begun["assignment"]["id"]
    again = event_applied(client, "plugOut", "M-1", "V-1", 2)
    assert (again["outcome"], again["assignment"]) == ("unchanged", begun["assignment"])
    assert event_applied(client, "plugIn", "M-1", "V-1", 3)["assignment"]["to"] is None


def test_a_plug_out_that_waits_ends_one_assignment(client: Client) -> None:
    event_applied(client, "plugOut", "M-1", None, 2)
    assert event_applied(client, "plugIn", "M-1", "V-1", 1)["assignment"]["to"] == text(hour(2))
    event_applied(client, "plugIn", "M-1", "V-2", 0)
    assert kept(client) == [span("M-1", "V-2", 0, 1), span("M-1", "V-1", 1, 2)]


def test_a_plug_out_where_another_is_plugged_in_does_not_wait(client: Client, connection: Connection) -> None:
    created(client, "M-1", "V-2", 0)
    created(client, "M-2", "V-1", 0)
    for vehicle_id in ("V-1", "V-3"):
        answer = client.post(EVENTS, event("plugOut", "M-1", vehicle_id, 1))
        assert (answer.status, answer.json["code"]) == (404, "nothing_plugged_in")
    assert connection.execute("SELECT count(*) FROM telemetry.unmatched_plug_out").fetchall() == [(0,)]


# No length


@pytest.mark.parametrize("vehicle_id", ["V-1", None])
def test_a_session_of_no_length_is_over_and_leaves_a_trace(client: Client, vehicle_id: str | None) -> None:
    begun = event_applied(client, "plugIn", "M-1", "V-1", 0)["assignment"]
    ended = event_applied(client, "plugOut", "M-1", vehicle_id, 0)
    assert (ended["outcome"], ended["assignment"]) == ("closed", {**begun, "to": begun["from"]})
    assert event_applied(client, "plugIn", "M-1", "V-2", 0)["outcome"] == "created"
    assert event_applied(client, "plugIn", "M-2", "V-1", 0)["outcome"] == "created"
    assert trace(client, begun["id"]) == [("created", None), ("voided", "plugged out at the instant of the plug-in")]
    for kind in ("plugIn", "plugOut"):
        again = event_applied(client, kind, "M-1", "V-1", 0)
        assert (again["outcome"], again["assignment"]) == ("unchanged", None)
    assert kept(client) == [span("M-1", "V-2", 0), span("M-2", "V-1", 0)]


def test_a_session_of_no_length_whose_plug_out_came_first_is_over(client: Client) -> None:
    assert event_applied(client, "plugOut", "M-1", "V-1", 0)["outcome"] == "waiting"
    # Somebody else's may begin there before it is known.
    event_applied(client, "plugIn", "M-1", "V-2", 0)
    begun = event_applied(client, "plugIn", "M-1", "V-1", 0)
    assert (begun["outcome"], begun["assignment"]["to"]) == ("created", begun["assignment"]["from"])
    reason = "plugged out at the instant of the plug-in"
    assert trace(client, begun["assignment"]["id"]) == [("created", reason), ("voided", reason)]
    for kind in ("plugIn", "plugOut"):
        assert event_applied(client, kind, "M-1", "V-1", 0)["outcome"] == "unchanged"
    assert kept(client) == [span("M-1", "V-2", 0)]


@pytest.mark.parametrize("kinds", [("plugIn", "plugOut"), ("plugOut", "plugIn")])
@pytest.mark.parametrize("vehicle_id", ["V-1", None])
def test_of_one_array_a_session_of_no_length_is_over(
    client: Client, kinds: tuple[str, str], vehicle_id: str | None
) -> None:
    named = {"plugIn": "V-1", "plugOut": vehicle_id}
    events = [event(kind, "M-1", named[kind], 1) for kind in kinds]
    assert sorted(outcomes(client.post(EVENTS, events))) == ["closed", "created"]
    assert outcomes(client.post(EVENTS, events)) == ["unchanged"] * 2
    assert event_applied(client, "plugIn", "M-1", "V-2", 1)["outcome"] == "created"


def test_a_plug_out_and_plug_in_again_at_one_instant_is_two_sessions(client: Client) -> None:
    event_applied(client, "plugIn", "M-1", "V-1", 0)
    events = [event("plugIn", "M-1", "V-1", 1), event("plugOut", "M-1", "V-1", 1)]
    assert outcomes(client.post(EVENTS, events)) == ["created", "closed"]
    assert kept(client) == [span("M-1", "V-1", 0, 1), span("M-1", "V-1", 1)]


@pytest.mark.parametrize("kinds", [("plugIn", "plugOut"), ("plugOut", "plugIn")])
def test_a_plug_out_in_whole_seconds_is_of_the_second_of_the_plug_in(client: Client, kinds: tuple[str, str]) -> None:
    at = {"plugIn": 1 + 0.7 * SECOND, "plugOut": 1}
    for _ in range(2):
        for kind in kinds:
            event_applied(client, kind, "M-1", "V-1", at[kind])
    assert kept(client) == []
    event_applied(client, "plugIn", "M-1", "V-2", 2 + 0.3 * SECOND)
    event_applied(client, "plugOut", "M-1", "V-2", 2 + 0.1 * SECOND)
    assert kept(client) == [span("M-1", "V-2", 2 + 0.3 * SECOND)]


def test_a_plug_out_at_the_start_of_an_assignment_with_an_end_is_not_its_own(client: Client) -> None:
    created(client, "M-1", "V-1", 1, 2)
    assert event_applied(client, "plugOut", "M-1", None, 1)["outcome"] == "waiting"
    assert kept(client) == [span("M-1", "V-1", 1, 2)]


# Clocks


def test_an_assignment_that_ends_a_moment_after_the_next_plug_in_is_clipped(client: Client) -> None:
    by_meter, by_vehicle = created(client, "M-1", "V-1", 0), created(client, "M-2", "V-2", 0)
    event_applied(client, "plugOut", "M-1", "V-1", 1 + TOLERANCE_S * SECOND)
    event_applied(client, "plugOut", "M-2", "V-2", 1 + SECOND)
    answer = event_applied(client, "plugIn", "M-1", "V-2", 1)
    assert (answer["outcome"], answer["closed"]) == ("created", [])
    assert sorted(ids(answer["clipped"])) == [by_meter, by_vehicle]
    assert {one["to"] for one in answer["clipped"]} == {text(hour(1))}
    assert kept(client) == [span("M-1", "V-1", 0, 1), span("M-2", "V-2", 0, 1), span("M-1", "V-2", 1)]
    reason = "clipped at the next plug-in: the clocks of the two events differ"
    assert trace(client, by_meter)[-1] == ("changed", reason)
    # The plug-out that was clipped, repeated.
    again = event_applied(client, "plugOut", "M-1", "V-1", 1 + TOLERANCE_S * SECOND)
    assert (again["outcome"], again["assignment"]["to"]) == ("unchanged", text(hour(1)))
    assert event_applied(client, "plugIn", "M-1", "V-2", 1)["clipped"] == []


def test_an_overlap_longer_than_clocks_explain_is_409(client: Client) -> None:
    taken = created(client, "M-1", "V-1", 0, 1 + (TOLERANCE_S + 0.001) * SECOND)
    close_by_next(client)
    assert overlapped(client.post(EVENTS, event("plugIn", "M-1", "V-2", 1))) == {0: [taken]}
    assert len(listed(client)) == 1


def test_of_one_array_a_plug_out_makes_room_for_a_plug_in_of_a_moment_before(client: Client) -> None:
    first = created(client, "M-1", "V-1", 0)
    events = [event("plugIn", "M-1", "V-2", 1), event("plugOut", "M-1", "V-1", 1 + 3 * SECOND)]
    answer = client.post(EVENTS, events)
    assert outcomes(answer) == ["created", "closed"]
    assert ids(answer.json["results"][0]["clipped"]) == [first]
    assert kept(client) == [span("M-1", "V-1", 0, 1), span("M-1", "V-2", 1)]
    assert outcomes(client.post(EVENTS, events)) == ["unchanged"] * 2


@pytest.mark.parametrize("vehicle_id", ["V-1", None])
def test_a_plug_out_a_moment_after_the_next_plug_in_is_clipped(client: Client, vehicle_id: str | None) -> None:
    close_by_next(client)
    first = created(client, "M-1", "V-1", 0)
    event_applied(client, "plugIn", "M-1", "V-2", 1)
    for _ in range(2):
        late = event_applied(client, "plugOut", "M-1", vehicle_id, 1 + 3 * SECOND)
        assert (late["outcome"], late["assignment"]["id"], ids(late["clipped"])) == ("unchanged", first, [first])
    assert kept(client) == [span("M-1", "V-1", 0, 1), span("M-1", "V-2", 1)]
    assert event_applied(client, "plugOut", "M-1", "V-2", 1 + 4 * SECOND)["outcome"] == "closed"


def test_a_plug_out_that_waited_is_clipped_at_the_next_assignment(client: Client) -> None:
    event_applied(client, "plugIn", "M-1", "V-2", 1)
    assert event_applied(client, "plugOut", "M-1", "V-1", 1 + 3 * SECOND)["outcome"] == "waiting"
    answer = event_applied(client, "plugIn", "M-1", "V-1", 0)
    assert (answer["outcome"], answer["assignment"]["to"]) == ("created", text(hour(1)))
    assert answer["clipped"] == [answer["assignment"]]


# Lost plug-outs


def test_without_the_default_a_plug_in_where_one_is_open_is_409_and_names_the_default(client: Client) -> None:
    assert client.get(DEFAULTS).json["closeByNextPlugIn"] is False
    taken = created(client, "M-1", "V-1", 0)
    answer = client.post(EVENTS, event("plugIn", "M-1", "V-2", 1))
    assert overlapped(answer) == {0: [taken]}
    for words in ("plugOut", "handOver", 'PUT /v1/fleet/defaults {"closeByNextPlugIn": true}'):
        assert words in answer.json["detail"]
    close_by_next(client)
    close_by_next(client, wanted=False)
    assert client.post(EVENTS, event("plugIn", "M-1", "V-2", 1)).status == 409


def test_the_next_plug_in_closes_what_its_meter_and_its_vehicle_left_open(client: Client) -> None:
    close_by_next(client)
    by_meter, by_vehicle = created(client, "M-1", "V-1", 0), created(client, "M-2", "V-2", 0)
    other = created(client, "M-3", "V-3", 0)
    headers = {"Content-Type": "application/json", "X-Operator": "gateway"}
    body = msgspec.json.encode(event("plugIn", "M-1", "V-2", 1))
    answer = client.request("POST", f"{EVENTS}?reason=replay", body, headers).json
    assert (answer["outcome"], sorted(ids(answer["closed"]))) == ("created", [by_meter, by_vehicle])
    assert {one["to"] for one in answer["closed"]} == {text(hour(1))}
    change = client.get(f"/v1/assignments/{by_meter}").json["changes"][-1]
    assert (change["operator"], change["reason"]) == ("gateway", "replay; closed by the next plug-in")
    assert trace(client, answer["assignment"]["id"]) == [("created", "replay")]
    assert listed(client, at=text(hour(1)), meterId="M-3")[0]["id"] == other
    assert event_applied(client, "plugIn", "M-1", "V-2", 1)["outcome"] == "unchanged"


@pytest.mark.parametrize("kind", ["plugIn", "handOver"])
def test_a_late_plug_out_corrects_the_end_that_was_assumed(client: Client, kind: str) -> None:
    close_by_next(client)
    first = created(client, "M-1", "V-1", 0)
    event_applied(client, kind, "M-1", "V-2", 5)
    late = event_applied(client, "plugOut", "M-1", "V-1", 2)
    assert (late["outcome"], late["assignment"]["id"], late["replacedEnd"]) == ("closed", first, text(hour(5)))
    assert event_applied(client, "plugOut", "M-1", "V-1", 2)["outcome"] == "unchanged"
    assert kept(client) == [span("M-1", "V-1", 0, 2), span("M-1", "V-2", 5)]
    # One after the next plug-in is not this assignment's.
    assert event_applied(client, "plugOut", "M-1", "V-1", 6)["outcome"] == "waiting"
    assert kept(client) == [span("M-1", "V-1", 0, 2), span("M-1", "V-2", 5)]


def test_a_plug_out_at_the_end_that_was_assumed_confirms_it(client: Client) -> None:
    close_by_next(client)
    created(client, "M-1", "V-1", 0)
    event_applied(client, "plugIn", "M-1", "V-2", 5)
    assert event_applied(client, "plugOut", "M-1", "V-1", 5)["replacedEnd"] == text(hour(5))
    again = event_applied(client, "plugOut", "M-1", "V-1", 5)
    assert (again["outcome"], again["replacedEnd"]) == ("unchanged", None)
    assert client.post(EVENTS, event("plugIn", "M-1", "V-3", 4)).status == 409
    assert event_applied(client, "plugOut", "M-1", "V-1", 4)["replacedEnd"] is None


def test_a_late_plug_in_moves_an_end_that_was_assumed_and_no_other(client: Client) -> None:
    close_by_next(client)
    first, second = created(client, "M-1", "V-1", 0), created(client, "M-2", "V-2", 0)
    event_applied(client, "plugIn", "M-1", "V-3", 5)
    event_applied(client, "plugIn", "M-2", "V-4", 5)
    assert client.patch(f"/v1/assignments/{second}", {"to": hour(4)}).status == 200
    assert ids(event_applied(client, "plugIn", "M-1", "V-5", 3)["closed"]) == [first]
    assert overlapped(client.post(EVENTS, event("plugIn", "M-2", "V-6", 3))) == {0: [second]}


def test_the_default_is_set_in_sql_too_with_who_and_when(client: Client, connection: Connection) -> None:
    with connection.transaction():
        connection.execute("SET LOCAL energy.operator = 'dba'")
        connection.execute("SELECT api.set_plug_event_default(true)")
    assert client.get(DEFAULTS).json["closeByNextPlugIn"] is True
    select = "SELECT close_by_next_plug_in, operator, changed_at FROM telemetry.plug_event_default"
    [(_, operator, changed_at)] = connection.execute(select).fetchall()
    assert operator == "dba"
    # The same again is no change.
    close_by_next(client)
    assert connection.execute(select).fetchall() == [(True, "dba", changed_at)]
    headers = {"Content-Type": "application/json", "X-Operator": "Ada"}
    assert client.request("PUT", DEFAULTS, b'{"closeByNextPlugIn": false}', headers).status == 200
    assert connection.execute(select).fetchall()[0][:2] == (False, "Ada")
    for bad in (None, "yes", 1):
        answer = client.put(DEFAULTS, {"closeByNextPlugIn": bad})
        assert (answer.status, answer.json["field"]) == (422, "closeByNextPlugIn")
        assert answer.json["detail"] == "closeByNextPlugIn must be true or false"


def test_events_in_sql_do_the_same(connection: Connection) -> None:
    connection.execute("SELECT api.set_plug_event_default(true)")

    def applied(call: str, *arguments: Any) -> list[Any]:
        return [row[0] for row in connection.execute(f"SELECT outcome FROM api.{call}".encode(), arguments).fetchall()]

    at = hour(0)
    later = at + timedelta(hours=1)
    assert applied("plug_in('M-1', 'V-1', %s)", at) == ["created"]
    assert applied("plug_in('M-1', 'V-2', %s)", later) == ["closed", "created"]
    # The default of a setting and that of an argument are one.
    late = later + timedelta(seconds=TOLERANCE_S)
    assert applied("plug_out('M-1', 'V-1', %s)", late) == ["clipped", "unchanged"]
    assert applied("plug_out('M-1', 'V-1', %s)", late + timedelta(microseconds=1)) == ["waiting"]
    assert applied("plug_out('M-1', 'V-2', %s)", later) == ["closed"]
    assert connection.execute("SELECT current_setting('energy.reason', true)").fetchall()[0][0] in (None, "")
