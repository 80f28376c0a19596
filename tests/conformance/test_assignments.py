"""Assignments: which meter fed which vehicle, when; one at a time on either side."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.service import Client

START = datetime(2026, 3, 1, tzinfo=UTC)


def hour(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat().replace("+00:00", "Z")


def wanted(meter_id: str, vehicle_id: str, begins: float, ends: float | None = None) -> dict[str, Any]:
    """An assignment from one hour to another, counted from the start; open where there is no end."""
    document: dict[str, Any] = {"meterId": meter_id, "vehicleId": vehicle_id, "from": hour(begins)}
    return document if ends is None else {**document, "to": hour(ends)}


def created(client: Client, meter_id: str, vehicle_id: str, begins: float, ends: float | None = None) -> int:
    answer = client.post("/v1/assignments", wanted(meter_id, vehicle_id, begins, ends))
    assert answer.status == 201, answer.body
    assignment_id: int = answer.json["id"]
    return assignment_id


def listed(client: Client, **query: Any) -> list[Any]:
    found: list[Any] = client.get("/v1/assignments", **query).json["assignments"]
    return found


def overlapped(answer: Any) -> dict[int, list[int | None]]:
    """What a 409 names: by index in the request, the ids overlapped; null for other items of it."""
    assert answer.status == 409, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["code"] == "assignment_overlap"
    return {c["index"]: [overlap["id"] for overlap in c["overlaps"]] for c in answer.json["conflicts"]}


def test_an_assignment_is_created_and_shown(client: Client) -> None:
    answer = client.post("/v1/assignments", wanted("M-1", "V-1", 0, 2))
    assert answer.status == 201
    answered = answer.json
    assert answered.pop("id") > 0
    assert answered == {"meterId": "M-1", "vehicleId": "V-1", "from": text(hour(0)), "to": text(hour(2))}


def test_an_assignment_without_an_end_is_open(client: Client) -> None:
    assignment_id = created(client, "M-1", "V-1", 0)
    [kept] = listed(client)
    assert (kept["id"], kept["to"]) == (assignment_id, None)
    assert overlapped(client.post("/v1/assignments", wanted("M-1", "V-2", 24 * 365 * 50))) == {0: [assignment_id]}


def test_ends_given_in_another_zone_are_shown_in_utc(client: Client) -> None:
    document = {
        "meterId": "M-1",
        "vehicleId": "V-1",
        "from": "2026-03-01T05:30:00.5+05:30",
        "to": "2026-03-01T01:00:00Z",
    }
    answer = client.post("/v1/assignments", document)
    assert (answer.json["from"], answer.json["to"]) == ("2026-03-01T00:00:00.500000Z", "2026-03-01T01:00:00Z")


def test_an_array_is_created_whole(client: Client) -> None:
    answer = client.post("/v1/assignments", [wanted(f"M-{i}", f"V-{i}", 0, 1) for i in range(5)])
    assert answer.status == 201
    assert [answered["meterId"] for answered in answer.json["assignments"]] == [f"M-{i}" for i in range(5)]
    assert listed(client) == answer.json["assignments"]


def test_an_array_of_which_one_does_not_fit_is_created_not_at_all(client: Client) -> None:
    kept = created(client, "M-1", "V-1", 0, 2)
    array = [wanted("M-2", "V-2", 0, 2), wanted("M-1", "V-3", 1, 3), wanted("M-4", "V-4", 0, 2)]
    assert overlapped(client.post("/v1/assignments", array)) == {1: [kept]}
    assert [assignment["id"] for assignment in listed(client)] == [kept]


def test_an_overlap_names_what_it_overlaps_on_the_meter(client: Client) -> None:
    first, second = created(client, "M-1", "V-1", 0, 2), created(client, "M-1", "V-2", 3, 5)
    created(client, "M-2", "V-3", 0, 5)
    answer = client.post("/v1/assignments", wanted("M-1", "V-4", 1, 4))
    assert overlapped(answer) == {0: [first, second]}
    assert answer.json["conflicts"][0]["overlaps"][0] == {
        "id": first,
        "meterId": "M-1",
        "vehicleId": "V-1",
        "from": text(hour(0)),
        "to": text(hour(2)),
    }
    assert str(first) in answer.json["detail"]


def test_an_overlap_names_what_it_overlaps_on_the_vehicle(client: Client) -> None:
    kept = created(client, "M-1", "V-1", 0, 2)
    assert overlapped(client.post("/v1/assignments", wanted("M-2", "V-1", 1, 3))) == {0: [kept]}


def test_an_overlap_names_both_where_the_meter_and_the_vehicle_are_taken(client: Client) -> None:
    by_meter, by_vehicle = created(client, "M-1", "V-9", 0, 2), created(client, "M-9", "V-1", 0, 2)
    assert overlapped(client.post("/v1/assignments", wanted("M-1", "V-1", 1))) == {0: [by_meter, by_vehicle]}


def test_overlaps_within_a_request_are_named(client: Client) -> None:
    """What is overlapped is not kept either: an id of it would name nothing, or another one later."""
    kept = created(client, "M-9", "V-2", 2, 4)
    array = [wanted("M-7", "V-7", 0), wanted("M-1", "V-1", 0, 2), wanted("M-1", "V-2", 1, 3), wanted("M-3", "V-1", 1)]
    answer = client.post("/v1/assignments", array)
    assert overlapped(answer) == {2: [None, kept], 3: [None]}
    for conflict in answer.json["conflicts"]:
        first, *others = conflict["overlaps"]
        assert (first["item"], first["meterId"], first["vehicleId"]) == (1, "M-1", "V-1")
        assert all("item" not in other for other in others)
    beginning = f"M-1 to V-2 from {text(hour(1))} overlaps item 1 of this request (M-1 to V-1, from "
    assert answer.json["detail"].startswith(beginning)
    assert f"; assignment {kept} (M-9 to V-2, from " in answer.json["detail"]
    assert answer.json["detail"].endswith("; correct one of the two items")
    assert [assignment["id"] for assignment in listed(client)] == [kept]


def test_assignments_that_touch_do_not_overlap(client: Client) -> None:
    created(client, "M-1", "V-1", 1, 2)
    created(client, "M-1", "V-2", 2, 3)
    created(client, "M-1", "V-3", 0, 1)
    created(client, "M-2", "V-1", 2)
    assert len(listed(client)) == 4


def test_an_assignment_is_closed_and_the_meter_is_free_from_then_on(client: Client) -> None:
    kept = created(client, "M-1", "V-1", 0)
    answer = client.patch(f"/v1/assignments/{kept}", {"to": hour(5)})
    assert (answer.status, answer.json["from"], answer.json["to"]) == (200, text(hour(0)), text(hour(5)))
    assert overlapped(client.post("/v1/assignments", wanted("M-1", "V-2", 4.999))) == {0: [kept]}
    created(client, "M-1", "V-2", 5)


def test_an_assignment_is_opened_again(client: Client) -> None:
    kept = created(client, "M-1", "V-1", 0, 5)
    answer = client.patch(f"/v1/assignments/{kept}", {"to": None})
    assert (answer.status, answer.json["to"]) == (200, None)
    assert listed(client, at=text(hour(1000)))[0]["id"] == kept


def test_the_start_of_an_assignment_is_moved(client: Client) -> None:
    kept = created(client, "M-1", "V-1", 2, 5)
    answer = client.patch(f"/v1/assignments/{kept}", {"from": hour(1)})
    assert (answer.status, answer.json["from"], answer.json["to"]) == (200, text(hour(1)), text(hour(5)))
    # Over its own former place: an assignment does not overlap itself.
    answer = client.patch(f"/v1/assignments/{kept}", {"from": hour(3), "to": hour(9)})
    assert (answer.status, answer.json["from"], answer.json["to"]) == (200, text(hour(3)), text(hour(9)))


def test_an_assignment_moved_into_another_is_409_and_stays_as_it_was(client: Client) -> None:
    moved, next_on_meter = created(client, "M-1", "V-1", 0, 2), created(client, "M-1", "V-2", 3, 5)
    next_of_vehicle = created(client, "M-2", "V-1", 6, 7)
    before = listed(client)
    assert overlapped(client.patch(f"/v1/assignments/{moved}", {"to": hour(4)})) == {0: [next_on_meter]}
    assert overlapped(client.patch(f"/v1/assignments/{moved}", {"to": None})) == {0: [next_on_meter, next_of_vehicle]}
    assert listed(client) == before


@pytest.mark.parametrize("unknown", ["999999", "0", "-1", "abc", "9" * 30])
def test_an_assignment_that_is_not_there_is_404(client: Client, unknown: str) -> None:
    created(client, "M-1", "V-1", 0)
    answer = client.patch(f"/v1/assignments/{unknown}", {"to": hour(1)})
    assert (answer.status, answer.json["code"]) == (404, "unknown_assignment")


@pytest.mark.parametrize(
    "document",
    [
        wanted("M-1", "V-1", 2, 1),
        wanted("M-1", "V-1", 2, 2),
        {**wanted("M-1", "V-1", 0), "until": hour(1)},
        {"meterId": "M-1", "from": hour(0)},
        {"meterId": "M-1", "vehicleId": "V-1"},
        {**wanted("M 1", "V-1", 0)},
        {**wanted("M-1", "V-1", 0), "from": "2026-03-01T00:00:00"},
        {**wanted("M-1", "V-1", 0), "from": None},
        [wanted("M-2", "V-2", 0), wanted("M-1", "V-1", 2, 1)],
        [],
    ],
    ids=[
        "ends_before_it_begins",
        "ends_as_it_begins",
        "unknown_field",
        "no_vehicle",
        "no_start",
        "bad_id",
        "no_zone",
        "null_start",
        "one_of_an_array",
        "empty_array",
    ],
)
def test_an_assignment_that_makes_no_sense_is_422_and_nothing_is_kept(client: Client, document: Any) -> None:
    answer = client.post("/v1/assignments", document)
    assert (answer.status, answer.json["code"]) == (422, "invalid_parameter")
    assert listed(client) == []


@pytest.mark.parametrize("end", ["9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00"])
def test_an_instant_outside_the_years_one_to_9999_of_utc_is_422(client: Client, end: str) -> None:
    answer = client.post("/v1/assignments", {"meterId": "M-1", "vehicleId": "V-1", "from": end})
    assert (answer.status, answer.json["code"]) == (422, "invalid_parameter")
    assert listed(client) == []


def test_a_change_that_makes_no_sense_is_422_and_nothing_is_changed(client: Client) -> None:
    kept = created(client, "M-1", "V-1", 2, 4)
    before = listed(client)
    for change in (
        {"to": hour(2)},
        {"to": hour(1)},
        {"from": hour(4)},
        {"meterId": "M 2"},
        {"vehicleId": None},
        {},
        {"from": None},
    ):
        answer = client.patch(f"/v1/assignments/{kept}", change)
        assert (answer.status, answer.json["code"]) == (422, "invalid_parameter"), change
    assert listed(client) == before


def test_assignments_are_listed_by_meter_by_vehicle_and_by_instant(client: Client) -> None:
    a = created(client, "M-1", "V-1", 0, 2)
    b = created(client, "M-1", "V-2", 2, 4)
    c = created(client, "M-2", "V-1", 2)
    for query, found in (
        ({}, [a, b, c]),
        ({"meterId": "M-1"}, [a, b]),
        ({"vehicleId": "V-1"}, [a, c]),
        ({"meterId": "M-1", "vehicleId": "V-1"}, [a]),
        ({"meterId": "M-3"}, []),
        ({"at": text(hour(-0.1))}, []),
        ({"at": text(hour(0))}, [a]),
        ({"at": text(hour(2))}, [b, c]),
        ({"at": text(hour(4))}, [c]),
        ({"at": text(hour(2)), "vehicleId": "V-2"}, [b]),
    ):
        assert [assignment["id"] for assignment in listed(client, **query)] == found, query


@pytest.mark.parametrize("limit", [1, 3, 9, 10])
def test_pages_visit_every_assignment_once_in_order_of_id(client: Client, limit: int) -> None:
    array = [wanted(f"M-{i}", "V-1", i, i + 1) for i in range(9)]
    expected = [answered["id"] for answered in client.post("/v1/assignments", array).json["assignments"]]
    created(client, "M-other", "V-other", 0)
    visited: list[int] = []
    after: dict[str, int] = {}
    for _ in range(10):
        page = client.get("/v1/assignments", vehicleId="V-1", limit=limit, **after).json
        assert len(page["assignments"]) <= limit
        visited += [assignment["id"] for assignment in page["assignments"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert visited == expected


@pytest.mark.parametrize(("name", "value"), [("meterId", "no id"), ("at", "noon"), ("limit", "0"), ("after", "-1")])
def test_a_filter_that_makes_no_sense_is_422(client: Client, name: str, value: str) -> None:
    answer = client.get("/v1/assignments", **{name: value})
    assert (answer.status, answer.json["code"], answer.json["field"]) == (422, "invalid_parameter", name)


def test_of_overlapping_assignments_created_at_once_exactly_one_wins(client: Client) -> None:
    creators, rounds = 8, 6
    together = threading.Barrier(creators)

    def create(creator: int) -> list[int]:
        answered = []
        for i in range(rounds):
            # Some claim the meter for other vehicles, some the vehicle for other meters, some both.
            meter_id = f"M-{i}" if creator % 3 else f"M-{i}-{creator}"
            vehicle_id = f"V-{i}" if creator % 3 != 1 else f"V-{i}-{creator}"
            together.wait()
            answered.append(client.post("/v1/assignments", wanted(meter_id, vehicle_id, creator / 10, 5)).status)
        return answered

    with ThreadPoolExecutor(creators) as pool:
        answered = list(pool.map(create, range(creators)))
    for i in range(rounds):
        statuses = [by_creator[i] for by_creator in answered]
        assert set(statuses) <= {201, 409}
        kept = [a for a in listed(client, limit=1000) if a["meterId"].split("-")[1] == str(i)]
        assert len(kept) == statuses.count(201)
        assert 1 <= len(kept) <= 2


def test_of_equal_assignments_created_at_once_exactly_one_wins(client: Client) -> None:
    creators = 8
    together = threading.Barrier(creators)

    def create(_: int) -> int:
        together.wait()
        return client.post("/v1/assignments", wanted("M-1", "V-1", 0)).status

    with ThreadPoolExecutor(creators) as pool:
        statuses = sorted(pool.map(create, range(creators)))
    assert statuses == [201] + [409] * (creators - 1)
    assert len(listed(client)) == 1
