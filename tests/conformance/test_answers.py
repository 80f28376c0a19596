"""Answers about meters, the fleet, losses and health, against what was sent and what a person would say of it."""

import csv
import io
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.support.readings import (
    hours_ago,
    insert_meter_readings,
    insert_vehicle_readings,
    meter_reading,
    minutes_ago,
    vehicle_reading,
)
from tests.support.service import Client

Connection = psycopg.Connection[TupleRow]

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
STEP = 10 * MINUTE


def instants(begins: datetime, ends: datetime, step: timedelta = STEP) -> list[datetime]:
    """Every so often after an instant, up to another."""
    return [begins + step * (i + 1) for i in range(int((ends - begins) / step))]


def drawn(connection: Connection, meter: str, begins: datetime, ends: datetime, power_kw: float) -> None:
    """A meter draws steadily, a reading every 10 minutes."""
    rows = [(meter, at, power_kw * (STEP / HOUR), 228.0 + i % 5) for i, at in enumerate(instants(begins, ends))]
    insert_meter_readings(connection, rows)


def charged(connection: Connection, vehicle: str, begins: datetime, ends: datetime, power_kw: float) -> None:
    """A vehicle takes in energy steadily, a reading every 10 minutes."""
    rows = [(vehicle, at, 50.0, power_kw * (STEP / HOUR), 25.0) for at in instants(begins, ends)]
    insert_vehicle_readings(connection, rows)


def assign(connection: Connection, meter: str, vehicle: str, begins: datetime, ends: datetime | None = None) -> None:
    """A meter feeds a vehicle."""
    connection.execute(
        "INSERT INTO telemetry.assignment (meter_id, vehicle_id, during) VALUES (%s, %s, tstzrange(%s, %s))",
        [meter, vehicle, begins, ends],
    )


def refresh(connection: Connection, begins: datetime, ends: datetime) -> None:
    """Complete the rollups."""
    connection.execute("CALL api.refresh_rollups(%s, %s)", [begins - HOUR, ends + HOUR])


def ask(client: Client, path: str, begins: datetime, ends: datetime, **query: Any) -> Any:
    """An answer over (begins, ends]."""
    answer = client.get(f"/v1/analytics/{path}", from_=begins.isoformat(), to=ends.isoformat(), **query)
    assert answer.status == 200, answer.body
    return answer.json


# Meters


def test_a_meter_tells_what_it_drew_for_whom_and_what_for_nobody(client: Client, connection: Connection) -> None:
    begins = hours_ago(60)
    drawn(connection, "M-1", begins, begins + 12 * HOUR, 6.0)
    assign(connection, "M-1", "V-1", begins - DAY, begins + 2 * HOUR + 15 * MINUTE)
    assign(connection, "M-1", "V-2", begins + 4 * HOUR + 5 * MINUTE, begins + 8 * HOUR)
    assign(connection, "M-1", "V-1", begins + 9 * HOUR)
    refresh(connection, begins, begins + DAY)
    answered = ask(client, "meters/M-1", begins + 25 * MINUTE, begins + 11 * HOUR + 1 * MINUTE)
    # Readings are on whole tens of minutes, 1 kWh each: from 0:30 to 11:00.
    assert (answered["acConsumedKwh"], answered["readings"], answered["reason"]) == (64.0, 64, None)
    assert [
        (one["vehicleId"], one["minutes"], one["acConsumedKwh"], one["readings"]) for one in answered["vehicles"]
    ] == [
        ("V-1", 110.0 + 121.0, 11.0 + 12.0, 23),
        ("V-2", 235.0, 24.0, 24),
    ]
    assert (answered["acAttributedKwh"], answered["acUnattributedKwh"]) == (47.0, 17.0)
    assert answered["voltage"] == {"mean": pytest.approx(230.0, abs=0.05), "min": 228.0, "max": 232.0}
    assert answered["coverage"] == pytest.approx(64 / 636, abs=1e-4)


