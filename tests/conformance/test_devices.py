"""Devices: what is known of them and is no reading, listed and changed over HTTP; and the defaults of the fleet."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec
import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.conformance.test_plug_events import at_once
from tests.support.readings import meter_reading, minutes_ago, now, vehicle_reading
from tests.support.service import Answer, Client

Connection = psycopg.Connection[TupleRow]

DEFAULTS = "/v1/fleet/defaults"


@pytest.fixture(params=["meter", "vehicle"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of device in turn."""
    return str(request.param)


def text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def known(client: Client, kind: str, device_id: str = "D-1") -> Any:
    answer = client.get(f"/v1/{kind}s/{device_id}")
    assert answer.status == 200, answer.body
    return answer.json


def put(client: Client, kind: str, document: Any, device_id: str = "D-1") -> Any:
    """The device as it is afterwards, which is what the answer says."""
    answer = client.put(f"/v1/{kind}s/{device_id}", document)
    assert answer.status == 200, answer.body
    device = {name: value for name, value in answer.json.items() if name not in ("outcome", "judged")}
    assert device == known(client, kind, device_id)
    return device


def defaults(answer: Answer) -> Any:
    """The defaults of an answer, which are those that hold from then on."""
    assert answer.status == 200, answer.body
    return {
        name: value
        for name, value in answer.json.items()
        if name not in ("outcome", "registersJudged", "registersWaiting", "pending")
    }


def refused(answer: Answer, field: str | None = None) -> None:
    assert (answer.status, answer.json["code"]) == (422, "invalid_parameter"), answer.body
    assert field is None or answer.json["field"] == field


def test_ids_of_chargers_work_wherever_an_id_is_taken(client: Client) -> None:
    """Ids as OCPP 2.0.1 and eMI3 have them, in bodies, paths, queries, cursors and tables."""
    for meter_id, vehicle_id in (("DE*ABC*E1*1", "V|1"), ("=1+1|@-_:.", "-V@2"), ("+M", "@V"), ("...", ".+")):
        client.ingest(meter_reading(meter_id, minutes_ago(5)), vehicle_reading(vehicle_id, minutes_ago(5)))
        assigned = client.post(
            "/v1/assignments", {"meterId": meter_id, "vehicleId": vehicle_id, "from": text(minutes_ago(60))}
        )
        assert assigned.status == 201, assigned.body
        [found] = client.get("/v1/assignments", meterId=meter_id, vehicleId=vehicle_id).json["assignments"]
        assert (found["meterId"], found["vehicleId"]) == (meter_id, vehicle_id)
        for path in ("analytics/performance", "live/vehicles"):
            assert client.get(f"/v1/{path}/{quote(vehicle_id, safe='')}").json["vehicleId"] == vehicle_id
        assert put(client, "meter", {"ratedPowerKw": 11}, quote(meter_id, safe=""))["meterId"] == meter_id
        assert client.get("/v1/live/meters", after=meter_id).status == 200
        listed = client.get("/v1/analytics/meters", format="csv").body.decode("utf-8-sig")
        first = meter_id if meter_id[0] not in "=+-@" else f"'{meter_id}"
        assert any(line.startswith(f"{first},") for line in listed.splitlines()), listed
    for device_id in (".", ".."):
        refused(client.post("/v1/assignments", {"meterId": device_id, "vehicleId": "V", "from": text(now())}))


def declared(reading: str, modulus: float | None, begins: datetime | None, ends: datetime | None, **more: Any) -> Any:
    return {
        "energyReading": reading,
        "registerModulusKwh": modulus,
        "fleetDefault": more.get("fleet_default", False),
        "from": begins and text(begins),
        "to": ends and text(ends),
    }


def test_a_device_neither_listed_nor_heard_of_is_404(client: Client, kind: str) -> None:
    answer = client.get(f"/v1/{kind}s/D-1")
    assert (answer.status, answer.json["code"]) == (404, f"unknown_{kind}")
    assert client.get(f"/v1/{kind}s").json == {f"{kind}s": [], "next": None}


