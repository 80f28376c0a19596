"""Live state: what each device sent last, by its own clock."""

import itertools
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.support.readings import meter_reading, minutes_ago, vehicle_reading
from tests.support.service import Client

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
        "socPlausible": True,
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
    shown = []
    for minutes, charging in ((3, True), (2, False), (1, True)):
        client.ingest(silent_since(kind, "D-1", minutes, charging))
        shown.append(client.get(f"/v1/live/{kind}/D-1").json["charging"])
    assert shown == [True, False, True]


# A register charges while it rises. Values in order of time, what is shown of each after it came alone.
RISES = (
    (100.0, False),  # the first, before which nothing is known
    (100.0, False),
    (100.5, True),
    (101.0, True),
    (101.0, False),
    (100.9, False),  # jitter
    (101.0, True),
    (3.0, False),  # a reset
    (3.5, True),
)


def counted(kind: str, device: str, minutes: float, kwh: float) -> dict[str, Any]:
    """A reading of a register so long ago."""
    at = minutes_ago(minutes)
    if kind == "meters":
        return meter_reading(device, at, kwhConsumedAc=kwh)
    return vehicle_reading(device, at, kwhDeliveredDc=kwh)


def charging(client: Client, kind: str, device: str) -> bool:
    """Whether a device charges, as its own answer and the filtered lists say."""
    shown: bool = client.get(f"/v1/live/{kind}/{device}").json["charging"]
    for wanted in (True, False):
        assert (device in ids(client.get(f"/v1/live/{kind}", charging=str(wanted).lower()).json)) == (shown is wanted)
    return shown


def say(client: Client, kind: str, device: str, reading: str | None, **more: Any) -> None:
    """Say what a device's kWh values mean."""
    answer = client.put(f"/v1/{kind}/{device}", {"energyReading": reading, **more})
    assert answer.status in (200, 201), answer.body


def default(client: Client, kind: str, reading: str, **more: Any) -> None:
    """Set what kWh values mean where a device has no kind."""
    answer = client.put("/v1/fleet/defaults", {kind: {"energyReading": reading, **more}})
    assert answer.status == 200, answer.body


@KINDS
@pytest.mark.parametrize("declared", ["of_the_device", "of_the_fleet"])
def test_a_register_charges_while_it_rises(client: Client, kind: str, declared: str) -> None:
    if declared == "of_the_fleet":
        default(client, kind, "register")
        say(client, kind, "interval", "interval")
    else:
        say(client, kind, "D-1", "register")
    shown = []
    for i, (kwh, _) in enumerate(RISES):
        client.ingest(counted(kind, "D-1", 20 - i, kwh), counted(kind, "interval", 20 - i, 0.2))
        shown.append(charging(client, kind, "D-1"))
        assert charging(client, kind, "interval")
    assert shown == [rises for _, rises in RISES]


@KINDS
@pytest.mark.parametrize("size", [2, 3, 4])
def test_of_several_readings_of_a_register_the_newest_two_count_in_whatever_order(
    client: Client, kind: str, size: int
) -> None:
    say(client, kind, "other", "register")
    for order, device in enumerate(("forwards", "backwards")):
        say(client, kind, device, "register")
        rows = [counted(kind, device, 20 - i, kwh) for i, (kwh, _) in enumerate(RISES)]
        for first in range(0, len(rows), size):
            part = rows[first : first + size]
            client.ingest(*(reversed(part) if order else part), counted(kind, "other", 20 - first, 7.0))
            assert charging(client, kind, device) is RISES[first + len(part) - 1][1], (device, first)
            assert not charging(client, kind, "other")


@KINDS
def test_readings_of_a_register_around_the_newest_that_was_there_are_held_against_that(
    client: Client, kind: str
) -> None:
    say(client, kind, "D-1", "register")
    client.ingest(counted(kind, "D-1", 10, 5.0))
    # One before it and one after it, which is higher than the one before and not than the one between.
    client.ingest(counted(kind, "D-1", 12, 4.0), counted(kind, "D-1", 8, 5.0))
    assert not charging(client, kind, "D-1")
    client.ingest(counted(kind, "D-1", 9, 4.0), counted(kind, "D-1", 7, 5.5))
    assert charging(client, kind, "D-1")


@KINDS
def test_after_late_readings_of_a_register_its_newest_two_say_whether_it_charges(client: Client, kind: str) -> None:
    say(client, kind, "D-1", "register")
    client.ingest(counted(kind, "D-1", 10, 5.0), counted(kind, "D-1", 5, 6.0))
    client.ingest(counted(kind, "D-1", 7, 5.5))
    assert charging(client, kind, "D-1")
    client.ingest(counted(kind, "D-1", 6, 6.0))
    assert not charging(client, kind, "D-1")


@KINDS
def test_a_register_declared_later_shows_it_with_its_next_reading(client: Client, kind: str) -> None:
    client.ingest(counted(kind, "D-1", 10, 5.0))
    assert charging(client, kind, "D-1")
    say(client, kind, "D-1", "register")
    client.ingest(counted(kind, "D-1", 9, 5.0))
    assert not charging(client, kind, "D-1")
    client.ingest(counted(kind, "D-1", 8, 5.5))
    assert charging(client, kind, "D-1")


@KINDS
@pytest.mark.parametrize("declared", ["of_the_device", "of_the_fleet"])
def test_a_device_charges_by_the_kind_that_it_has_now(client: Client, kind: str, declared: str) -> None:
    # An interval meter is exchanged for a register, and that for an interval meter.
    def exchange(minutes: float | None, reading: str) -> None:
        since = {} if minutes is None else {"since": minutes_ago(minutes)}
        if declared == "of_the_device":
            say(client, kind, "D-1", reading, **since)
        else:
            default(client, kind, reading, **since)

    def shown(minutes: float, kwh: float) -> bool:
        client.ingest(counted(kind, "D-1", minutes, kwh))
        return charging(client, kind, "D-1")

    exchange(None, "interval")
    assert shown(12, 0.1)
    exchange(11, "register")
    # The first reading of a register says nothing of energy.
    assert [shown(10, 500.0), shown(9, 500.0), shown(8, 500.5), shown(7, 500.5)] == [False, False, True, False]
    exchange(6, "interval")
    assert [shown(5, 0.1), shown(4, 0.1), shown(3, 0.0)] == [True, True, False]


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
def test_a_list_holds_a_hundred_by_default(client: Client, kind: str) -> None:
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
