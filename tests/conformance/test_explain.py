"""The explanation of a performance: its parts add up to the answer, and say where they come from."""

import math
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.support.readings import hours_ago, meter_reading, vehicle_reading
from tests.support.service import Client

Connection = psycopg.Connection[TupleRow]

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def ask(client: Client, what: str, window: tuple[datetime, datetime]) -> Any:
    """An answer about V-1 in a window."""
    begins, ends = (end.isoformat() for end in window)
    answer = client.get(f"/v1/analytics/performance/V-1{what}", from_=begins, to=ends)
    assert answer.status == 200, answer.body
    return answer.json


def instants(rows: list[Any], name: str) -> list[datetime]:
    """The instants of a column of an answer."""
    return [datetime.fromisoformat(row[name]) for row in rows]


def summed(energies: list[float | None]) -> float | None:
    """The sum of those that are known, as the answer rounds it; None where none is."""
    known = [energy for energy in energies if energy is not None]
    return round(math.fsum(known), 6) if known else None


def decimals(side: Any) -> tuple[int, int]:
    """The most decimals that the energy of a feed or a vehicle has, and that of any of its parts."""
    energies = [side["energyKwh"]], [part["energyKwh"] for part in side["parts"]]
    most = [max((len(str(one).partition(".")[2]) for one in of if one is not None), default=0) for of in energies]
    return most[0], most[1]


def check_adds_up(answered: Any, performance: Any) -> None:
    """Counts, energies and steps of the parts are those of the answer."""
    assert answered["performance"] == performance
    grid, battery = answered["grid"], answered["battery"]
    parts = [part for feed in grid for part in feed["parts"]]
    own = [part for stay in battery for part in stay["parts"]]
    for whole, part in map(decimals, (*grid, *battery)):
        assert whole <= 6
        assert part <= 9
    assert sorted({feed["meterId"] for feed in grid}) == performance["meters"]
    energy = performance["totalEnergy"]
    assert summed([part["energyKwh"] for part in parts]) == energy["acConsumedKwh"]
    assert summed([part["energyKwh"] for part in own]) == energy["dcDeliveredKwh"]
    elsewhere = [part["energyKwh"] for stay in battery if stay["meterId"] is None for part in stay["parts"]]
    if own:
        assert (summed(elsewhere) or 0) == pytest.approx(energy["dcElsewhereKwh"], abs=2e-6)
    for side in (*grid, *battery):
        assert sum(part["readings"] for part in side["parts"]) == side["readings"]
        assert summed([part["energyKwh"] for part in side["parts"]]) == summed([side["energyKwh"]])
        assert instants(side["parts"], "firstReading") == sorted(instants(side["parts"], "firstReading"))
    assert [sum(one["readings"] for one in side) for side in (grid, battery)] == [
        performance["readings"][kind] for kind in ("meter", "vehicle")
    ]
    for step in ("reset", "rollover"):
        assert [sum(one["step"] == step for part in side for one in part["steps"]) for side in (parts, own)] == [
            performance[f"{step}s"][kind] for kind in ("meter", "vehicle")
        ]


def test_counts_energies_and_steps_add_up_to_the_answer(client: Client, connection: Connection) -> None:
    # The vehicle's register rolls over; its first meter reads intervals and hands over within an hour to a register
    # that is reset, and whose modulus is another one later; the window cuts hours at both ends.
    start = hours_ago(40)
    connection.execute("SELECT api.set_vehicle_kind('V-1', 'register', 1000, NULL)")
    connection.execute("SELECT api.set_meter_kind('M-2', 'register', NULL, NULL)")
    connection.execute("SELECT api.set_meter_kind('M-2', 'register', 500, %s)", [start + 7 * HOUR + 15 * MINUTE])
    handed_over = start + 3 * HOUR + 25 * MINUTE
    every = [start + 10 * MINUTE * i for i in range(60)]
    registers = [50 + i / 3 if i < 31 else (i - 31) / 3 for i in range(60)]
    client.ingest(
        *(meter_reading("M-1", at, kwhConsumedAc=0.4) for at in every),
        *(meter_reading("M-2", at, kwhConsumedAc=kwh) for at, kwh in zip(every, registers, strict=True)),
        *(vehicle_reading("V-1", at, kwhDeliveredDc=round((990.0 + i * 0.3) % 1000, 1)) for i, at in enumerate(every)),
    )
    ids = [
        client.post("/v1/assignments", assignment).json["id"]
        for assignment in (
            {"meterId": "M-1", "vehicleId": "V-1", "from": start - HOUR, "to": handed_over},
            {"meterId": "M-2", "vehicleId": "V-1", "from": handed_over},
        )
    ]
    connection.execute("CALL api.refresh_rollups(%s, %s)", [start - HOUR, start + 12 * HOUR])
    window = (start + 35 * MINUTE, start + 9 * HOUR + 35 * MINUTE)
    answered = ask(client, "/explain", window)
    check_adds_up(answered, ask(client, "", window))

    first, second = answered["grid"]
    assert [(feed["meterId"], feed["assignmentId"]) for feed in (first, second)] == [("M-1", ids[0]), ("M-2", ids[1])]
    edges = [datetime.fromisoformat(feed["window"][end]) for feed in (first, second) for end in ("from", "to")]
    assert edges == [window[0], handed_over, handed_over, window[1]]
    assert [part["source"] for part in first["parts"]] == ["cut_hour", "rollup", "rollup", "cut_hour"]
    assert {part["source"] for part in second["parts"]} == {"cut_hour", "rollup"}
    steps = [(step["step"], step["registerKwh"]) for part in second["parts"] for step in part["steps"]]
    assert steps == [("reset", 0.0)]
    own = [part for stay in answered["battery"] for part in stay["parts"]]
    [rollover] = [step for part in own for step in part["steps"] if step["step"] != "baseline"]
    assert (rollover["step"], rollover["beforeKwh"], rollover["registerKwh"]) == ("rollover", 999.9, 0.2)
    assert datetime.fromisoformat(rollover["timestamp"]) == every[34]
    # Windows within an hour, of one reading, and without any.
    for begins, ends in ((0, 9), (9, 10), (303, 309), (330, 390), (-600, -60)):
        window = (start + begins * MINUTE, start + ends * MINUTE)
        check_adds_up(ask(client, "/explain", window), ask(client, "", window))


def test_a_feed_without_readings_is_named_and_one_of_the_same_id_has_no_assignment(client: Client) -> None:
    start = hours_ago(40)
    client.ingest(vehicle_reading("V-1", start), meter_reading("V-1", start, kwhConsumedAc=2.5))
    window = (start - HOUR, start + HOUR)
    answered = ask(client, "/explain", window)
    check_adds_up(answered, ask(client, "", window))
    [feed] = answered["grid"]
    assert (feed["meterId"], feed["assignmentId"], feed["energyKwh"]) == ("V-1", None, 2.5)
    assert client.post("/v1/assignments", {"meterId": "M-9", "vehicleId": "V-1", "from": start}).status == 201
    [feed] = ask(client, "/explain", window)["grid"]
    assert (feed["meterId"], feed["readings"], feed["energyKwh"], feed["parts"]) == ("M-9", 0, None, [])