def test_a_device_heard_of_reads_intervals_and_is_not_listed(client: Client, kind: str) -> None:
    client.ingest(meter_reading("D-1") if kind == "meter" else vehicle_reading("D-1"))
    answered = known(client, kind)
    kinds = answered.pop("kinds")
    expected = {
        f"{kind}Id": "D-1",
        "name": None,
        ("site" if kind == "meter" else "group"): None,
        "listed": False,
        "energyReading": "interval",
        "registerModulusKwh": None,
        "fleetDefault": True,
        "since": None,
        "ratedPowerKw": None,
        **({"batteryCapacityKwh": None} if kind == "vehicle" else {}),
    }
    assert answered == expected
    assert kinds == [declared("interval", None, None, None, fleet_default=True)]
    assert client.get(f"/v1/{kind}s").json == {f"{kind}s": [expected], "next": None}


def test_a_device_that_only_an_assignment_names_is_known(client: Client, kind: str) -> None:
    other = "vehicle" if kind == "meter" else "meter"
    changed_at = minutes_ago(60)
    assert client.post("/v1/assignments", {f"{kind}Id": "D-1", f"{other}Id": "O-1", "from": changed_at}).status == 201
    default = {"energyReading": "register", "registerModulusKwh": 1000, "since": changed_at}
    assert client.put(DEFAULTS, {f"{kind}s": default}).status == 200
    answered = known(client, kind)
    assert answered.pop("kinds") == [
        declared("interval", None, None, changed_at, fleet_default=True),
        declared("register", 1000, changed_at, None, fleet_default=True),
    ]
    assert (answered[f"{kind}Id"], answered["listed"], answered["energyReading"], answered["ratedPowerKw"]) == (
        "D-1", False, "register", None,
    )  # fmt: skip
    assert client.get(f"/v1/{kind}s").json == {f"{kind}s": [answered], "next": None}
    unknown = client.get(f"/v1/{kind}s/O-1")
    assert (unknown.status, unknown.json["code"]) == (404, f"unknown_{kind}")


def test_a_device_is_listed_before_it_is_heard_of(client: Client, kind: str) -> None:
    answered = put(client, kind, {"ratedPowerKw": 11, "energyReading": "register", "registerModulusKwh": 1e6})
    assert (answered["listed"], answered["ratedPowerKw"], answered["since"]) == (True, 11, None)
    assert answered["kinds"] == [declared("register", 1e6, None, None)]


def test_what_is_omitted_stays_and_null_clears_it(client: Client) -> None:
    put(client, "vehicle", {"ratedPowerKw": 11, "batteryCapacityKwh": 60, "energyReading": "register"})
    answered = put(client, "vehicle", {"batteryCapacityKwh": 58})
    assert (answered["ratedPowerKw"], answered["batteryCapacityKwh"], answered["energyReading"]) == (11, 58, "register")
    answered = put(client, "vehicle", {"ratedPowerKw": None})
    assert (answered["ratedPowerKw"], answered["batteryCapacityKwh"], answered["energyReading"]) == (
        None,
        58,
        "register",
    )
    assert put(client, "vehicle", {}) == answered


def test_the_same_once_more_changes_nothing(client: Client, kind: str) -> None:
    first = {"energyReading": "interval", "ratedPowerKw": 11}
    then = {"energyReading": "register", "registerModulusKwh": 1000, "since": minutes_ago(60)}
    for document in (first, first, then, then):
        answered = put(client, kind, document)
    again = {"energyReading": "register", "registerModulusKwh": 1000}
    assert put(client, kind, again) == answered
    assert len(answered["kinds"]) == 2


def test_a_kind_changes_at_an_instant_and_the_past_keeps_its_meaning(client: Client, kind: str) -> None:
    exchanged, again = minutes_ago(600), minutes_ago(60)
    put(client, kind, {"energyReading": "interval"})
    put(client, kind, {"energyReading": "register", "registerModulusKwh": 1000, "since": exchanged})
    answered = put(client, kind, {"registerModulusKwh": 2000, "since": again})
    assert answered["kinds"] == [
        declared("interval", None, None, exchanged),
        declared("register", 1000, exchanged, again),
        declared("register", 2000, again, None),
    ]
    assert (answered["energyReading"], answered["registerModulusKwh"], answered["since"]) == (
        "register",
        2000,
        text(again),
    )
    [listed] = client.get(f"/v1/{kind}s").json[f"{kind}s"]
    assert {**listed, "kinds": answered["kinds"]} == answered


