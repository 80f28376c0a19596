"""What is wrong with the data, as a list to work through: what ingest, the rules, losses and plug events know of it,
all of it once, the gravest first."""

import csv
import io
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.support.readings import hours_ago, insert_meter_readings, meter_reading, minutes_ago, now, vehicle_reading
from tests.support.service import Client

Connection = psycopg.Connection[TupleRow]

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def ask(client: Client, path: str, **parameters: Any) -> Any:
    """An answer in JSON."""
    answer = client.get(f"/v1/{path}", **parameters)
    assert answer.status == 200, answer.body
    return answer.json


def issues(client: Client, kind: str | None = None, **parameters: Any) -> list[tuple[Any, ...]]:
    """Code, device, count and doubtful kWh of all issues of a kind."""
    asked = parameters if kind is None else {"kind": kind, **parameters}
    return [
        (one["code"], one["meterId"] or one["vehicleId"], one["count"], one["doubtfulKwh"])
        for one in ask(client, "quality", **asked)["issues"]
    ]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def send_conflicts(client: Client, midnight: datetime) -> None:
    """M-1 contradicts two of three readings, one of them twice, V-1 one in its soc alone; M-2 repeats what it sent."""
    instants = [midnight + hour * HOUR for hour in (1, 2, 24)]
    client.ingest(
        *(meter_reading("M-1", when, kwhConsumedAc=1.0) for when in instants),
        meter_reading("M-2", instants[0]),
        vehicle_reading("V-1", instants[0]),
    )
    for _ in range(2):
        answer = client.ingest(
            meter_reading("M-1", instants[0], kwhConsumedAc=1.5),
            meter_reading("M-1", instants[1], kwhConsumedAc=1.0),
            meter_reading("M-2", instants[0]),
            vehicle_reading("V-1", instants[0], soc=54.0),
        )
        assert (answer["conflicts"], answer["duplicates"]) == (2, 2)
    assert client.ingest(meter_reading("M-1", instants[2], kwhConsumedAc=0.25))["conflicts"] == 1


def test_conflicts_are_listed_by_device_and_day_with_the_one_that_differs_most(client: Client) -> None:
    midnight = hours_ago(0).replace(hour=0) - 2 * DAY
    send_conflicts(client, midnight)
    listed = ask(client, "quality/conflicts")
    # The reading stamped 24:00 belongs to the day that ends.
    assert listed["total"] == len(listed["conflicts"]) == 2
    meter, vehicle = listed["conflicts"]
    assert (meter["meterId"], at(meter["day"]), meter["conflicts"]) == ("M-1", midnight, 3)
    assert (at(meter["firstAt"]), at(meter["lastAt"])) == (midnight + HOUR, midnight + DAY)
    assert (at(meter["exampleAt"]), meter["keptKwh"], meter["sentKwh"]) == (midnight + DAY, 1.0, 0.25)
    assert (vehicle["vehicleId"], vehicle["conflicts"], vehicle["keptKwh"], vehicle["sentKwh"]) == (
        "V-1",
        2,
        0.18,
        0.18,
    )

    window = {"from_": midnight.isoformat(), "to": (midnight + DAY).isoformat()}
    assert issues(client, "conflict", **window) == [("conflict", "M-1", 3, 0.75), ("conflict", "V-1", 2, 0.0)]
    assert [one["meterId"] for one in ask(client, "quality/conflicts", meterId="M-1")["conflicts"]] == ["M-1"]
    assert ask(client, "quality/conflicts", meterId="M-2") == {"conflicts": [], "total": 0, "next": None}
    later = (midnight + DAY).isoformat()
    assert ask(client, "quality/conflicts", from_=later)["conflicts"] == []


def test_conflicts_of_a_strict_request_are_answered_and_not_recorded(client: Client) -> None:
    client.ingest(meter_reading("M-1", minutes_ago(5)))
    when = minutes_ago(60)
    client.ingest(meter_reading("M-1", when))
    answer = client.post("/v1/ingest?strict=true", [meter_reading("M-1", when, kwhConsumedAc=9.0)])
    assert (answer.status, answer.json["conflicts"]) == (409, 1)
    assert ask(client, "quality/conflicts")["total"] == 0