def test_a_meter_feeds_the_vehicle_of_its_own_id_while_nobody_else(client: Client, connection: Connection) -> None:
    begins = hours_ago(30)
    drawn(connection, "D-1", begins, begins + 4 * HOUR, 6.0)
    charged(connection, "D-1", begins, begins + 4 * HOUR, 5.0)
    refresh(connection, begins, begins + DAY)
    answered = ask(client, "meters/D-1", begins, begins + 4 * HOUR)
    assert [one["vehicleId"] for one in answered["vehicles"]] == ["D-1"]
    assert answered["acUnattributedKwh"] == 0
    fleet = ask(client, "fleet", begins, begins + 4 * HOUR)
    assert (fleet["acAttributedKwh"], fleet["acUnattributedKwh"]) == (24.0, 0.0)
    assert fleet["efficiencyRatio"] == pytest.approx(5 / 6, abs=1e-4)


def test_a_meter_of_which_nothing_is_known_has_nulls_and_a_reason(client: Client, connection: Connection) -> None:
    assign(connection, "M-1", "V-1", hours_ago(30))
    answered = ask(client, "meters/M-1", hours_ago(10), hours_ago(8))
    assert (answered["acConsumedKwh"], answered["acUnattributedKwh"], answered["reason"]) == (None, None, "no_readings")
    assert answered["voltage"] == {"mean": None, "min": None, "max": None}
    assert answered["vehicles"] == [
        {
            "vehicleId": "V-1",
            "minutes": 120.0,
            "acConsumedKwh": None,
            "dcDeliveredKwh": None,
            "efficiencyRatio": None,
            "readings": 0,
        }
    ]
    for path in ("meters/M-9", "health/meters/M-9"):
        assert client.get(f"/v1/analytics/{path}").json["code"] == "unknown_meter"


# The fleet


def test_the_fleet_is_the_sum_of_its_devices_cut_hours_and_sessions_included(
    client: Client, connection: Connection
) -> None:
    # Six chargers with a session after another, of lengths that cut hours anywhere; every third visitor is silent.
    begins = hours_ago(24 * 4)
    sessions = []
    for meter in range(6):
        drawn(connection, f"M-{meter}", begins, begins + DAY, 3.0 + meter)
        at = begins + meter * 7 * MINUTE
        for visit in range(5):
            length = (47 + 31 * visit + 13 * meter) * MINUTE
            sessions.append((f"M-{meter}", f"V-{meter}-{visit}", at, at + length))
            at += length + 23 * MINUTE
    for number, (meter_id, vehicle, plugged_at, unplugged_at) in enumerate(sessions):
        assign(connection, meter_id, vehicle, plugged_at, unplugged_at)
        if number % 3:
            charged(connection, vehicle, plugged_at, unplugged_at, 2.5 + int(meter_id[2:]))
    refresh(connection, begins, begins + DAY)
    window = (begins + 34 * MINUTE, begins + 9 * HOUR + 12 * MINUTE)
    fleet = ask(client, "fleet", *window)
    meters = [ask(client, f"meters/M-{number}", *window) for number in range(6)]
    vehicles = [ask(client, f"performance/{vehicle}", *window) for _, vehicle, _, _ in sessions]
    for total, parts in (
        (fleet["totalEnergy"]["acConsumedKwh"], [one["acConsumedKwh"] for one in meters]),
        (fleet["acAttributedKwh"], [one["acAttributedKwh"] for one in meters]),
        (fleet["acAttributedKwh"], [one["totalEnergy"]["acConsumedKwh"] for one in vehicles]),
        (fleet["acUnattributedKwh"], [one["acUnattributedKwh"] for one in meters]),
        (fleet["totalEnergy"]["dcDeliveredKwh"], [one["totalEnergy"]["dcDeliveredKwh"] for one in vehicles]),
        (fleet["totalEnergy"]["dcElsewhereKwh"], [one["totalEnergy"]["dcElsewhereKwh"] for one in vehicles]),
        (fleet["readings"]["meter"], [one["readings"] for one in meters]),
        (fleet["readings"]["vehicle"], [one["readings"]["vehicle"] for one in vehicles]),
    ):
        assert total == pytest.approx(sum(part or 0 for part in parts), abs=1e-6 * len(parts))
    matched = [one["totalEnergy"] for one in vehicles if None not in one["totalEnergy"].values()]
    assert 0 < len(matched) < len(vehicles)
    assert fleet["matched"]["vehicles"] == len(matched)
    assert fleet["efficiencyRatio"] == pytest.approx(
        sum(one["dcDeliveredKwh"] - one["dcElsewhereKwh"] for one in matched)
        / sum(one["acConsumedKwh"] for one in matched),
        abs=1e-4,
    )
    assert fleet["seen"] == {"meters": 6, "vehicles": sum(1 for one in vehicles if one["readings"]["vehicle"])}