def test_a_modulus_goes_with_its_register(client: Client, kind: str) -> None:
    put(client, kind, {"energyReading": "register", "registerModulusKwh": 1000})
    assert put(client, kind, {"energyReading": "interval", "since": None})["registerModulusKwh"] is None
    for document in ({"registerModulusKwh": 5}, {"energyReading": "interval", "registerModulusKwh": 5}):
        refused(client.put(f"/v1/{kind}s/D-1", document), "registerModulusKwh")


def test_another_kind_is_not_taken_for_all_time_unless_that_is_asked_for(client: Client, kind: str) -> None:
    put(client, kind, {"energyReading": "register", "since": minutes_ago(60)})
    before = known(client, kind)
    for document in ({"energyReading": "interval"}, {"registerModulusKwh": 5}, {"energyReading": None}):
        refused(client.put(f"/v1/{kind}s/D-1", document), "since")
    assert known(client, kind) == before
    assert put(client, kind, {"energyReading": "interval", "since": None})["kinds"] == [
        declared("interval", None, None, None)
    ]


def test_a_kind_taken_back_is_what_the_fleet_says(client: Client, kind: str) -> None:
    at = minutes_ago(60)
    put(client, kind, {"energyReading": "register"})
    answered = put(client, kind, {"energyReading": None, "since": at})
    assert answered["kinds"] == [
        declared("register", None, None, at),
        declared("interval", None, at, None, fleet_default=True),
    ]
    assert (answered["fleetDefault"], answered["since"]) == (True, text(at))
    [listed] = client.get(f"/v1/{kind}s").json[f"{kind}s"]
    assert {**listed, "kinds": answered["kinds"]} == answered


NO_DEVICE: list[tuple[Any, str | None]] = [
    ({"energyReading": "register", "since": text(now() + timedelta(days=1))}, "since"),
    ({"energyReading": "register", "since": "1969-12-31T23:59:59Z"}, "since"),
    ({"energyReading": "register", "since": "0001-01-01T00:00:00+14:00"}, "since"),
    ({"energyReading": "register", "since": "2026-01-01T00:00:00"}, None),
    ({"energyReading": "register", "since": 5}, None),
    ({"since": "2026-01-01T00:00:00Z"}, "since"),
    ({"ratedPowerKw": 5, "since": "2026-01-01T00:00:00Z"}, "since"),
    ({"energyReading": "counter"}, None),
    ({"registerModulusKwh": 0, "energyReading": "register"}, None),
    ({"registerModulusKwh": 1e10, "energyReading": "register"}, None),
    ({"ratedPowerKw": 0}, None),
    ({"ratedPowerKw": -1}, None),
    ({"ratedPowerKw": 1e6}, None),
    ({"ratedPowerKw": "11"}, None),
    ({"power": 11}, None),
    ({"name": ""}, "name"),
    ({"name": " Golf"}, "name"),
    ({"name": "Golf\n"}, "name"),
    ({"name": "Go\tlf"}, "name"),
    ({"name": "G" * 101}, "name"),
    ({"name": 5}, "name"),
    ([], None),
    (5, None),
    (None, None),
]


def test_what_no_device_can_be_is_422_and_lists_nothing(client: Client, kind: str) -> None:
    for document, field in NO_DEVICE:
        refused(client.put(f"/v1/{kind}s/D-1", document), field)
    assert client.get(f"/v1/{kind}s/D-1").status == 404


def test_a_meter_has_no_battery(client: Client) -> None:
    refused(client.put("/v1/meters/D-1", {"batteryCapacityKwh": 60}))
    for capacity in (0, -1, 1e6):
        refused(client.put("/v1/vehicles/D-1", {"batteryCapacityKwh": capacity}))


