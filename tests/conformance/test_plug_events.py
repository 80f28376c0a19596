"""Events of plugging in, plugging out and handing over, and assignments by the batch: each repeated without harm."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.conformance.test_assignments import created, hour, listed, overlapped, text, wanted
from tests.support.readings import now
from tests.support.service import Answer, Client, running_service

Connection = psycopg.Connection[TupleRow]

EVENTS = "/v1/assignments/events"
NDJSON = {"Content-Type": "application/x-ndjson"}


def event(kind: str, meter_id: str, vehicle_id: str | None, at: float) -> dict[str, Any]:
    """An event at an hour, counted from the start."""
    named = {} if vehicle_id is None else {"vehicleId": vehicle_id}
    return {"event": kind, "meterId": meter_id, **named, "at": hour(at)}


def event_applied(client: Client, kind: str, meter_id: str, vehicle_id: str | None, at: float) -> Any:
    """The answer to an event that is applied, or was before."""
    answer = client.post(EVENTS, event(kind, meter_id, vehicle_id, at))
    assert answer.status == 200, answer.body
    return answer.json


def outcomes(answer: Answer) -> list[str]:
    """What became of each item: its outcome, or the code of its error."""
    assert answer.status == 200, answer.body
    results = answer.json["results"]
    assert [result["index"] for result in results] == list(range(len(results)))
    counts = {name: answer.json[name] for name in ("kept", "unchanged", "refused")}
    assert sum(counts.values()) == len(results)
    return [result["error"]["code"] if result["error"] else result["outcome"] for result in results]


def kept(client: Client) -> list[tuple[Any, ...]]:
    """What is assigned: meter, vehicle, from and to, in order of their beginning."""
    rows = [(a["meterId"], a["vehicleId"], a["from"], a["to"]) for a in listed(client, limit=1000)]
    return sorted(rows, key=lambda row: (row[2], row[0]))


def span(meter_id: str, vehicle_id: str, begins: float, ends: float | None = None) -> tuple[Any, ...]:
    return meter_id, vehicle_id, text(hour(begins)), None if ends is None else text(hour(ends))


# Plugging in and out


def test_a_plug_in_opens_an_assignment_and_a_plug_out_closes_it(client: Client) -> None:
    opened = event_applied(client, "plugIn", "M-1", "V-1", 0)
    assert (opened["outcome"], opened["assignment"]["to"], opened["closed"]) == ("created", None, [])
    closed = event_applied(client, "plugOut", "M-1", "V-1", 2)
    assert (closed["outcome"], closed["assignment"]["id"]) == ("closed", opened["assignment"]["id"])
    assert kept(client) == [span("M-1", "V-1", 0, 2)]


def test_a_plug_out_need_not_name_the_vehicle(client: Client) -> None:
    event_applied(client, "plugIn", "M-1", "V-1", 0)
    assert event_applied(client, "plugOut", "M-1", None, 2)["assignment"]["vehicleId"] == "V-1"


def test_repeated_events_change_nothing(client: Client) -> None:
    events = [event("plugIn", "M-1", "V-1", 0), event("plugOut", "M-1", "V-1", 2), event("plugIn", "M-1", "V-2", 2)]
    for one in events:
        assert client.post(EVENTS, one).json["outcome"] != "unchanged"
    before, changes = kept(client), client.get("/v1/assignments/changes").json
    for one in [*events, *reversed(events)]:
        answer = client.post(EVENTS, one)
        assert (answer.status, answer.json["outcome"], answer.json["closed"]) == (200, "unchanged", [])
        assert answer.json["assignment"]["vehicleId"] == one["vehicleId"]
    assert (kept(client), client.get("/v1/assignments/changes").json) == (before, changes)


def test_a_vehicle_plugged_in_while_it_is_changes_nothing(client: Client) -> None:
    # A charger that starts anew tells of what it finds plugged in.
    event_applied(client, "plugIn", "M-1", "V-1", 0)
    for kind in ("plugIn", "handOver"):
        assert event_applied(client, kind, "M-1", "V-1", 1)["outcome"] == "unchanged"
    assert kept(client) == [span("M-1", "V-1", 0)]


def test_an_event_repeated_after_a_correction_does_not_undo_it(client: Client) -> None:
    plug_in, plug_out = event("plugIn", "M-1", "V-1", 0), event("plugOut", "M-1", "V-1", 2)
    assignment_id = client.post(EVENTS, plug_in).json["assignment"]["id"]
    client.post(EVENTS, plug_out)
    corrected = {"meterId": "M-2", "from": hour(0.5), "to": hour(3)}
    assert client.patch(f"/v1/assignments/{assignment_id}", corrected).status == 200
    for one in (plug_in, plug_out):
        again = client.post(EVENTS, one).json
        assert (again["outcome"], again["assignment"]["id"]) == ("unchanged", assignment_id)
    assert kept(client) == [span("M-2", "V-1", 0.5, 3)]
    client.delete(f"/v1/assignments/{assignment_id}")
    for one in (plug_in, plug_out, {**plug_in, "event": "handOver"}):
        again = client.post(EVENTS, one).json
        assert (again["outcome"], again["assignment"]) == ("unchanged", None)
    assert kept(client) == []


def test_a_plug_in_where_the_place_or_the_vehicle_is_taken_is_409_and_names_by_what(client: Client) -> None:
    taken = [created(client, "M-1", "V-9", 0), created(client, "M-9", "V-1", 0)]
    answer = client.post(EVENTS, event("plugIn", "M-1", "V-1", 1))
    assert overlapped(answer) == {0: taken}
    assert all(f"assignment {one} " in answer.json["detail"] for one in taken)
    assert len(listed(client)) == 2


def test_a_plug_out_of_a_vehicle_that_is_plugged_in_elsewhere_is_404(client: Client) -> None:
    created(client, "M-1", "V-2", 5, 6)
    created(client, "M-2", "V-1", 0)
    for at in (4, 5, 7):
        answer = client.post(EVENTS, event("plugOut", "M-1", "V-1", at))
        assert (answer.status, answer.json["code"]) == (404, "nothing_plugged_in")
        assert answer.headers["content-type"] == "application/problem+json"
    assert len(listed(client)) == 2


def test_a_plug_out_of_another_vehicle_than_is_plugged_in_is_404(client: Client) -> None:
    event_applied(client, "plugIn", "M-1", "V-1", 0)
    answer = client.post(EVENTS, event("plugOut", "M-1", "V-2", 1))
    assert (answer.status, answer.json["code"]) == (404, "nothing_plugged_in")
    assert kept(client) == [span("M-1", "V-1", 0)]


def test_an_event_that_comes_late_fits_in_before_what_came_after(client: Client) -> None:
    event_applied(client, "plugIn", "M-1", "V-2", 5)
    late = event_applied(client, "plugIn", "M-1", "V-1", 1)
    assert late["assignment"]["to"] == text(hour(5))
    assert event_applied(client, "plugOut", "M-1", "V-1", 3)["outcome"] == "closed"
    assert kept(client) == [span("M-1", "V-1", 1, 3), span("M-1", "V-2", 5)]


# Handing over


def test_a_hand_over_closes_what_the_meter_fed_and_opens_the_next(client: Client) -> None:
    first = event_applied(client, "plugIn", "M-1", "V-1", 0)["assignment"]["id"]
    answer = event_applied(client, "handOver", "M-1", "V-2", 2)
    assert (answer["outcome"], answer["assignment"]["vehicleId"]) == ("created", "V-2")
    assert [(one["id"], one["to"]) for one in answer["closed"]] == [(first, text(hour(2)))]
    assert kept(client) == [span("M-1", "V-1", 0, 2), span("M-1", "V-2", 2)]


def test_a_hand_over_closes_what_the_vehicle_drew_from_too(client: Client) -> None:
    created(client, "M-1", "V-1", 0, 9)
    created(client, "M-2", "V-2", 1)
    created(client, "M-3", "V-3", 1)
    answer = event_applied(client, "handOver", "M-1", "V-2", 2)
    assert sorted(one["meterId"] for one in answer["closed"]) == ["M-1", "M-2"]
    assert kept(client) == [
        span("M-1", "V-1", 0, 2),
        span("M-2", "V-2", 1, 2),
        span("M-3", "V-3", 1),
        span("M-1", "V-2", 2),
    ]


def test_a_hand_over_where_nothing_is_plugged_in_is_a_plug_in(client: Client) -> None:
    assert event_applied(client, "handOver", "M-1", "V-1", 0)["closed"] == []
    assert kept(client) == [span("M-1", "V-1", 0)]


def test_a_repeated_hand_over_changes_nothing(client: Client) -> None:
    event_applied(client, "plugIn", "M-1", "V-1", 0)
    event_applied(client, "handOver", "M-1", "V-2", 2)
    before = kept(client)
    event_applied(client, "handOver", "M-1", "V-3", 4)
    for vehicle_id, at in (("V-2", 2), ("V-3", 4)):
        assert event_applied(client, "handOver", "M-1", vehicle_id, at)["outcome"] == "unchanged"
    assert kept(client) == [before[0], span("M-1", "V-2", 2, 4), span("M-1", "V-3", 4)]


def test_a_hand_over_at_the_instant_another_begins_is_409_and_closes_nothing(client: Client) -> None:
    by_vehicle, by_meter = created(client, "M-2", "V-1", 0), created(client, "M-1", "V-2", 2)
    before = kept(client)
    assert overlapped(client.post(EVENTS, event("handOver", "M-1", "V-1", 2))) == {0: [by_meter]}
    assert kept(client) == before
    assert by_vehicle != by_meter


def test_a_hand_over_ends_where_the_next_assignment_begins(client: Client) -> None:
    created(client, "M-1", "V-1", 0, 5)
    created(client, "M-1", "V-3", 6, 8)
    event_applied(client, "handOver", "M-1", "V-2", 4)
    assert kept(client) == [span("M-1", "V-1", 0, 4), span("M-1", "V-2", 4, 6), span("M-1", "V-3", 6, 8)]


# By the batch


def test_a_batch_of_events_is_applied_in_order_of_time(client: Client) -> None:
    events = [
        event("plugOut", "M-1", "V-2", 4),
        event("plugIn", "M-1", "V-2", 2),
        event("plugOut", "M-1", "V-1", 2),
        event("plugIn", "M-1", "V-1", 0),
        event("handOver", "M-1", "V-3", 4),
    ]
    answer = client.post(EVENTS, events)
    assert outcomes(answer) == ["closed", "created", "closed", "created", "created"]
    assert kept(client) == [span("M-1", "V-1", 0, 2), span("M-1", "V-2", 2, 4), span("M-1", "V-3", 4)]
    assert outcomes(client.post(EVENTS, events)) == ["unchanged"] * 5


def test_of_a_batch_the_good_events_are_kept_though_others_are_bad(client: Client) -> None:
    taken = created(client, "M-1", "V-1", 0)
    answer = client.post(
        EVENTS,
        [
            event("plugIn", "M-1", "V-2", 1),
            event("plugIn", "M-2", "V-2", 1),
            event("plugOut", "M-3", "V-1", 1),
            event("plugIn", "M-4", None, 1),
            {**event("plugIn", "M-4", "V-4", 1), "at": now() + timedelta(hours=1)},
            {**event("plugIn", "M-4", "V-4", 1), "event": "unplug"},
            5,
        ],
    )
    assert outcomes(answer) == [
        "assignment_overlap",
        "created",
        "nothing_plugged_in",
        *["invalid_parameter"] * 4,
    ]
    errors = [result["error"] for result in answer.json["results"]]
    assert [one["id"] for one in errors[0]["overlaps"]] == [taken]
    assert [error["field"] for error in errors[3:5]] == ["vehicleId", "at"]
    assert len(listed(client)) == 2


@pytest.mark.parametrize("path", [EVENTS, "/v1/assignments?partial=true"])
def test_a_batch_of_which_nothing_is_good_is_422_with_the_same_lists(client: Client, path: str) -> None:
    answer = client.post(path, [{}, 5])
    assert (answer.status, answer.json["code"]) == (422, "no_item_accepted")
    assert (answer.json["kept"], answer.json["refused"], len(answer.json["results"])) == (0, 2, 2)


def test_lines_of_events_are_read_and_a_bad_line_costs_itself(client: Client) -> None:
    good = msgspec.json.encode(event("plugIn", "M-1", "V-1", 0))
    answer = client.request("POST", EVENTS, good + b"\n\n{\n" + good + b"\r\n", NDJSON)
    assert outcomes(answer) == ["created", "malformed_item", "unchanged"]


def test_of_assignments_those_that_fit_are_kept_where_that_is_asked_for(client: Client) -> None:
    there, other = created(client, "M-1", "V-1", 0, 2), created(client, "M-2", "V-2", 0)
    items = [
        wanted("M-1", "V-1", 0, 2),
        wanted("M-2", "V-3", 1),
        wanted("M-4", "V-4", 1),
        wanted("M-5", "V-5", 2, 1),
        {**wanted("M-6", "V-6", 1), "until": 5},
    ]
    answer = client.post("/v1/assignments?partial=true", items)
    assert outcomes(answer) == ["unchanged", "assignment_overlap", "created", *["invalid_parameter"] * 2]
    results = answer.json["results"]
    assert results[0]["assignment"]["id"] == there
    assert [one["id"] for one in results[1]["error"]["overlaps"]] == [other]
    assert len(listed(client)) == 3
    # Without it, none is kept, and the first bad one is named by its index.
    refused = client.post("/v1/assignments", items[2:])
    assert (refused.status, refused.json["code"]) == (422, "invalid_parameter")
    assert "2" in client.post("/v1/assignments", [items[2], items[2], items[4]]).json["detail"]
    assert len(listed(client)) == 3


def test_lines_of_assignments_are_kept_whole_or_in_part(client: Client) -> None:
    lines = [msgspec.json.encode(wanted(f"M-{i}", f"V-{i}", 0)) for i in range(3)]
    answer = client.request("POST", "/v1/assignments", b"\n".join([*lines[:2], b"{"]), NDJSON)
    assert (answer.status, answer.json["code"]) == (400, "malformed_item")
    assert listed(client) == []
    answer = client.request("POST", "/v1/assignments", b"\n".join(lines[:2]), NDJSON)
    assert (answer.status, len(answer.json["assignments"])) == (201, 2)
    answer = client.request("POST", "/v1/assignments?partial=true", b"\n".join([b"{", *lines]), NDJSON)
    assert outcomes(answer) == ["malformed_item", "unchanged", "unchanged", "created"]


@pytest.mark.parametrize("path", [EVENTS, "/v1/assignments?partial=true"])
def test_more_items_than_the_limit_are_refused_whole(client: Client, path: str) -> None:
    item = event("plugIn", "M-1", "V-1", 0) if path == EVENTS else wanted("M-1", "V-1", 0)
    for items in ([item] * 1001, []):
        answer = client.post(path, items)
        assert (answer.status, answer.json["code"]) == (422, "invalid_parameter")
    assert listed(client) == []


NO_EVENT: list[Any] = [
    {},
    5,
    {"event": "plugIn"},
    {**event("plugIn", "M-1", "V-1", 0), "event": "plugin"},
    {**event("plugIn", "M-1", "V-1", 0), "at": "2026-03-01T00:00:00"},
    {**event("plugIn", "M-1", "V-1", 0), "at": "1969-12-31T23:59:59Z"},
    {**event("plugIn", "M-1", "V-1", 0), "at": "0001-01-01T00:00:00+14:00"},
    {**event("plugIn", "M-1", "V-1", 0), "to": hour(1)},
    event("plugIn", "M 1", "V-1", 0),
    event("handOver", "M-1", None, 0),
]


def test_an_event_that_makes_no_sense_is_422(client: Client) -> None:
    for document in NO_EVENT:
        answer = client.post(EVENTS, document)
        assert (answer.status, answer.json["code"]) == (422, "invalid_parameter"), document
    assert listed(client) == []


def test_an_event_records_by_whom_and_why(client: Client) -> None:
    headers = {"Content-Type": "application/json", "X-Operator": "gateway"}
    body = msgspec.json.encode([event("plugIn", "M-1", "V-1", 0), event("handOver", "M-1", "V-2", 1)])
    assert client.request("POST", f"{EVENTS}?reason=replay", body, headers).status == 200
    changes = client.get("/v1/assignments/changes").json["changes"]
    assert [c["action"] for c in changes] == ["created", "changed", "created"]
    assert {(c["operator"], c["reason"]) for c in changes} == {("gateway", "replay")}


# At once


def at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    """What `act` returns for each number below `count`, all begun together."""
    together = threading.Barrier(count)

    def begin(number: int) -> Any:
        together.wait()
        return act(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


def test_hand_overs_at_once_make_neither_an_overlap_nor_an_unforeseen_error(
    client: Client, migrated_database: str, connection: Connection
) -> None:
    # Two services, so that requests really meet in the database; few devices, so that they meet often; batches in
    # orders of their own, so that they would lock in orders of their own.
    with running_service(DATABASE_URL=migrated_database) as other:

        def act(number: int) -> list[tuple[int, Any]]:
            chance = random.Random(number)
            answers = []
            for round_ in range(12):
                batch = [
                    event(
                        chance.choice(["handOver", "handOver", "plugIn", "plugOut"]),
                        f"M-{chance.randrange(4)}",
                        f"V-{chance.randrange(4)}",
                        round_ + chance.randrange(4) / 4,
                    )
                    for _ in range(chance.randrange(1, 9))
                ]
                answer = (other if number % 2 else client).post(EVENTS, batch)
                answers.append((answer.status, answer.body))
            return answers

        answers = [answer for answered in at_once(6, act) for answer in answered]
    assert {status for status, _ in answers} <= {200, 422}, answers
    applied = [result for status, body in answers if status == 200 for result in msgspec.json.decode(body)["results"]]
    assert sum(result["outcome"] == "created" for result in applied) >= 20
    # The constraints hold, so an overlap cannot be; and what was answered as created was, or was changed since.
    assert {result["assignment"]["id"] for result in applied if result["outcome"] == "created"} == {
        row[0]
        for row in connection.execute(
            "SELECT assignment_id FROM telemetry.assignment_change WHERE action = 'created'"
        ).fetchall()
    }


def test_of_hand_overs_of_one_meter_at_one_instant_one_wins_and_the_others_are_rejected(client: Client) -> None:
    event_applied(client, "plugIn", "M-1", "V-0", 0)

    def act(number: int) -> Answer:
        return client.post(EVENTS, event("handOver", "M-1", f"V-{number + 1}", 2))

    answers = at_once(6, act)
    assert sorted(answer.status for answer in answers) == [200] + [409] * 5
    assert len(kept(client)) == 2


def test_a_deadlock_with_somebody_else_is_tried_again(client: Client, migrated_database: str) -> None:
    # Somebody who takes no locks but those of the rows, in the order that crosses ours: a change of two assignments.
    first, second = created(client, "M-1", "V-1", 0, 5), created(client, "M-1", "V-2", 6, 9)
    with psycopg.connect(migrated_database) as clerk, ThreadPoolExecutor(1) as pool:
        clerk.execute("SET deadlock_timeout = '10s'")
        clerk.execute("UPDATE telemetry.assignment SET meter_id = 'M-2' WHERE id = %s", [second])
        # Waits for the clerk's row, and holds the row of the first.
        batch = [event("plugOut", "M-1", "V-1", 4), event("plugOut", "M-1", "V-2", 8)]
        answer = pool.submit(client.post, EVENTS, batch)
        wait_for_a_lock(migrated_database)
        clerk.execute("UPDATE telemetry.assignment SET meter_id = 'M-3' WHERE id = %s", [first])
        clerk.commit()
        # Once the clerk is done, both are another meter's, and nothing is left to unplug.
        assert answer.result(30).json["code"] == "no_item_accepted"
    assert kept(client) == [span("M-3", "V-1", 0, 5), span("M-2", "V-2", 6, 9)]


def wait_for_a_lock(url: str) -> None:
    """Until the service's connection that writes assignments waits for a lock."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'energy-assignments' AND wait_event_type = 'Lock'"
    )
    with psycopg.connect(url, autocommit=True) as watcher:
        for _ in range(200):
            [(count,)] = watcher.execute(waiting).fetchall()
            if count:
                return
            threading.Event().wait(0.05)
    raise AssertionError("the service does not wait for the lock")


# By time


def test_assignments_are_listed_by_the_time_they_were_in_force(client: Client) -> None:
    a, b, c = created(client, "M-1", "V-1", 0, 2), created(client, "M-1", "V-2", 2, 4), created(client, "M-2", "V-1", 3)
    for query, found in (
        ({"from_": text(hour(2))}, [b, c]),
        ({"to": text(hour(2))}, [a]),
        ({"from_": text(hour(1)), "to": text(hour(3))}, [a, b]),
        ({"from_": text(hour(1)), "to": text(hour(3.01)), "vehicleId": "V-1"}, [a, c]),
        ({"from_": text(hour(2)), "at": text(hour(3.5)), "meterId": "M-1"}, [b]),
        ({"from_": text(hour(-2)), "to": text(hour(0))}, []),
    ):
        assert [assignment["id"] for assignment in listed(client, **query)] == found, query


@pytest.mark.parametrize(("begins", "ends"), [(1, 1), (2, 1)])
def test_a_range_of_time_that_is_none_is_422(client: Client, begins: float, ends: float) -> None:
    answer = client.get("/v1/assignments", from_=text(hour(begins)), to=text(hour(ends)))
    assert (answer.status, answer.json["code"], answer.json["field"]) == (422, "invalid_parameter", "from")