def test_pages_of_conflicts_visit_each_once_in_json_and_csv(client: Client) -> None:
    send_conflicts(client, hours_ago(0).replace(hour=0) - 2 * DAY)
    send_conflicts(client, hours_ago(0).replace(hour=0) - 4 * DAY)
    seen, after = [], None
    while True:
        page = ask(client, "quality/conflicts", limit=1, **({} if after is None else {"after": after}))
        assert page["total"] == 4
        seen += [(one["day"], one["meterId"] or one["vehicleId"]) for one in page["conflicts"]]
        after = page["next"]
        if after is None:
            break
    assert len(seen) == 4
    assert seen == sorted(set(seen))
    answer = client.get("/v1/quality/conflicts", format="csv")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))
    assert [row["meterId"] or row["vehicleId"] for row in rows] == [device for _, device in seen]
    assert sum(int(row["conflicts"]) for row in rows) == 10


def test_upkeep_forgets_conflicts_whose_history_is_gone(client: Client, connection: Connection) -> None:
    send_conflicts(client, hours_ago(0).replace(hour=0) - 2 * DAY)
    connection.execute(
        "UPDATE telemetry.reading_conflict SET day_start = day_start - interval '500 days' WHERE device_type = 'meter'"
    )
    connection.execute("CALL api.upkeep()")
    assert [one["vehicleId"] for one in ask(client, "quality/conflicts")["conflicts"]] == ["V-1"]


def test_faults_are_those_that_losses_list(client: Client, connection: Connection) -> None:
    start = hours_ago(10)
    instants = [start + (number + 1) * 15 * MINUTE for number in range(8)]
    for meter, vehicle, ac_kwh, dc_kwh in (("M-1", "V-1", 2, 1.8), ("M-2", "V-2", 2, 2.2), ("M-3", "V-3", 2400, 2)):
        client.put(f"/v1/meters/{meter}", {"ratedPowerKw": 22})
        client.ingest(
            # Never quite the same, or a register that stands still would be as likely.
            *(
                meter_reading(meter, when, kwhConsumedAc=ac_kwh + i % 2 * ac_kwh / 20)
                for i, when in enumerate(instants)
            ),
            *(vehicle_reading(vehicle, when, kwhDeliveredDc=dc_kwh) for when in instants),
        )
        assert client.post("/v1/assignments", {"meterId": meter, "vehicleId": vehicle, "from": start}).status == 201
    connection.execute("CALL api.refresh_rollups(%s, %s)", [start - HOUR, start + 4 * HOUR])
    window = {"from_": start.isoformat(), "to": (start + 3 * HOUR).isoformat()}
    found = ask(client, "quality", kind="fault", **window)
    assert [
        (one["code"], one["meterId"] or one["vehicleId"], one["cause"], one["count"], one["doubtfulKwh"])
        for one in found["issues"]
    ] == [
        ("implausible_power", "M-3", "wh_as_kwh", 8, 19680.0),
        ("ratio_above_one", "M-2", "ac_dc_swapped", None, 1.2),
        ("ratio_above_one", "V-2", "ac_dc_swapped", None, 1.2),
    ]
    first = found["issues"][0]
    assert (at(first["firstAt"]), at(first["lastAt"])) == (instants[0], instants[-1])
    losses = client.get("/v1/analytics/losses", **window).json["dataFaults"]["listed"]
    assert {one["id"] for one in losses} == {"M-2", "V-2", "M-3"}
    assert client.request("GET", first["see"]).json["faults"][0]["code"] == "implausible_power"