def test_no_kwh_is_given_to_two_vehicles_where_meters_and_vehicles_share_ids(
    client: Client, connection: Connection
) -> None:
    # Five meters and five vehicles of the same ids. S-1 fed S-2 at times and the vehicle S-1 otherwise; S-2 fed S-3 all
    # the time, so that the vehicles S-2 and S-3 draw nothing by their ids; S-4 fed S-3 before the window, and V-5 in a
    # part of it. The meter S-1 is a register; the vehicle S-5 is listed and was never heard from. Every answer has to
    # share out the same energy.
    begins = hours_ago(24 * 3)
    names = [f"S-{number}" for number in (1, 2, 3, 4, 5)]
    for number, name in enumerate(names):
        if number:
            drawn(connection, name, begins, begins + 10 * HOUR, 6.0 + number)
        if name != "S-5":
            charged(connection, name, begins, begins + 10 * HOUR, 3.0 + number / 2)
    connection.execute("INSERT INTO telemetry.vehicle (vehicle_id) VALUES ('S-5')")
    counts = [("S-1", at, 100.0 + i * i / 8, 230.0) for i, at in enumerate(instants(begins, begins + 10 * HOUR))]
    insert_meter_readings(connection, counts)
    connection.execute("INSERT INTO telemetry.meter (meter_id, energy_reading) VALUES ('S-1', 'register')")
    assign(connection, "S-1", "S-2", begins + HOUR + 5 * MINUTE, begins + 3 * HOUR)
    assign(connection, "S-1", "S-2", begins + 5 * HOUR + 15 * MINUTE, begins + 6 * HOUR + 35 * MINUTE)
    assign(connection, "S-2", "S-3", begins, begins + 10 * HOUR)
    assign(connection, "S-4", "S-3", begins - 2 * HOUR, begins)
    assign(connection, "S-4", "V-5", begins + 4 * HOUR + 25 * MINUTE, begins + 7 * HOUR + 45 * MINUTE)
    refresh(connection, begins, begins + DAY)
    for window in ((begins + 35 * MINUTE, begins + 8 * HOUR + 10 * MINUTE), (begins + HOUR, begins + 2 * HOUR)):
        fleet = ask(client, "fleet", *window)
        meters = {name: ask(client, f"meters/{name}", *window) for name in names}
        vehicles = {name: ask(client, f"performance/{name}", *window) for name in [*names, "V-5"]}
        energies = {name: one["totalEnergy"]["acConsumedKwh"] for name, one in vehicles.items()}
        assert fleet["acAttributedKwh"] == pytest.approx(sum(energy or 0 for energy in energies.values()), abs=1e-5)
        assert fleet["acAttributedKwh"] == pytest.approx(
            sum(one["acAttributedKwh"] for one in meters.values()), abs=1e-5
        )
        assert fleet["readings"]["vehicle"] == sum(one["readings"]["vehicle"] for one in vehicles.values())
        assert fleet["acUnattributedKwh"] == pytest.approx(meters["S-3"]["acConsumedKwh"], abs=1e-5)
        by_hour = ask(client, "fleet/series", *window, bucket="hour", timezone="UTC")["buckets"]
        assert sum(one["acAttributedKwh"] for one in by_hour) == pytest.approx(fleet["acAttributedKwh"], abs=1e-5)
        lost = ask(client, "losses", *window, below=1.0)["vehicles"]["listed"]
        assert {one["id"]: one["acConsumedKwh"] for one in lost}.items() <= energies.items()
        for name, energy in energies.items():
            shares = [
                fed["acConsumedKwh"]
                for one in meters.values()
                for fed in one["vehicles"]
                if fed["vehicleId"] == name and fed["acConsumedKwh"] is not None
            ]
            assert vehicles[name]["meters"] == [
                meter for meter, one in meters.items() if any(fed["vehicleId"] == name for fed in one["vehicles"])
            ]
            series = ask(client, f"performance/{name}/series", *window, bucket="hour", timezone="UTC")["buckets"]
            hours = [one["totalEnergy"]["acConsumedKwh"] for one in series]
            feeds = ask(client, f"performance/{name}/explain", *window)["grid"]
            for answered in (shares, hours, [feed["energyKwh"] for feed in feeds]):
                known = [one for one in answered if one is not None]
                assert (sum(known) if known else None) == (None if energy is None else pytest.approx(energy, abs=1e-5))


