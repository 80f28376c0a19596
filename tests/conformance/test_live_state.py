"""Live state: what each device said last, by its own clock."""

import itertools
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.readings import meter_reading, minutes_ago, vehicle_reading
from tests.service import Client

KINDS = pytest.mark.parametrize("kind", ["meters", "vehicles"])


def ids(document: Any) -> list[str]:
    """Ids of a page of devices, in its order."""
    [(kind, devices)] = [(kind, document[kind]) for kind in ("meters", "vehicles") if kind in document]
    return [device[f"{kind[:-1]}Id"] for device in devices]


def silent_since(kind: str, device: str, minutes: float, charging: bool = True) -> dict[str, Any]:
    at = minutes_ago(minutes)
    if kind == "meters":
        return meter_reading(device, at, kwhConsumedAc=0.2 if charging else 0)
    return vehicle_reading(device, at, kwhDeliveredDc=0.2 if charging else 0)


@pytest.mark.parametrize("order", [*itertools.permutations((1, 2, 3))])
@pytest.mark.parametrize("requests", ["one_request", "a_request_each"])
def test_the_newest_by_the_devices_clock_stands_whatever_the_order_of_arrival(
    client: Client, order: tuple[int, ...], requests: str
) -> None:
    at = minutes_ago(10)
    readings = [
        [
            meter_reading("M-1", at + timedelta(minutes=i), kwhConsumedAc=i, voltage=230 + i),
            vehicle_reading("V-1", at + timedelta(minutes=i), soc=50 + i, kwhDeliveredDc=i, batteryTemp=20 + i),
        ]
        for i in order
    ]
    for request in [list(itertools.chain(*readings))] if requests == "one_request" else readings:
        client.ingest(*request)
    newest = (at + timedelta(minutes=3)).isoformat().replace("+00:00", "Z")
    meter = client.get("/v1/live/meters/M-1").json
    assert meter.pop("receivedAt")
    assert meter == {"meterId": "M-1", "timestamp": newest, "kwhConsumedAc": 3.0, "voltage": 233.0, "charging": True}
    vehicle = client.get("/v1/live/vehicles/V-1").json
    assert vehicle.pop("receivedAt")
    assert vehicle == {
        "vehicleId": "V-1",
        "timestamp": newest,
        "soc": 53.0,
        "kwhDeliveredDc": 3.0,
        "batteryTemp": 23.0,
        "charging": True,
    }


def test_a_late_reading_leaves_live_state_alone(client: Client) -> None:
    client.ingest(meter_reading("M-1", minutes_ago(1)), vehicle_reading("V-1", minutes_ago(1)))
    before = client.get("/v1/live/meters/M-1").json, client.get("/v1/live/vehicles/V-1").json
    late = minutes_ago(60 * 24 * 3)
    answer = client.ingest(
        meter_reading("M-1", late, voltage=1), vehicle_reading("V-1", late, soc=1), meter_reading("M-1", minutes_ago(2))
    )
    assert answer["accepted"] == 3
    assert (client.get("/v1/live/meters/M-1").json, client.get("/v1/live/vehicles/V-1").json) == before


def test_a_conflicting_reading_leaves_live_state_alone(client: Client) -> None:
    at = minutes_ago(1)
    client.ingest(vehicle_reading("V-1", at, soc=40))
    before = client.get("/v1/live/vehicles/V-1").json
    assert client.ingest(vehicle_reading("V-1", at, soc=41))["conflicts"] == 1
    assert client.get("/v1/live/vehicles/V-1").json == before


@KINDS
def test_a_device_charges_while_its_newest_reading_bears_energy(client: Client, kind: str) -> None:
    told = []
    for minutes, charging in ((3, True), (2, False), (1, True)):
        client.ingest(silent_since(kind, "D-1", minutes, charging))
        told.append(client.get(f"/v1/live/{kind}/D-1").json["charging"])
    assert told == [True, False, True]


@KINDS
def test_a_device_that_never_reported_is_404(client: Client, kind: str) -> None:
    client.ingest(meter_reading("only-a-meter"), vehicle_reading("only-a-vehicle"))
    other = {"meters": "only-a-vehicle", "vehicles": "only-a-meter"}[kind]
    for unknown in ("nobody", other, "not%20an%20id", "x" * 65):
        answer = client.get(f"/v1/live/{kind}/{unknown}")
        assert (answer.status, answer.json["code"]) == (404, f"unknown_{kind[:-1]}")