def test_a_device_that_is_not_json_is_malformed_and_an_id_of_no_device_is_422(client: Client, kind: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.request("PUT", f"/v1/{kind}s/D-1", b"{", headers)
    assert (answer.status, answer.json["code"]) == (400, "malformed_body")
    refused(client.request("PUT", f"/v1/{kind}s/a%20b", b"{}", headers), "id")
    answer = client.request("PUT", f"/v1/{kind}s/D-1", b"{}", {"Content-Type": "text/csv"})
    assert (answer.status, answer.json["code"]) == (415, "unsupported_media_type")


def test_a_meter_stands_at_a_site_and_a_vehicle_belongs_to_a_group(client: Client, kind: str) -> None:
    place, other = ("site", "group") if kind == "meter" else ("group", "site")
    answered = put(client, kind, {"name": "Säule 7 \u2013 Tor", place: "Depot North", "ratedPowerKw": 11})
    assert (answered["name"], answered[place]) == ("Säule 7 \u2013 Tor", "Depot North")
    answered = put(client, kind, {"name": None})
    assert (answered["name"], answered[place], answered["ratedPowerKw"]) == (None, "Depot North", 11)
    assert client.put(f"/v1/{kind}s/D-1", {place: "Depot North"}).json["outcome"] == "unchanged"
    refused(client.put(f"/v1/{kind}s/D-1", {other: "Depot North"}), other)
    refused(client.put(f"/v1/{kind}s/D-1", {place: "Depot North "}), place)
    assert put(client, kind, {place: None})[place] is None


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["A-1", "B-2", "C-3", "D-4"]),
        ({"place": "North"}, ["A-1", "B-2"]),
        ({"place": "north"}, []),
        ({"search": "golf"}, ["A-1", "C-3"]),
        ({"search": "b-"}, ["B-2"]),
        ({"search": "-"}, ["A-1", "B-2", "C-3", "D-4"]),
        ({"search": "d-4"}, ["D-4"]),
        ({"search": "%"}, ["B-2"]),
        ({"search": "golf", "place": "North"}, ["A-1"]),
        ({"search": "golf", "after": "A-1"}, ["C-3"]),
        ({"place": "North", "limit": 1}, ["A-1"]),
    ],
)
def test_devices_are_found_by_place_and_by_a_part_of_id_or_name(
    client: Client, kind: str, asked: dict[str, Any], found: list[str]
) -> None:
    place = "site" if kind == "meter" else "group"
    put(client, kind, {"name": "Golf 1", place: "North"}, "A-1")
    put(client, kind, {"name": "100 % Zoe", place: "North"}, "B-2")
    put(client, kind, {"name": "the GOLF", place: "South"}, "C-3")
    client.ingest(meter_reading("D-4") if kind == "meter" else vehicle_reading("D-4"))
    listed = client.get(f"/v1/{kind}s", **{place if name == "place" else name: value for name, value in asked.items()})
    assert [one[f"{kind}Id"] for one in listed.json[f"{kind}s"]] == found


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 9])
def test_pages_visit_every_device_once_in_order_of_id(client: Client, kind: str, limit: int) -> None:
    reading = meter_reading if kind == "meter" else vehicle_reading
    client.ingest(*(reading(f"D-{i}") for i in (1, 3, 4)))
    for i in (0, 2, 4, 5):
        put(client, kind, {"ratedPowerKw": 11 + i}, f"D-{i}")
    other = "vehicle" if kind == "meter" else "meter"
    for i, minutes in ((3, 60), (5, 60), (6, 60), (6, 50), (6, 40), (7, 60)):
        ends = {"from": minutes_ago(minutes), "to": minutes_ago(minutes - 5)}
        assert client.post("/v1/assignments", {f"{kind}Id": f"D-{i}", f"{other}Id": f"O-{i}", **ends}).status == 201
    visited: list[Any] = []
    after: dict[str, str] = {}
    for _ in range(9):
        page = client.get(f"/v1/{kind}s", limit=limit, **after).json
        assert len(page[f"{kind}s"]) <= limit
        visited += page[f"{kind}s"]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert [(one[f"{kind}Id"], one["listed"], one["ratedPowerKw"]) for one in visited] == [
        ("D-0", True, 11),
        ("D-1", False, None),
        ("D-2", True, 13),
        ("D-3", False, None),
        ("D-4", True, 15),
        ("D-5", True, 16),
        ("D-6", False, None),
        ("D-7", False, None),
    ]


def test_the_fleet_reads_intervals_by_default(client: Client) -> None:
    always = [declared("interval", None, None, None, fleet_default=True)]
    assert client.get(DEFAULTS).json == {
        "meters": always,
        "vehicles": always,
        "meterRatedPowerKw": None,
        "vehicleRatedPowerKw": None,
        "closeByNextPlugIn": False,
    }