def test_a_fleet_of_registers_answers_as_the_same_fleet_of_intervals(client: Client, connection: Connection) -> None:
    # Twice the same energies: M-1 and V-1 read intervals, M-2 and V-2 count them, and are reset at one time.
    begins = hours_ago(24 * 3)
    at = instants(begins - HOUR, begins + 6 * HOUR)
    counted_ac = counted_dc = 500.0
    for number, instant in enumerate(at):
        energy = 1.0 + number / 64
        counted_ac = energy if number == 20 else counted_ac + energy
        counted_dc = energy if number == 23 else counted_dc + energy * 0.875
        insert_meter_readings(connection, [("M-1", instant, energy, 230.0), ("M-2", instant, counted_ac, 230.0)])
        dc = energy if number == 23 else energy * 0.875
        insert_vehicle_readings(
            connection, [("V-1", instant, 50.0, dc, 20.0), ("V-2", instant, 50.0, counted_dc, 20.0)]
        )
    connection.execute("INSERT INTO telemetry.meter (meter_id, energy_reading) VALUES ('M-2', 'register')")
    connection.execute("INSERT INTO telemetry.vehicle (vehicle_id, energy_reading) VALUES ('V-2', 'register')")
    for number in (1, 2):
        assign(connection, f"M-{number}", f"V-{number}", begins + 25 * MINUTE, begins + 5 * HOUR + 5 * MINUTE)
    refresh(connection, begins, begins + DAY)
    window = (begins + 15 * MINUTE, begins + 5 * HOUR + 30 * MINUTE)
    one, two = (ask(client, f"meters/M-{number}", *window) for number in (1, 2))
    assert {name: one[name] for name in ("acConsumedKwh", "acAttributedKwh", "acUnattributedKwh")} == pytest.approx(
        {name: two[name] for name in ("acConsumedKwh", "acAttributedKwh", "acUnattributedKwh")}
    )
    assert (one["resets"], two["resets"]) == (0, 1)
    fleet = ask(client, "fleet", *window)
    for name in ("acAttributedKwh", "acUnattributedKwh"):
        assert fleet[name] == pytest.approx(2 * one[name]), name
    single = ask(client, "performance/V-1", *window)
    assert fleet["totalEnergy"]["dcDeliveredKwh"] == pytest.approx(2 * single["totalEnergy"]["dcDeliveredKwh"])
    for bucket in ("hour", "day"):
        both = [
            ask(client, f"performance/V-{number}/series", *window, bucket=bucket, timezone="Asia/Kolkata")["buckets"]
            for number in (1, 2)
        ]
        for mine, other in zip(*both, strict=True):
            assert mine["totalEnergy"] == pytest.approx(other["totalEnergy"])


def test_an_empty_fleet_has_nulls_and_reasons(client: Client) -> None:
    answered = ask(client, "fleet", hours_ago(30), hours_ago(6))
    assert answered["totalEnergy"] == {"acConsumedKwh": None, "dcDeliveredKwh": None, "dcElsewhereKwh": None}
    assert set(answered["reasons"].values()) == {"no_readings"}
    assert (answered["coverage"], answered["seen"]) == ({"meter": None, "vehicle": None}, {"meters": 0, "vehicles": 0})
    losses = ask(client, "losses", hours_ago(30), hours_ago(6))
    assert [losses[name]["devices"] for name in ("vehicles", "meters", "dataFaults", "unattributed")] == [0] * 4


