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
    unknown = dict.fromkeys(("name", "since", "kwhSincePlugIn"))
    assert meter == unknown | {
        "meterId": "M-1",
        "timestamp": newest,
        "kwhConsumedAc": 3.0,
        "voltage": 233.0,
        "charging": True,
        "powerKw": 180.0,
        "site": None,
        "vehicleId": None,
    }
    vehicle = client.get("/v1/live/vehicles/V-1").json
    assert vehicle.pop("receivedAt")
    assert vehicle == unknown | {
        "vehicleId": "V-1",
        "timestamp": newest,
        "soc": 53.0,
        "kwhDeliveredDc": 3.0,
        "batteryTemp": 23.0,
        "charging": True,
        "powerKw": 180.0,
        "group": None,
        "meterId": None,
        "minutesToFull": None,
        "socPlausible": True,
    }


def test_a_late_reading_leaves_live_state_alone(client: Client) -> None:
    client.ingest(meter_reading("M-1", minutes_ago(1)), vehicle_reading("V-1", minutes_ago(1)))
    # The reading before the newest one is new, and tells its power.
    before = newest(client, "meters/M-1"), newest(client, "vehicles/V-1")
    late = minutes_ago(60 * 24 * 3)
    answer = client.ingest(
        meter_reading("M-1", late, voltage=1), vehicle_reading("V-1", late, soc=1), meter_reading("M-1", minutes_ago(2))
    )
    assert answer["accepted"] == 3
    assert (newest(client, "meters/M-1"), newest(client, "vehicles/V-1")) == before


def newest(client: Client, path: str) -> dict[str, Any]:
    """What is known of a device but its power."""
    document: dict[str, Any] = client.get(f"/v1/live/{path}").json
    return document | {"powerKw": None}


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
    assert client.get(f"/v1/live/{kind}").json == {kind: [], "total": 0, "next": None}


@KINDS
def test_lists_are_filtered_by_charging(client: Client, kind: str) -> None:
    client.ingest(*(silent_since(kind, f"D-{i}", 1, charging=i % 3 == 0) for i in range(7)))
    assert ids(client.get(f"/v1/live/{kind}", charging="true").json) == ["D-0", "D-3", "D-6"]
    assert ids(client.get(f"/v1/live/{kind}", charging="false").json) == ["D-1", "D-2", "D-4", "D-5"]
    page = client.get(f"/v1/live/{kind}", charging="false", limit=2, after="D-1").json
    assert (ids(page), page["next"], page["total"]) == (["D-2", "D-4"], "D-4", 4)
    page = client.get(f"/v1/live/{kind}", charging="false", after="D-6").json
    assert (ids(page), page["next"], page["total"]) == ([], None, 4)


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
        seen = client.get(f"/v1/live/{kind}", seenWithin=silent_for).json
        assert {*silent, *ids(seen)} == {"D-0", "D-1", "D-20", "D-70", "D-3000"}
        assert len(silent) + seen["total"] == 5


@KINDS
def test_a_silent_device_does_not_charge_whatever_its_newest_reading_says(client: Client, kind: str) -> None:
    client.ingest(*(silent_since(kind, f"D-{minutes}", minutes) for minutes in (1, 29, 31, 3000)))
    assert ids(client.get(f"/v1/live/{kind}", charging="true").json) == ["D-1", "D-29"]
    assert [charging(client, kind, f"D-{minutes}") for minutes in (1, 29, 31, 3000)] == [True, True, False, False]


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
        ("seenWithin", "an hour"),
        ("search", ""),
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


# What devices do now


def charge(client: Client, meter: str, vehicle: str, power_kw: float, minutes: int = 40, every: int = 5) -> None:
    """A charge from so many minutes ago up to a minute ago; nine tenths reach the battery."""
    readings = []
    for ago in range(minutes + 1, 0, -every):
        kwh = power_kw * every / 60
        readings.append(meter_reading(meter, minutes_ago(ago), kwhConsumedAc=kwh))
        readings.append(vehicle_reading(vehicle, minutes_ago(ago), soc=40, kwhDeliveredDc=kwh * 0.9))
    client.ingest(*readings)


def test_who_charges_now_at_what_power_since_when_and_until_when(client: Client) -> None:
    charge(client, "M-1", "V-1", 11.0)
    since = minutes_ago(36.5)
    plugged = {"event": "plugIn", "meterId": "M-1", "vehicleId": "V-1", "at": since}
    assert client.post("/v1/assignments/events", plugged).status == 200
    assert client.put("/v1/vehicles/V-1", {"name": "Van 12", "group": "Vans", "batteryCapacityKwh": 60}).status == 200
    assert client.put("/v1/meters/M-1", {"site": "North"}).status == 200
    meter = client.get("/v1/live/meters/M-1").json
    at = since.isoformat().replace("+00:00", "Z")
    assert (meter["powerKw"], meter["vehicleId"], meter["since"], meter["site"]) == (11.0, "V-1", at, "North")
    # Eight readings since.
    assert meter["kwhSincePlugIn"] == pytest.approx(8 * 11 / 12, abs=1e-6)
    vehicle = client.get("/v1/live/vehicles/V-1").json
    assert (vehicle["powerKw"], vehicle["meterId"], vehicle["since"]) == (9.9, "M-1", at)
    assert (vehicle["name"], vehicle["group"]) == ("Van 12", "Vans")
    assert vehicle["kwhSincePlugIn"] == pytest.approx(8 * 9.9 / 12, abs=1e-6)
    assert vehicle["minutesToFull"] == pytest.approx(0.6 * 60 / 9.9 * 60, abs=0.01)
    assert client.get("/v1/live/vehicles").json["vehicles"] == [
        {name: value for name, value in vehicle.items() if name != "socPlausible"}
    ]