def test_a_default_holds_for_devices_without_a_kind(client: Client, kind: str) -> None:
    at = minutes_ago(60)
    client.ingest(meter_reading("D-1") if kind == "meter" else vehicle_reading("D-1"))
    put(client, kind, {"energyReading": "interval"}, "D-2")
    default = {"energyReading": "register", "registerModulusKwh": 1000, "since": at}
    answer = client.put(DEFAULTS, {f"{kind}s": default})
    changed = [
        declared("interval", None, None, at, fleet_default=True),
        declared("register", 1000, at, None, fleet_default=True),
    ]
    other = "vehicle" if kind == "meter" else "meter"
    assert defaults(answer) == client.get(DEFAULTS).json
    assert (answer.json[f"{kind}s"], len(answer.json[f"{other}s"])) == (changed, 1)
    assert known(client, kind)["kinds"] == changed
    assert known(client, kind, "D-2")["kinds"] == [declared("interval", None, None, None)]
    first, second = client.get(f"/v1/{kind}s").json[f"{kind}s"]
    assert (first["energyReading"], first["registerModulusKwh"], first["since"]) == ("register", 1000, text(at))
    assert (second["energyReading"], second["fleetDefault"], second["since"]) == ("interval", False, None)
    # Repeated, it changes nothing; another one needs a since.
    again = client.put(DEFAULTS, {f"{kind}s": default})
    assert (again.json["outcome"], answer.json["outcome"]) == ("unchanged", "changed")
    assert defaults(again) == defaults(answer)
    refused(client.put(DEFAULTS, {f"{kind}s": {"energyReading": "interval"}}), "since")
    assert client.get(DEFAULTS).json == defaults(answer)


def test_both_defaults_are_changed_or_neither(client: Client) -> None:
    before = client.get(DEFAULTS).json
    register = {"energyReading": "register"}
    for bad in (
        {"energyReading": "register", "since": now() + timedelta(days=1)},
        {"energyReading": "interval", "registerModulusKwh": 5},
    ):
        refused(client.put(DEFAULTS, {"meters": register, "vehicles": bad}))
        assert client.get(DEFAULTS).json == before
    answer = client.put(DEFAULTS, {"meters": register, "vehicles": register})
    assert [answer.json[side][0]["energyReading"] for side in ("meters", "vehicles")] == ["register", "register"]


def test_defaults_that_make_no_sense_are_422(client: Client) -> None:
    no_defaults: list[Any] = [
        {},
        [],
        5,
        {"meter": {}},
        {"meters": {}},
        {"meters": None},
        {"meters": {"energyReading": None}},
        {"meters": {"since": None}},
        {"meters": {"registerModulusKwh": 1000, "ratedPowerKw": 11}},
        {"vehicles": {"ratedPowerKw": 0}},
    ]
    for document in no_defaults:
        refused(client.put(DEFAULTS, document))


def test_a_device_declared_by_sql_is_shown_over_http(client: Client, connection: Connection) -> None:
    connection.execute("INSERT INTO telemetry.meter (meter_id, rated_power_kw) VALUES ('D-1', 22)")
    connection.execute("SELECT api.set_meter_kind('D-1', 'register', 5000, '2026-01-01T00:00:00Z')")
    answered = known(client, "meter")
    assert (answered["ratedPowerKw"], answered["registerModulusKwh"], answered["since"]) == (
        22,
        5000,
        "2026-01-01T00:00:00Z",
    )


def test_a_meter_put_at_once_by_many_is_one_of_what_they_sent(client: Client) -> None:
    at = minutes_ago(60)

    def act(number: int) -> int:
        body = {"ratedPowerKw": 1 + number, "energyReading": "register", "registerModulusKwh": 10 + number, "since": at}
        return client.request(
            "PUT", "/v1/meters/D-1", msgspec.json.encode(body), {"Content-Type": "application/json"}
        ).status

    assert at_once(6, act) == [200] * 6
    answered = known(client, "meter")
    assert answered["registerModulusKwh"] == answered["ratedPowerKw"] + 9
    assert len(answered["kinds"]) == 2
