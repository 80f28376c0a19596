"""A battery's capacity against the true one, of vehicles whose state of charge is not to be trusted.

A vehicle drives in the morning and in the evening and charges at night with 7 kW. What it shows of its state of charge
is rounded, and wrong once a night by a fault. Everything is drawn from seeds: each run sees the same readings.
"""

import math
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from app.db.queries import query
from tests.conformance.test_plans import Relations, explained, index_condition
from tests.support.readings import hours_ago, insert_vehicle_readings, minutes_ago, vehicle_reading
from tests.support.servers import Server
from tests.support.service import Client

Connection = psycopg.Connection[TupleRow]
Fault = Callable[[random.Random, list[float], int], None]

CAPACITY_KWH, POWER_KW, NIGHTS = 75.0, 7.0, 10
STEP = 5
PER_HOUR = 60 // STEP
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def _nothing(_: random.Random, shown: list[float], at: int) -> None:
    """The state of charge is as rounded."""


def _zero(_: random.Random, shown: list[float], at: int) -> None:
    shown[at] = 0.0


def _full(_: random.Random, shown: list[float], at: int) -> None:
    shown[at] = 100.0


def _frozen(_: random.Random, shown: list[float], at: int) -> None:
    shown[at : at + PER_HOUR] = [shown[at]] * len(shown[at : at + PER_HOUR])