def test_silent_late_and_never_seen_devices_are_listed_and_those_of_a_file_are_not_late(
    client: Client, connection: Connection
) -> None:
    client.ingest(meter_reading("M-1", minutes_ago(90)), meter_reading("M-2"), vehicle_reading("V-1", minutes_ago(40)))
    client.put("/v1/vehicles/V-9", {"name": "Van 9", "group": "North"})
    for late, code in (("1h", None), ("30m", "late")):
        found = ask(client, "quality", kind="arrival", lateBy=late)
        expected = [("silent", "M-1"), ("late", "V-1"), ("never_seen", "V-9")]
        assert [(one["code"], one["meterId"] or one["vehicleId"]) for one in found["issues"]] == [
            one for one in expected if code or one[0] != "late"
        ]
        assert found["total"] == found["counts"]["arrival"] == len(found["issues"])
    assert issues(client, "arrival", silentFor="2h", lateBy="2h") == [("never_seen", "V-9", None, None)]
    assert issues(client, "arrival", group="North") == [("never_seen", "V-9", None, None)]
    assert issues(client, "arrival", search="van") == [("never_seen", "V-9", None, None)]
    assert issues(client, "arrival", site="North") == []
    connection.execute(
        "INSERT INTO telemetry.import_progress (fingerprint, day_start, readings, started_at) "
        "VALUES ('f', now() - interval '1 day', 1, now() - interval '1 hour')"
    )
    assert [one[0] for one in issues(client, "arrival", lateBy="30m")] == ["silent", "never_seen"]


def test_breaks_and_resets_are_to_decide_until_a_return_undoes_them_or_an_operator_decides(
    client: Client, connection: Connection
) -> None:
    start = hours_ago(8)
    series: dict[str, list[float]] = {
        # A spike and its return; a meter exchanged; a counter that begins anew, of a register and of sessions.
        "M-1": [12, 13, 9000, 13.5, 15],
        "M-2": [4010, 4012, 700, 702, 704],
        "M-3": [842, 845, 3, 6, 9],
        "M-4": [842, 845, 3, 6, 9],
    }
    for meter, values in series.items():
        kind = "session" if meter == "M-4" else "register"
        client.put(f"/v1/meters/{meter}", {"energyReading": kind, "ratedPowerKw": 22})
        insert_meter_readings(
            connection, [(meter, start + (i + 1) * 15 * MINUTE, float(value), 230.0) for i, value in enumerate(values)]
        )
    events = ask(client, "register-events", toDecide="true")
    assert [(one["meterId"], one["kind"], one["toDecide"]) for one in events["events"]] == [
        ("M-2", "break", True),
        ("M-3", "reset", True),
    ]
    assert events["total"] == 2
    others = ask(client, "register-events", toDecide="false")
    assert {(one["meterId"], one["kind"]) for one in others["events"]} == {
        *((meter, "baseline") for meter in series),
        ("M-1", "break"),
        ("M-1", "return"),
        ("M-4", "reset"),
    }
    assert ask(client, "register-events")["total"] == 2 + others["total"]
    assert issues(client, "register") == [("break", "M-2", 1, 3312.0), ("reset", "M-3", 1, 845.0)]

    when = events["events"][1]["at"]
    assert client.put("/v1/register-decisions", {"meterId": "M-3", "at": when, "decision": "reset"}).status == 200
    assert [one["meterId"] for one in ask(client, "register-events", toDecide="true")["events"]] == ["M-2"]
    exchange = {"meterId": "M-2", "at": events["events"][0]["at"], "decision": "exchange", "firstKwh": 700}
    assert client.put("/v1/register-decisions", exchange).status == 200
    assert issues(client, "register") == []