def test_what_came_from_no_known_meter_and_what_went_nowhere_has_its_reason(
    client: Client, connection: Connection
) -> None:
    begins = hours_ago(30)
    drawn(connection, "M-1", begins, begins + HOUR, 6.0)
    charged(connection, "V-1", begins, begins + HOUR, 5.0)
    refresh(connection, begins, begins + HOUR)
    answered = ask(client, "fleet", begins, begins + HOUR)
    assert (answered["efficiencyRatio"], answered["reasons"]["efficiencyRatio"]) == (None, "no_assignment")
    assert answered["acUnattributedKwh"] == answered["totalEnergy"]["acConsumedKwh"] == 6.0


# Losses


@pytest.fixture
def lossy(connection: Connection) -> datetime:
    """Five days: a slow socket, a bad fast charger that was good once, a good charger, a fault, an idle thief."""
    begins = hours_ago(24 * 6).replace(hour=0)
    ends = begins + 5 * DAY
    for meter, vehicle, ac_kw, dc_kw in (
        ("M-slow", "V-slow", 2.3, 1.9),
        ("M-good", "V-good", 11.0, 10.0),
        ("M-fault", "V-fault", 10.0, 11.0),
    ):
        drawn(connection, meter, begins, ends, ac_kw)
        charged(connection, vehicle, begins, ends, dc_kw)
        assign(connection, meter, vehicle, begins - DAY)
    drawn(connection, "M-fast", begins, ends, 50.0)
    charged(connection, "V-fast", begins, begins + 2 * DAY, 46.0)
    charged(connection, "V-fast", begins + 2 * DAY, ends, 35.0)
    assign(connection, "M-fast", "V-fast", begins - DAY)
    drawn(connection, "M-nobody", begins, begins + 3 * HOUR, 1.0)
    assign(connection, "M-silent", "V-silent", begins)
    refresh(connection, begins, ends)
    return begins


def test_a_slow_socket_is_normal_and_a_bad_fast_charger_is_not(client: Client, lossy: datetime) -> None:
    answered = ask(client, "losses", lossy, lossy + 5 * DAY)
    for kind in ("vehicle", "meter"):
        listed = answered[f"{kind}s"]["listed"]
        assert [(one["id"][2:], one["verdict"]) for one in listed] == [
            ("fast", "abnormal_loss"),
            ("slow", "normal_for_power"),
        ]
        fast, slow = listed
        assert fast["lostKwh"] == pytest.approx(48 * 4.0 + 72 * 15.0)
        assert (fast["meanChargingPowerKw"], slow["meanChargingPowerKw"]) == (50.0, 2.3)
        assert slow["expectedRatio"] == pytest.approx(0.93 * (1 - 0.2 / 2.3), abs=1e-4)
        assert slow["lostBeyondExpectedKwh"] == pytest.approx(120 * (2.3 * 0.93 * (1 - 0.2 / 2.3) - 1.9), abs=1e-4)
        # The days below began on the third.
        assert datetime.fromisoformat(fast["since"]) == lossy + 2 * DAY
        assert datetime.fromisoformat(slow["since"]) == lossy
        assert answered[f"{kind}s"]["devices"] == 2
        assert answered[f"{kind}s"]["kwh"] == pytest.approx(fast["lostKwh"] + slow["lostKwh"])


def test_data_faults_and_meters_that_fed_nobody_stand_apart(client: Client, lossy: datetime) -> None:
    answered = ask(client, "losses", lossy, lossy + 5 * DAY)
    assert [(one["type"], one["verdict"]) for one in answered["dataFaults"]["listed"]] == [
        ("meter", "data_fault"),
        ("vehicle", "data_fault"),
    ]
    assert answered["unattributed"] == {
        "devices": 1,
        "kwh": 3.0,
        "listed": [
            {
                "meterId": "M-nobody",
                "acConsumedKwh": 3.0,
                "readings": 18,
                "coverage": pytest.approx(18 / (5 * 24 * 60), abs=1e-4),
            }
        ],
    }