def test_a_register_has_the_power_of_its_step(client: Client) -> None:
    say(client, "meters", "M-1", "register")
    client.ingest(counted("meters", "M-1", 20, 500.0), counted("meters", "M-1", 5, 505.5))
    assert client.get("/v1/live/meters/M-1").json["powerKw"] == 22.0
    client.ingest(counted("meters", "M-1", 2, 505.5))
    meter = client.get("/v1/live/meters/M-1").json
    assert (meter["powerKw"], meter["charging"]) == (0.0, False)


def test_a_vehicle_paired_by_its_id_has_its_meter_and_no_plug_in(client: Client) -> None:
    charge(client, "X-1", "X-1", 11.0)
    vehicle = client.get("/v1/live/vehicles/X-1").json
    assert (vehicle["meterId"], vehicle["since"], vehicle["kwhSincePlugIn"]) == ("X-1", None, None)
    assert client.get("/v1/live/meters/X-1").json["vehicleId"] == "X-1"
    # The meter is assigned to another one.
    assert client.post("/v1/assignments", {"meterId": "X-1", "vehicleId": "V-9", "from": minutes_ago(3)}).status == 201
    assert client.get("/v1/live/meters/X-1").json["vehicleId"] == "V-9"
    assert client.get("/v1/live/vehicles/X-1").json["meterId"] is None


def test_a_stay_of_more_than_a_week_tells_no_energy(client: Client) -> None:
    charge(client, "M-1", "V-1", 11.0)
    long_ago = minutes_ago(8 * 24 * 60)
    assert client.post("/v1/assignments", {"meterId": "M-1", "vehicleId": "V-1", "from": long_ago}).status == 201
    meter = client.get("/v1/live/meters/M-1").json
    assert (meter["vehicleId"], meter["kwhSincePlugIn"]) == ("V-1", None)


def test_lists_are_filtered_by_place_and_searched(client: Client) -> None:
    for number in range(1, 4):
        client.ingest(meter_reading(f"M-{number}"), vehicle_reading(f"V-{number}"))
    assert client.put("/v1/meters/M-2", {"site": "North", "name": "Gate"}).status == 200
    assert client.put("/v1/vehicles/V-3", {"group": "Vans", "name": "Van 12"}).status == 200
    assert ids(client.get("/v1/live/meters", site="North").json) == ["M-2"]
    assert ids(client.get("/v1/live/meters", search="gate").json) == ["M-2"]
    assert ids(client.get("/v1/live/vehicles", group="Vans").json) == ["V-3"]
    assert ids(client.get("/v1/live/vehicles", search="v-").json) == ["V-1", "V-2", "V-3"]
    assert client.get("/v1/live/vehicles", group="Cars").json == {"vehicles": [], "total": 0, "next": None}


def test_the_fleet_now_counts_who_charges_at_which_power_and_who_is_silent(client: Client) -> None:
    nobody = {"devices": 0, "silent": 0, "charging": 0, "powerKw": 0.0}
    assert client.get("/v1/live").json == {"meters": nobody, "vehicles": nobody}
    charge(client, "M-1", "V-1", 11.0)
    charge(client, "M-2", "V-2", 22.0)
    client.ingest(
        meter_reading("M-3", minutes_ago(50)),
        meter_reading("M-4", minutes_ago(1), kwhConsumedAc=0),
        vehicle_reading("V-3", minutes_ago(50)),
    )
    assert client.put("/v1/meters/M-2", {"site": "North"}).status == 200
    assert client.put("/v1/vehicles/V-1", {"group": "Vans"}).status == 200
    assert client.get("/v1/live").json == {
        "meters": {"devices": 4, "silent": 1, "charging": 2, "powerKw": 33.0},
        "vehicles": {"devices": 3, "silent": 1, "charging": 2, "powerKw": 29.7},
    }
    assert client.get("/v1/live", site="North", group="Vans").json == {
        "meters": {"devices": 1, "silent": 0, "charging": 1, "powerKw": 22.0},
        "vehicles": {"devices": 1, "silent": 0, "charging": 1, "powerKw": 9.9},
    }


def test_a_register_that_goes_on_after_a_pause_has_the_power_of_its_newest_step(client: Client) -> None:
    say(client, "meters", "M-1", "register")
    kwh = 500.0
    for minutes in range(25, 0, -1):
        # A pause of seven minutes.
        kwh += 0 if 12 >= minutes > 5 else 11 / 60
        client.ingest(counted("meters", "M-1", minutes, kwh))
        if minutes == 3:
            assert client.get("/v1/live/meters/M-1").json["powerKw"] == pytest.approx(11.0, abs=0.01)
    assert client.get("/v1/live/meters/M-1").json["powerKw"] == pytest.approx(11.0, abs=0.01)
    client.ingest(counted("meters", "M-1", 0.5, kwh - 0.1))
    # Jitter.
    assert client.get("/v1/live/meters/M-1").json["powerKw"] == 0.0


def test_the_power_of_a_register_ends_with_its_kind(client: Client) -> None:
    say(client, "meters", "M-1", "register")
    for minutes in range(40, 8, -1):
        client.ingest(counted("meters", "M-1", minutes, 500.0 + (40 - minutes) // 10))
    say(client, "meters", "M-1", "interval", since=minutes_ago(8.5))
    client.ingest(counted("meters", "M-1", 3, 0.18), counted("meters", "M-1", 2, 0.18))
    assert client.get("/v1/live/meters/M-1").json["powerKw"] == pytest.approx(10.8)