@KINDS
@pytest.mark.parametrize("limit", [1, 7, 25, 26])
def test_pages_visit_every_device_once_in_order_of_id(client: Client, kind: str, limit: int) -> None:
    # Names that sort otherwise under a language's rules than by bytes: the key is bytes.
    devices = [f"{letter}{separator}{i}" for letter in "aBc" for separator in "._:-" for i in (1, 10)] + ["Z"]
    client.ingest(*(silent_since(kind, device, 1) for device in devices))
    visited: list[str] = []
    after: dict[str, str] = {}
    for _ in range(len(devices) + 1):
        page = client.get(f"/v1/live/{kind}", limit=limit, **after).json
        assert len(ids(page)) <= limit
        visited += ids(page)
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert visited == sorted(devices, key=str.encode)


@KINDS
def test_a_list_holds_a_hundred_unless_told(client: Client, kind: str) -> None:
    client.ingest(*(silent_since(kind, f"D-{i:03}", 1) for i in range(101)))
    page = client.get(f"/v1/live/{kind}").json
    assert ids(page) == [f"D-{i:03}" for i in range(100)]
    assert page["next"] == "D-099"


@KINDS
def test_an_empty_list_is_a_page_without_a_next_one(client: Client, kind: str) -> None:
    assert client.get(f"/v1/live/{kind}").json == {kind: [], "next": None}


@KINDS
def test_lists_are_filtered_by_charging(client: Client, kind: str) -> None:
    client.ingest(*(silent_since(kind, f"D-{i}", 1, charging=i % 3 == 0) for i in range(7)))
    assert ids(client.get(f"/v1/live/{kind}", charging="true").json) == ["D-0", "D-3", "D-6"]
    assert ids(client.get(f"/v1/live/{kind}", charging="false").json) == ["D-1", "D-2", "D-4", "D-5"]
    page = client.get(f"/v1/live/{kind}", charging="false", limit=2, after="D-1").json
    assert (ids(page), page["next"]) == (["D-2", "D-4"], "D-4")


@KINDS
def test_lists_are_filtered_by_how_long_a_device_was_silent(client: Client, kind: str) -> None:
    client.ingest(*(silent_since(kind, f"D-{minutes}", minutes) for minutes in (0, 1, 20, 70, 3000)))
    for silent_for, silent in {
        "30": ["D-1", "D-20", "D-3000", "D-70"],
        "90s": ["D-20", "D-3000", "D-70"],
        "15m": ["D-20", "D-3000", "D-70"],
        "1h": ["D-3000", "D-70"],
        "0.5h": ["D-3000", "D-70"],
        "2d": ["D-3000"],
        "3d": [],
    }.items():
        assert ids(client.get(f"/v1/live/{kind}", silentFor=silent_for).json) == silent, silent_for


@KINDS
def test_filters_add_up(client: Client, kind: str) -> None:
    client.ingest(
        silent_since(kind, "silent-charging", 20),
        silent_since(kind, "silent-idle", 20, charging=False),
        silent_since(kind, "heard-charging", 1),
        silent_since(kind, "heard-idle", 1, charging=False),
    )
    assert ids(client.get(f"/v1/live/{kind}", silentFor="15m", charging="true").json) == ["silent-charging"]


@KINDS
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("charging", "yes"),
        ("silentFor", "soon"),
        ("silentFor", "-5"),
        ("silentFor", "99999999999d"),
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "ten"),
        ("after", "no id"),
    ],
)
def test_a_filter_that_makes_no_sense_is_422(client: Client, kind: str, name: str, value: str) -> None:
    answer = client.get(f"/v1/live/{kind}", **{name: value})
    assert (answer.status, answer.json["code"], answer.json["field"]) == (422, "invalid_parameter", name)


def test_live_state_follows_readings_inserted_by_sql(client: Client, connection: psycopg.Connection[TupleRow]) -> None:
    connection.execute(
        "INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v) "
        "VALUES ('M-1', now() - interval '2 minutes', 1, 231), ('M-1', now() - interval '1 minute', 0, 232), "
        "('M-1', now() - interval '3 minutes', 1, 233)"
    )
    live = client.get("/v1/live/meters/M-1").json
    assert (live["voltage"], live["charging"]) == (232.0, False)