def test_plug_outs_that_wait_are_listed_until_their_plug_in_comes(client: Client) -> None:
    times = [minutes_ago(minutes) for minutes in (50, 40, 30)]
    for meter, when in zip(("M-1", "M-1", "M-2"), times, strict=True):
        event = {"event": "plugOut", "meterId": meter, "vehicleId": "V-1", "at": when}
        assert client.post("/v1/assignments/events?reason=lost", event).json["outcome"] == "waiting"
    listed = ask(client, "assignments/waiting")
    assert (listed["total"], listed["next"]) == (3, None)
    assert [(one["meterId"], one["vehicleId"], at(one["at"]), one["reason"]) for one in listed["plugOuts"]] == [
        (meter, "V-1", when, "lost") for meter, when in zip(("M-1", "M-1", "M-2"), times, strict=True)
    ]
    page = ask(client, "assignments/waiting", limit=2)
    assert (len(page["plugOuts"]), page["total"]) == (2, 3)
    rest = ask(client, "assignments/waiting", after=page["next"])
    assert [one["id"] for one in page["plugOuts"] + rest["plugOuts"]] == [one["id"] for one in listed["plugOuts"]]
    assert ask(client, "assignments/waiting", after=10**9) == {"plugOuts": [], "total": 3, "next": None}
    assert ask(client, "assignments/waiting", meterId="M-2")["total"] == 1
    assert ask(client, "assignments/waiting", vehicleId="V-2") == {"plugOuts": [], "total": 0, "next": None}
    assert issues(client, "plugOut") == [("waiting_plug_out", "M-1", 2, None), ("waiting_plug_out", "M-2", 1, None)]

    plug_in = {"event": "plugIn", "meterId": "M-2", "vehicleId": "V-1", "at": minutes_ago(35)}
    assert client.post("/v1/assignments/events", plug_in).json["outcome"] == "created"
    assert [one["meterId"] for one in ask(client, "assignments/waiting")["plugOuts"]] == ["M-1", "M-1"]


def test_pages_of_issues_visit_each_once_the_gravest_first_and_counts_stay(client: Client) -> None:
    send_conflicts(client, hours_ago(0).replace(hour=0) - 2 * DAY)
    client.put("/v1/meters/M-9", {"name": "Gate", "site": "North"})
    window = {"from_": (now() - 4 * DAY).isoformat(), "to": now().isoformat()}
    whole = ask(client, "quality", **window)
    assert whole["counts"] == {"fault": 0, "conflict": 2, "register": 0, "arrival": 4, "plugOut": 0}
    assert whole["total"] == len(whole["issues"]) == 6
    severities = [one["severity"] for one in whole["issues"]]
    assert severities == sorted(severities, reverse=True)
    seen: list[Any] = []
    after: int | None = 0
    while after is not None:
        page = ask(client, "quality", limit=2, after=after, **window)
        assert (page["total"], page["counts"]) == (whole["total"], whole["counts"])
        seen += page["issues"]
        after = page["next"]
    assert seen == whole["issues"]
    assert ask(client, "quality", after=100, **window)["total"] == 6
    [gate] = ask(client, "quality", site="North", **window)["issues"]
    assert (gate["meterId"], gate["name"], gate["site"], gate["code"]) == ("M-9", "Gate", "North", "never_seen")
    answer = client.get("/v1/quality", format="csv", **window)
    rows = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))
    assert [row["code"] for row in rows] == [one["code"] for one in whole["issues"]]
    for one in whole["issues"]:
        assert client.request("GET", one["see"]).status == 200, one


def test_nothing_is_wrong_with_an_empty_database(client: Client) -> None:
    found = ask(client, "quality")
    assert (found["total"], found["issues"], found["next"], found["pending"]) == (0, [], None, False)
    assert set(found["counts"].values()) == {0}
    assert ask(client, "quality", kind="plugOut")["counts"] == {
        "fault": None, "conflict": None, "register": None, "arrival": None, "plugOut": 0
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("quality", "kind", "everything"),
        ("quality", "silentFor", "soon"),
        ("quality", "lateBy", "-1"),
        ("quality", "after", "x"),
        ("quality", "limit", "0"),
        ("quality/conflicts", "after", "2026-11-20T00:00:00Z,charger,M-1"),
        ("quality/conflicts", "meterId", "M 1"),
        ("register-events", "toDecide", "maybe"),
        ("assignments/waiting", "after", "M-1"),
    ],
)
def test_a_parameter_that_is_not_allowed_is_422_and_named(client: Client, path: str, name: str, value: str) -> None:
    answer = client.get(f"/v1/{path}", **{name: value})
    assert (answer.status, answer.json["field"]) == (422, name)