def test_totals_by_verdict_are_sums_over_whole_lists(client: Client, lossy: datetime) -> None:
    window = (lossy, lossy + 5 * DAY)
    whole, cut = ask(client, "losses", *window), ask(client, "losses", *window, limit=1)
    assert cut["totals"] == whole["totals"]
    assert [(one["list"], one["type"], one["verdict"], one["devices"]) for one in whole["totals"]] == [
        ("dataFaults", "meter", "data_fault", 1),
        ("dataFaults", "vehicle", "data_fault", 1),
        ("meters", "meter", "abnormal_loss", 1),
        ("meters", "meter", "normal_for_power", 1),
        ("unattributed", "meter", "unattributed", 1),
        ("vehicles", "vehicle", "abnormal_loss", 1),
        ("vehicles", "vehicle", "normal_for_power", 1),
    ]
    for total in whole["totals"]:
        if total["list"] == "unattributed":
            assert total["acConsumedKwh"] == whole["unattributed"]["kwh"]
            continue
        [row] = [
            one
            for one in whole[total["list"]]["listed"]
            if (one["type"], one["verdict"]) == (total["type"], total["verdict"])
        ]
        for figure in ("acConsumedKwh", "dcDeliveredKwh", "efficiencyRatio", "lostKwh", "lostBeyondExpectedKwh"):
            assert total[figure] == pytest.approx(row[figure], abs=1e-6), total
    assert ask(client, "losses", lossy - 9 * DAY, lossy - 8 * DAY)["totals"] == []


def test_losses_are_one_table_with_the_list_of_each_device(client: Client, lossy: datetime) -> None:
    window = {"from_": lossy.isoformat(), "to": (lossy + 5 * DAY).isoformat()}
    listed = client.get("/v1/analytics/losses", **window).json
    table = client.get("/v1/analytics/losses", **window, format="csv")
    rows = list(csv.DictReader(io.StringIO(table.body.decode("utf-8-sig"))))
    for name in ("vehicles", "meters", "dataFaults"):
        told = [(one["id"], one["verdict"], one["lostKwh"]) for one in listed[name]["listed"]]
        assert told == [(row["id"], row["verdict"], float(row["lostKwh"])) for row in rows if row["list"] == name]
    [nobody] = [row for row in rows if row["list"] == "unattributed"]
    assert (nobody["id"], float(nobody["acConsumedKwh"]), nobody["dcDeliveredKwh"]) == ("M-nobody", 3.0, "")
    assert len(rows) == 7


def test_a_threshold_that_is_given_and_a_limit_are_kept(client: Client, lossy: datetime) -> None:
    answered = ask(client, "losses", lossy, lossy + 5 * DAY, below=0.95, limit=1)
    assert (answered["below"], answered["vehicles"]["devices"], len(answered["vehicles"]["listed"])) == (0.95, 3, 1)
    assert ask(client, "losses", lossy, lossy + 5 * DAY, below=0.5)["vehicles"]["listed"] == []
    # Above 0.85, and yet too little for its power: shown unless a threshold says otherwise.
    first_days = (lossy + 1 * DAY + 12 * HOUR, lossy + 2 * DAY + 3 * HOUR)
    assert [one["id"] for one in ask(client, "losses", *first_days)["meters"]["listed"]] == ["M-fast", "M-slow"]
    ratio = ask(client, "losses", *first_days)["meters"]["listed"][0]["efficiencyRatio"]
    assert 0.85 < ratio < 0.9
    assert [one["id"] for one in ask(client, "losses", *first_days, below=0.85)["meters"]["listed"]] == ["M-slow"]
    for below in ("0", "1.01", "-0.5", "nan", "low", ""):
        answer = client.get("/v1/analytics/losses", below=below)
        assert (answer.status, answer.json["field"]) == (422, "below"), below