def _jump(rng: random.Random, shown: list[float], at: int) -> None:
    by = rng.choice((-15, 15))
    for i in range(at, min(len(shown), at + rng.choice((1, PER_HOUR // 2)))):
        shown[i] = min(100.0, max(0.0, shown[i] + by))


FAULTS: dict[str, Fault] = {"nothing": _nothing, "zero": _zero, "full": _full, "frozen": _frozen, "jump": _jump}


def day(rng: random.Random, soc: float) -> tuple[list[float], list[float]]:
    """States of charge (percent) and energies (kWh), a reading every 5 minutes from noon to noon."""
    low, high = rng.uniform(15, 45), rng.uniform(75, 98)
    plugged = round(rng.uniform(6.5, 8) * PER_HOUR)
    true, energy = [], []
    for i in range(24 * PER_HOUR):
        kwh = 0.0
        if plugged - PER_HOUR <= i < plugged:
            soc -= (soc - low) / (plugged - i)
        elif i >= plugged and i < 20 * PER_HOUR:
            kwh = min(POWER_KW / PER_HOUR, (high - soc) / 100 * CAPACITY_KWH)
            soc += kwh / CAPACITY_KWH * 100
        elif i >= 20 * PER_HOUR:
            soc -= 10 / (4 * PER_HOUR)
        true.append(soc)
        energy.append(kwh)
    return true, energy


def vehicle(seed: int, fault: str, resolution_pct: float, nights: int = NIGHTS) -> Iterator[tuple[int, float, float]]:
    """(number of the reading, percent as shown, kWh) of a vehicle over nights with a fault each."""
    rng = random.Random(seed)
    soc = 70.0
    for night in range(nights):
        true, energy = day(rng, soc)
        soc = true[-1]
        shown = [min(100.0, math.floor(value / resolution_pct + 0.5) * resolution_pct) for value in true]
        FAULTS[fault](rng, shown, rng.choice([i for i, kwh in enumerate(energy) if kwh > 0.1]))
        for i, (value, kwh) in enumerate(zip(shown, energy, strict=True)):
            yield night * len(true) + i, value, kwh


def keep(connection: Connection, vehicles: dict[str, Iterator[tuple[int, float, float]]]) -> datetime:
    """Keep the readings of vehicles and complete the rollups; returns when they begin, at noon."""
    begins = hours_ago(24 * (NIGHTS + 2)).replace(hour=12)
    step = timedelta(minutes=STEP)
    insert_vehicle_readings(
        connection,
        [
            (name, begins + number * step + step / 2, soc, kwh, 25.0)
            for name, readings in vehicles.items()
            for number, soc, kwh in readings
        ],
    )
    connection.execute("CALL api.refresh_rollups(%s, %s)", [begins, begins + NIGHTS * DAY + HOUR])
    return begins


def health(client: Client, vehicle_id: str, begins: datetime, days: int = NIGHTS) -> Any:
    """The answer about a vehicle's battery."""
    answer = client.get(
        f"/v1/analytics/health/{vehicle_id}", from_=begins.isoformat(), to=(begins + days * DAY).isoformat()
    )
    assert answer.status == 200, answer.body
    return answer.json


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_state_of_charge_each_night_leaves_the_capacity_within_two_percent(
    client: Client, connection: Connection, fault: str
) -> None:
    begins = keep(connection, {f"V-{seed}": vehicle(seed, fault, 1.0) for seed in range(6)})
    for seed in range(6):
        capacity = health(client, f"V-{seed}", begins)["capacity"]
        assert capacity["kwh"] == pytest.approx(CAPACITY_KWH, rel=0.02), capacity
        assert capacity["stretches"] >= 5
        assert capacity["reason"] is None
        left_out = sum(capacity["hoursLeftOut"].values())
        assert left_out == 0 if fault == "nothing" else left_out >= 5, capacity


@pytest.mark.parametrize(("resolution_pct", "least_within"), [(1.0, 50), (5.0, 38)])
def test_the_interval_holds_the_true_capacity_as_often_as_it_promises(
    connection: Connection, resolution_pct: float, least_within: int
) -> None:
    # 95 of 100: fewer than 44 of 50 would be a chance of 1 in 100.
    fleet = {
        f"V-{number}": vehicle(number, fault, resolution_pct)
        for number, fault in enumerate(fault for fault in FAULTS for _ in range(10))
    }
    begins = keep(connection, fleet)
    held = within = 0
    for name in fleet:
        [(kwh, low, high)] = connection.execute(
            "SELECT capacity_kwh, capacity_low_kwh, capacity_high_kwh FROM api.battery_months(%s, %s, %s) "
            "WHERE month_from IS NULL",
            [name, begins, begins + NIGHTS * DAY],
        ).fetchall()
        held += low <= CAPACITY_KWH <= high
        within += abs(kwh / CAPACITY_KWH - 1) <= 0.02
        assert high - low < 0.2 * CAPACITY_KWH
    assert held >= 44, held
    assert within >= least_within, within


def hourly(
    client: Client, connection: Connection, rows: list[tuple[float, float]], *, rated_power_kw: float | None = None
) -> Any:
    """The answer about a vehicle of (percent, kWh) a quarter of an hour, each night the same, for ten nights."""
    begins = hours_ago(24 * (NIGHTS + 2)).replace(hour=12)
    readings = [
        ("V-1", begins + night * DAY + (i + 0.5) * HOUR / 4, soc, kwh, 25.0)
        for night in range(NIGHTS)
        for i, (soc, kwh) in enumerate(rows)
    ]
    insert_vehicle_readings(connection, readings)
    connection.execute(
        "INSERT INTO telemetry.vehicle (vehicle_id, rated_power_kw) VALUES ('V-1', %s)", [rated_power_kw]
    )
    connection.execute("CALL api.refresh_rollups(%s, %s)", [begins, begins + NIGHTS * DAY + HOUR])
    return health(client, "V-1", begins)["capacity"]


# Two hours parked at 30 %, six hours of 7.5 kW into 75 kWh, two hours parked.
NIGHT = [(30.0, 0.0)] * 8 + [(30 + 2.5 * i, 1.875) for i in range(1, 25)] + [(90.0, 0.0)] * 8


def test_energy_without_a_change_of_the_state_of_charge_is_frozen(client: Client, connection: Connection) -> None:
    capacity = hourly(client, connection, [*NIGHT, *([(90.0, 1.875)] * 4), (90.0, 0.0)])
    assert capacity["kwh"] == pytest.approx(75, rel=0.02)
    assert capacity["hoursLeftOut"]["frozen"] == NIGHTS


def test_a_rise_without_energy_is_counted_and_a_drive_is_not(client: Client, connection: Connection) -> None:
    drive = [(90 - 5.0 * i, 0.0) for i in range(1, 9)]
    capacity = hourly(client, connection, [*NIGHT, *drive, (50.0, 0.0), *[(62.0, 0.0)] * 7])
    assert capacity["kwh"] == pytest.approx(75, rel=0.001)
    assert capacity["hoursLeftOut"] == {"jump": 0, "frozen": 0, "noEnergy": NIGHTS, "power": 0}


@pytest.mark.parametrize(("rated_power_kw", "wrong_kwh"), [(7.5, 20.0), (None, 1875.0)])
def test_energy_that_the_vehicle_cannot_take_is_left_out(
    client: Client, connection: Connection, rated_power_kw: float | None, wrong_kwh: float
) -> None:
    rows = [*NIGHT[:14], (NIGHT[14][0], wrong_kwh), *NIGHT[15:]]
    capacity = hourly(client, connection, rows, rated_power_kw=rated_power_kw)
    assert capacity["kwh"] == pytest.approx(75, rel=0.001)
    assert capacity["hoursLeftOut"] == {"jump": 0, "frozen": 0, "noEnergy": 0, "power": NIGHTS}


def test_a_register_gives_the_same_capacity(client: Client, connection: Connection) -> None:
    connection.execute("SELECT api.set_vehicle_kind('V-1', 'register', NULL, NULL)")
    begins = hours_ago(24 * (NIGHTS + 2)).replace(hour=12)
    total = 1000.0
    rows = []
    for night in range(NIGHTS):
        for i, (soc, kwh) in enumerate(NIGHT):
            total += kwh
            rows.append(("V-1", begins + night * DAY + (i + 0.5) * HOUR / 4, 0.0 if i == 18 else soc, total, 25.0))
    insert_vehicle_readings(connection, rows)
    connection.execute("CALL api.refresh_rollups(%s, %s)", [begins, begins + NIGHTS * DAY + HOUR])
    capacity = health(client, "V-1", begins)["capacity"]
    assert capacity["kwh"] == pytest.approx(75, rel=0.001)
    assert capacity["hoursLeftOut"]["jump"] == NIGHTS


def test_two_charges_are_too_few_and_what_was_left_out_is_still_counted(client: Client, connection: Connection) -> None:
    begins = keep(connection, {"V-1": vehicle(1, "zero", 1.0)})
    capacity = health(client, "V-1", begins, days=2)["capacity"]
    assert (capacity["kwh"], capacity["lowKwh"], capacity["highKwh"]) == (None, None, None)
    assert (capacity["stretches"], capacity["reason"]) == (2, "too_few_stretches")
    assert capacity["hoursLeftOut"]["jump"] == 2


def test_charges_that_contradict_each_other_are_uncertain(client: Client, connection: Connection) -> None:
    begins = hours_ago(24 * 8).replace(hour=12)
    # The same energy fills 42, 57 and 69 points.
    rows = [
        ("V-1", begins + night * DAY + (i + 0.5) * HOUR / 4, 30 + (soc - 30) * share, kwh, 25.0)
        for night, share in enumerate((0.7, 0.95, 1.15))
        for i, (soc, kwh) in enumerate(NIGHT)
    ]
    insert_vehicle_readings(connection, rows)
    connection.execute("CALL api.refresh_rollups(%s, %s)", [begins, begins + 4 * DAY])
    capacity = health(client, "V-1", begins, days=4)["capacity"]
    assert (capacity["kwh"], capacity["stretches"], capacity["reason"]) == (None, 3, "uncertain")


# Live state


@pytest.mark.parametrize(
    ("before", "newest", "plausible"),
    [
        ([(50.0, 0.1), (50.2, 0.1)], (50.4, 0.1), True),
        # Driving, at 300 kW.
        ([(50.0, 0.0), (44.0, 0.0)], (38.0, 0.0), True),
        ([(50.0, 0.1), (50.2, 0.1)], (0.0, 0.1), False),
        ([(50.0, 0.1), (50.2, 0.1)], (100.0, 0.1), False),
        ([(50.0, 0.0), (50.0, 0.0)], (65.0, 0.0), False),
        ([(65.0, 0.0), (65.0, 0.0)], (50.0, 0.0), False),
        # The reading after a glitch is not doubted, and a second one like it is believed.
        ([(50.0, 0.0), (0.0, 0.0)], (50.0, 0.0), True),
        ([(50.0, 0.0), (0.0, 0.0)], (0.0, 0.0), True),
        # A fast charger explains a rise.
        ([(50.0, 3.0), (53.0, 3.0)], (65.0, 3.0), True),
        ([], (50.0, 0.1), None),
    ],
)
def test_live_state_says_whether_the_state_of_charge_can_follow_from_those_before(
    client: Client, before: list[tuple[float, float]], newest: tuple[float, float], plausible: bool | None
) -> None:
    readings = [*before, newest]
    client.ingest(
        *(
            vehicle_reading("V-1", minutes_ago(10 - i), soc=soc, kwhDeliveredDc=kwh)
            for i, (soc, kwh) in enumerate(readings)
        )
    )
    live = client.get("/v1/live/vehicles/V-1").json
    assert (live["soc"], live["socPlausible"]) == (newest[0], plausible)


def test_a_register_explains_a_rise_by_its_difference(client: Client, connection: Connection) -> None:
    connection.execute("SELECT api.set_vehicle_kind('V-1', 'register', NULL, NULL)")
    connection.execute("UPDATE telemetry.vehicle SET battery_capacity_kwh = 75 WHERE vehicle_id = 'V-1'")
    for minutes, soc, kwh in ((10, 50.0, 900.0), (9, 51.0, 900.5), (8, 80.0, 901.0)):
        client.ingest(vehicle_reading("V-1", minutes_ago(minutes), soc=soc, kwhDeliveredDc=kwh))
    assert client.get("/v1/live/vehicles/V-1").json["socPlausible"] is False
    client.ingest(vehicle_reading("V-1", minutes_ago(7), soc=82.0, kwhDeliveredDc=925.0))
    assert client.get("/v1/live/vehicles/V-1").json["socPlausible"] is True


def test_a_reading_of_hours_ago_does_not_judge_the_newest(client: Client) -> None:
    client.ingest(vehicle_reading("V-1", minutes_ago(90), soc=20), vehicle_reading("V-1", minutes_ago(5), soc=90))
    assert client.get("/v1/live/vehicles/V-1").json["socPlausible"] is None


def test_the_hour_before_is_found_by_index_however_long_the_history(connection: Connection, server: Server) -> None:
    rows = [(f"V-{n}", hours_ago(24 * day), 50.0, 0.1, 20.0) for day in range(40) for n in range(50)]
    insert_vehicle_readings(connection, rows)
    connection.execute("ANALYZE telemetry.vehicle_telemetry_history")
    connection.execute("SET enable_seqscan = off")
    connection.execute("SET plan_cache_mode = force_custom_plan")
    answer = explained(
        connection, query("soc_is_plausible"), {"device_id": "V-7", "recorded_at": hours_ago(24 * 20)}
    )  # fmt: skip
    scans = Relations.read(connection, server.profile).scans(answer, "vehicle_telemetry_history")
    scans = [scan for scan in scans if scan["Actual Loops"]]
    assert 1 <= len(scans) <= 2
    for scan in scans:
        assert "vehicle_id = " in index_condition(scan)
        assert "recorded_at >= " in index_condition(scan)