# Health


def battery(
    connection: Connection, begins: datetime, days: int, capacity_kwh: Callable[[int], float], *, points: int = 40
) -> None:
    """Every day a vehicle drives down from 80 % by some points and charges up again in 4 hours; the first is hot."""
    rows = []
    for day in range(days):
        for i, at in enumerate(instants(begins + day * DAY, begins + day * DAY + 8 * HOUR)):
            driving = i < 12
            soc = 80 - points * (i + 1) / 12 if driving else 80 - points + points * min(1.0, (i - 11) / 24)
            energy = capacity_kwh(day) * points / 100 / 24 if 12 <= i < 36 else 0.0
            rows.append(("V-1", at, round(float(soc), 3), energy, 45.0 if day == 0 and i < 12 else 25.0))
    insert_vehicle_readings(connection, rows)
    refresh(connection, begins, begins + days * DAY)


def test_a_batterys_capacity_is_the_energy_per_state_of_charge(client: Client, connection: Connection) -> None:
    begins = hours_ago(24 * 100).replace(hour=2)
    battery(connection, begins, 95, lambda day: 64.0 - day * 0.02 + (day % 3 - 1) * 0.3)
    connection.execute("INSERT INTO telemetry.vehicle (vehicle_id, battery_capacity_kwh) VALUES ('V-1', 70)")
    answered = ask(client, "health/V-1", begins, begins + 95 * DAY)
    capacity = answered["capacity"]
    assert capacity["kwh"] == pytest.approx(63.06, abs=0.1)
    assert 0.02 < capacity["standardErrorKwh"] < 0.2
    assert capacity["lowKwh"] < 63.06 < capacity["highKwh"]
    assert (capacity["stretches"], capacity["reason"], answered["listedCapacityKwh"]) == (95, None, 70.0)
    assert answered["shareOfListed"] == pytest.approx(63.06 / 70, abs=0.002)
    trend = answered["trend"]
    assert trend["perMonth"] == pytest.approx(-0.02 * 365.25 / 12, abs=2 * trend["standardError"] + 0.02)
    assert sum(month["capacity"]["stretches"] for month in answered["months"]) == 95
    assert [month["month"] for month in answered["months"]] == sorted({month["month"] for month in answered["months"]})
    assert (answered["hoursAbove40C"], answered["maxBatteryTemp"]) == (pytest.approx(2.0), 45.0)


def test_a_battery_that_charges_by_few_points_has_no_capacity(client: Client, connection: Connection) -> None:
    begins = hours_ago(24 * 10).replace(hour=2)
    battery(connection, begins, 4, lambda _: 64.0, points=15)
    answered = ask(client, "health/V-1", begins, begins + 5 * DAY)
    assert answered["capacity"] == {
        "kwh": None,
        "standardErrorKwh": None,
        "lowKwh": None,
        "highKwh": None,
        "stretches": 0,
        "hoursLeftOut": {"jump": 0, "frozen": 0, "noEnergy": 0, "power": 0},
        "reason": "too_few_stretches",
    }
    assert answered["trend"] == {"perMonth": None, "standardError": None, "reason": "too_few_months"}
    silent = ask(client, "health/V-1", begins - 3 * DAY, begins - DAY)
    assert (silent["capacity"]["reason"], silent["hoursAbove40C"]) == ("no_readings", None)
    assert client.get("/v1/analytics/health/V-9").json["code"] == "unknown_vehicle"


def charger(connection: Connection, begins: datetime, ratios: list[float]) -> None:
    """A charger that feeds a visitor a day for two hours, at 10 kW and a ratio of that day's."""
    for day, ratio in enumerate(ratios):
        at = begins + day * DAY + 9 * HOUR + 20 * MINUTE
        drawn(connection, "M-1", at, at + 2 * HOUR, 10.0)
        charged(connection, f"V-{day}", at, at + 2 * HOUR, 10.0 * ratio)
        assign(connection, "M-1", f"V-{day}", at, at + 2 * HOUR)
    refresh(connection, begins, begins + len(ratios) * DAY)


def test_a_charger_names_the_day_from_which_it_was_another(client: Client, connection: Connection) -> None:
    begins = hours_ago(24 * 30).replace(hour=0)
    noise = [0.004, -0.003, 0.001, -0.004, 0.002]
    charger(connection, begins, [(0.91 if day < 11 else 0.83) + noise[day % 5] for day in range(20)])
    answered = ask(client, "health/meters/M-1", begins, begins + 20 * DAY)
    assert len(answered["days"]) == 20
    assert [one["efficiencyRatio"] for one in answered["days"][9:13]] == [0.912, 0.914, 0.827, 0.831]
    assert datetime.fromisoformat(answered["change"]["since"]) == begins + 11 * DAY
    assert (answered["change"]["before"], answered["change"]["after"]) == (
        pytest.approx(0.91, abs=0.002),
        pytest.approx(0.83, abs=0.002),
    )
    assert answered["changeSinceBaseline"] == pytest.approx(-0.08, abs=0.003)
    assert answered["trend"]["perMonth"] < -0.1


def test_a_charger_that_only_wavers_has_not_changed(client: Client, connection: Connection) -> None:
    begins = hours_ago(24 * 30).replace(hour=0)
    charger(connection, begins, [0.9 + (day * 7 % 5 - 2) * 0.01 for day in range(15)])
    answered = ask(client, "health/meters/M-1", begins, begins + 15 * DAY)
    assert (answered["change"], answered["reason"]) == (None, None)
    few = ask(client, "health/meters/M-1", begins, begins + 6 * DAY)
    assert (few["baselineRatio"], few["changeSinceBaseline"], few["reason"]) == (None, None, "too_few_days")


def test_a_charger_that_fed_nobody_or_was_silent_says_so(client: Client) -> None:
    client.ingest(meter_reading("M-1", minutes_ago(30)), vehicle_reading("V-1", minutes_ago(30)))
    assert client.get("/v1/analytics/health/meters/M-1").json["reason"] == "no_assignment"
    client.post("/v1/assignments", {"meterId": "M-1", "vehicleId": "V-2", "from": minutes_ago(60)})
    assert client.get("/v1/analytics/health/meters/M-1").json["reason"] == "no_readings"


def test_a_month_in_which_the_clocks_go_back_is_answered_whole(client: Client) -> None:
    client.ingest(vehicle_reading("V-1"), meter_reading("M-1"))
    # October by the clock of Berlin.
    begins, ends = (
        datetime.fromisoformat(f"{edge}:00") for edge in ("2026-10-01T00:00:00+02", "2026-11-01T00:00:00+01")
    )
    assert ends - begins == 31 * DAY + HOUR
    for path in ("performance/V-1", "performance/V-1/explain", "meters/M-1", "fleet", "losses", "health/V-1"):
        ask(client, path, begins, ends)
    for path in ("performance/V-1/series", "fleet/series"):
        series = ask(client, path, begins, ends, bucket="day", timezone="Europe/Berlin")
        assert len(series["buckets"]) == 31
    too_long = client.get("/v1/analytics/fleet", from_=(begins - timedelta(seconds=1)).isoformat(), to=ends.isoformat())
    assert (too_long.status, too_long.json["field"]) == (422, "from")
    assert too_long.json["detail"] == "a window must be at most 31 days long, and an hour for a change of clocks"
    ask(client, "health/V-1", ends - 366 * DAY - HOUR, ends)


def test_health_has_a_longer_window_with_a_limit_of_its_own(client: Client) -> None:
    client.ingest(vehicle_reading("V-1"), meter_reading("M-1"))
    for path in ("health/V-1", "health/meters/M-1"):
        window = client.get(f"/v1/analytics/{path}").json["window"]
        assert datetime.fromisoformat(window["to"]) - datetime.fromisoformat(window["from"]) == 180 * DAY
        ends = hours_ago(0)
        answer = client.get(f"/v1/analytics/{path}", from_=(ends - 367 * DAY).isoformat(), to=ends.isoformat())
        assert (answer.status, answer.json["field"]) == (422, "from")
