"""Energy that no device delivers is a data fault with a likely cause, never a loss.

Each case is what a meter or a vehicle sends, while the other side sends little. Performance, meters, fleet, losses and
doctor have to say the same.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.support.readings import hours_ago, meter_reading, vehicle_reading
from tests.support.service import Client

Connection = psycopg.Connection[TupleRow]

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
KW_22 = 22.0


class Case(NamedTuple):
    """Values sent every so many minutes; the rated power; the likely cause, None where nothing is wrong; how many
    readings are implausible."""

    values: Sequence[float]
    minutes: int
    rated_kw: float | None
    cause: str | None
    readings: int = 0


def rising(first: float, step: float, count: int) -> list[float]:
    """The values of a register."""
    return [round(first + i * step, 3) for i in range(count)]


def charging(kwh: float, count: int) -> list[float]:
    """Energies of a charge at a power that is never quite the same, with idle readings around it."""
    return [0.0, 0.0, *(round(kwh * (1 + (i * 7 % 5 - 2) / 200), 4) for i in range(count)), 0.0, 0.0]


CASES = {
    "wh_at_a_quarter_of_an_hour": Case([2400, 2410, 2.4], 15, KW_22, "wh_as_kwh", 2),
    "wh_by_the_hour": Case([2400, 2410, 2.4], 60, KW_22, "wh_as_kwh", 2),
    "wh_by_the_minute": Case(charging(366, 60), 1, KW_22, "wh_as_kwh", 60),
    "wh_of_a_charger_of_unknown_power": Case(charging(5500, 8), 15, None, "wh_as_kwh", 8),
    "one_value_in_wh": Case([0.3, 0.3, 366, 0.3, 0.3], 1, KW_22, "wh_as_kwh", 1),
    "a_register_by_the_minute": Case(rising(440_400, 0.36, 40), 1, KW_22, "undeclared_register", 40),
    "a_register_by_the_quarter_hour": Case(rising(842, 5.4, 12), 15, KW_22, "undeclared_register", 12),
    "a_register_of_unknown_power": Case(rising(440_400, 5.4, 12), 15, None, "undeclared_register", 12),
    "a_register_that_stands_still": Case([5000.0] * 8, 60, KW_22, "undeclared_register", 8),
    "a_register_that_was_reset_once": Case(
        [*rising(90_000, 0.3, 30), *rising(70_000, 0.3, 30)], 1, KW_22, "undeclared_register", 60
    ),
    "noise": Case([9e6, 0.1, 4e7, 0.2, 8e5, 0.1, 3e8], 15, KW_22, "unknown", 4),
    "a_charge_at_rated_power": Case(charging(5.5, 8), 15, KW_22, None),
    "a_tenth_above_rated_power": Case(charging(6.0, 8), 15, KW_22, None),
    "a_fast_charger_of_unknown_power": Case(charging(5.0, 20), 1, None, None),
    "readings_that_jitter": Case([0.3, 0.9, 0.3], 1, KW_22, None),
}  # fmt: skip


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    """Each case in turn."""
    return CASES[request.param]


@pytest.fixture(params=["meter", "vehicle"])
def side(request: pytest.FixtureRequest) -> str:
    """Who sends it."""
    return str(request.param)


def begin() -> datetime:
    """A whole hour some hours ago: doctor looks back a day."""
    return hours_ago(22)


def post(client: Client, connection: Connection, case: Case, side: str) -> tuple[datetime, datetime]:
    """Post a case, and the other side of it; the window that holds both."""
    start = begin()
    instants = [start + (i + 1) * case.minutes * MINUTE for i in range(len(case.values))]
    if case.rated_kw is not None:
        for kind in ("meter", "vehicle"):
            assert client.put(f"/v1/{kind}s/{kind[0].upper()}-1", {"ratedPowerKw": case.rated_kw}).status == 200
    good = 0.2 * case.minutes / 60
    ac_kwh, dc_kwh = (case.values, [good] * len(instants)) if side == "meter" else ([good] * len(instants), case.values)
    client.ingest(
        *(meter_reading("M-1", at, kwhConsumedAc=kwh) for at, kwh in zip(instants, ac_kwh, strict=True)),
        *(vehicle_reading("V-1", at, kwhDeliveredDc=kwh) for at, kwh in zip(instants, dc_kwh, strict=True)),
    )
    assignment = {"meterId": "M-1", "vehicleId": "V-1", "from": start, "to": instants[-1]}
    assert client.post("/v1/assignments", assignment).status == 201
    connection.execute("CALL api.refresh_rollups(%s, %s)", [start - HOUR, instants[-1] + HOUR])
    return start, instants[-1]


def ask(client: Client, what: str, window: tuple[datetime, datetime], **parameters: Any) -> Any:
    """An answer."""
    begins, ends = (end.isoformat() for end in window)
    answer = client.get(f"/v1/analytics/{what}", from_=begins, to=ends, **parameters)
    assert answer.status == 200, answer.body
    return answer.json


def test_a_device_at_fault_is_named_with_its_likely_cause(
    client: Client, connection: Connection, case: Case, side: str
) -> None:
    window = post(client, connection, case, side)
    answered = ask(client, "performance/V-1", window)
    faults = [one for one in answered["faults"] if one["code"] == "implausible_power"]
    if case.cause is None:
        assert faults == []
        assert answered["reasons"]["efficiencyRatio"] != "implausible_power"
        return
    [fault] = faults
    device = {"meter": "M-1", "vehicle": "V-1"}[side]
    assert (fault["deviceType"], fault["deviceId"], fault["cause"]) == (side, device, case.cause)
    assert fault["readings"] == case.readings
    assert len(fault["examples"]) == min(3, case.readings)
    assert all(one["kwh"] > one["mostKwh"] for one in fault["examples"])
    assert (answered["efficiencyRatio"], answered["reasons"]["efficiencyRatio"]) == (None, "implausible_power")
    # What was sent is what is shown.
    name = "acConsumedKwh" if side == "meter" else "dcDeliveredKwh"
    assert answered["totalEnergy"][name] == pytest.approx(sum(case.values), rel=1e-9)


def test_all_answers_agree_on_what_is_at_fault(client: Client, connection: Connection, case: Case, side: str) -> None:
    window = post(client, connection, case, side)
    is_faulty = case.cause is not None
    device = {"meter": "M-1", "vehicle": "V-1"}[side]

    losses = ask(client, "losses", window)
    named = [
        (one["type"], one["id"], one["cause"])
        for one in losses["dataFaults"]["listed"]
        if one["verdict"] == "implausible_power"
    ]
    assert named == ([(side, device, case.cause)] if is_faulty else [])
    if is_faulty:
        assert losses["vehicles"]["listed"] == losses["meters"]["listed"] == []

    fleet = ask(client, "fleet", window)
    assert fleet["atFault"] == {f"{kind}s": int(is_faulty and kind == side) for kind in ("meter", "vehicle")}
    assert (fleet["matched"]["vehicles"] == 0) is is_faulty

    meter = ask(client, "meters/M-1", window)
    assert [one["code"] for one in meter["faults"]] == (["implausible_power"] if is_faulty and side == "meter" else [])
    assert (meter["vehicles"][0]["efficiencyRatio"] is None) is (is_faulty or not sum(case.values))

    hours = ask(client, "performance/V-1/series", window, bucket="hour")["buckets"]
    assert any(one["reasons"]["efficiencyRatio"] == "implausible_power" for one in hours) is is_faulty

    found = connection.execute(
        "SELECT subject, message FROM api.findings() WHERE message LIKE '%%cannot deliver%%'"
    ).fetchall()
    assert [row[0] for row in found] == ([f"{side}s"] if is_faulty else [])
    assert all(device in row[1] for row in found)


def test_charger_health_leaves_out_vehicles_on_the_days_they_are_at_fault_as_losses_of_the_day_do(
    client: Client, connection: Connection
) -> None:
    """M-1 feeds V-1 and then V-2 on two days; on the first, V-1 sends Wh."""
    midnight = hours_ago(0).replace(hour=0) - timedelta(days=2)
    days = [midnight, midnight + timedelta(days=1)]
    for kind in ("meter", "vehicle"):
        for number in (1, 2):
            client.put(f"/v1/{kind}s/{kind[0].upper()}-{number}", {"ratedPowerKw": KW_22})
    for day in days:
        for vehicle, hour, kwh in (("V-1", 8, 4.5), ("V-2", 12, 4.0)):
            start = day + hour * HOUR
            instants = [start + (i + 1) * 15 * MINUTE for i in range(8)]
            times = 1000 if vehicle == "V-1" and day == midnight else 1
            client.ingest(
                *(meter_reading("M-1", at, kwhConsumedAc=5.0) for at in instants),
                *(vehicle_reading(vehicle, at, kwhDeliveredDc=kwh * times) for at in instants),
            )
            assignment = {"meterId": "M-1", "vehicleId": vehicle, "from": start, "to": instants[-1]}
            assert client.post("/v1/assignments", assignment).status == 201
    connection.execute("CALL api.refresh_rollups(%s, %s)", [midnight, midnight + timedelta(days=2)])

    listed = ask(client, "health/meters/M-1", (midnight, midnight + timedelta(days=2)))["days"]
    assert [datetime.fromisoformat(day["window"]["from"]) for day in listed] == days
    assert [day["efficiencyRatio"] for day in listed] == [0.8, 0.85]
    for day, shown in zip(days, listed, strict=True):
        window = (day, day + timedelta(days=1))
        ranked = {one["id"]: one for one in ask(client, "meters", window)["meters"]}
        assert ranked["M-1"]["efficiencyRatio"] == shown["efficiencyRatio"]
        ratios = {name: ask(client, f"performance/{name}", window)["efficiencyRatio"] for name in ("V-1", "V-2")}
        assert ratios == {"V-1": None if day == midnight else 0.9, "V-2": 0.8}


def test_a_reading_is_taken_to_describe_the_mean_time_between_those_of_its_hour(
    client: Client, connection: Connection
) -> None:
    """A value of a quarter of an hour that comes early is no fault; one that no quarter of an hour delivers is."""
    start = begin()
    client.put("/v1/meters/M-1", {"ratedPowerKw": KW_22})
    client.put("/v1/meters/M-2", {"ratedPowerKw": KW_22})
    client.put("/v1/meters/M-3", {"ratedPowerKw": KW_22})
    early = [15, 23, 45, 60]
    client.ingest(
        *(meter_reading("M-1", start + minute * MINUTE, kwhConsumedAc=5.4) for minute in early),
        *(meter_reading("M-2", start + minute * MINUTE, kwhConsumedAc=5.4) for minute in early if minute != 23),
        meter_reading("M-2", start + 23 * MINUTE, kwhConsumedAc=8.0),
        # One an hour: it describes the time since the one before.
        *(meter_reading("M-3", start + hour * HOUR, kwhConsumedAc=22.0) for hour in (1, 2)),
        meter_reading("M-3", start + 2 * HOUR + 15 * MINUTE, kwhConsumedAc=22.0),
    )
    connection.execute("CALL api.refresh_rollups(%s, %s)", [start - HOUR, start + 4 * HOUR])
    window = (start, start + 3 * HOUR)
    assert ask(client, "meters/M-1", window)["faults"] == []
    for meter, minutes, most_kwh in (("M-2", 23, 0.5 + 26.4 * 0.25), ("M-3", 135, 0.5 + 26.4 * 0.25)):
        [fault] = ask(client, f"meters/{meter}", window)["faults"]
        [example] = fault["examples"]
        assert datetime.fromisoformat(example["timestamp"]) == start + minutes * MINUTE
        assert example["mostKwh"] == pytest.approx(most_kwh, abs=1e-6)


def test_a_window_that_holds_one_of_the_readings_knows_the_cause(client: Client, connection: Connection) -> None:
    for name, cause in (
        ("wh_at_a_quarter_of_an_hour", "wh_as_kwh"),
        ("a_register_by_the_quarter_hour", "undeclared_register"),
    ):
        case = CASES[name]
        device = f"M-{name}"
        start = begin()
        client.put(f"/v1/meters/{device}", {"ratedPowerKw": KW_22})
        instants = [start + (i + 1) * 15 * MINUTE for i in range(len(case.values))]
        client.ingest(
            *(meter_reading(device, at, kwhConsumedAc=kwh) for at, kwh in zip(instants, case.values, strict=True))
        )
        connection.execute("CALL api.refresh_rollups(%s, %s)", [start - HOUR, instants[-1] + HOUR])
        [fault] = ask(client, f"meters/{device}", (instants[1] - MINUTE, instants[1]))["faults"]
        assert (fault["cause"], fault["readings"]) == (cause, 1)


def test_a_meter_at_fault_that_fed_a_vehicle_twice_is_named_once_with_all_its_readings(
    client: Client, connection: Connection
) -> None:
    start = begin()
    instants = [start + (i + 1) * 15 * MINUTE for i in range(8)]
    client.ingest(
        *(meter_reading("M-1", at, kwhConsumedAc=5500.0 - i * 7 % 5) for i, at in enumerate(instants)),
        *(vehicle_reading("V-1", at, kwhDeliveredDc=5.0) for at in instants),
    )
    for first, last in ((0, 2), (3, 7)):
        assignment = {"meterId": "M-1", "vehicleId": "V-1", "from": instants[first], "to": instants[last]}
        assert client.post("/v1/assignments", assignment).status == 201
    connection.execute("CALL api.refresh_rollups(%s, %s)", [start - HOUR, start + 3 * HOUR])
    [fault] = ask(client, "performance/V-1", (start, instants[-1]))["faults"]
    assert (fault["deviceId"], fault["readings"], len(fault["examples"])) == ("M-1", 2 + 4, 2)
    assert datetime.fromisoformat(fault["examples"][0]["timestamp"]) == instants[1]


def test_sides_that_were_mixed_up_are_named(client: Client, connection: Connection) -> None:
    start = begin()
    instants = [start + (i + 1) * 15 * MINUTE for i in range(8)]
    client.ingest(
        *(meter_reading("M-1", at, kwhConsumedAc=2.7) for at in instants),
        *(vehicle_reading("V-1", at, kwhDeliveredDc=3.0) for at in instants),
    )
    client.post("/v1/assignments", {"meterId": "M-1", "vehicleId": "V-1", "from": start})
    connection.execute("CALL api.refresh_rollups(%s, %s)", [start - HOUR, start + 3 * HOUR])
    window = (start, instants[-1])
    answered = ask(client, "performance/V-1", window)
    [fault] = answered["faults"]
    assert (fault["code"], fault["cause"], answered["efficiencyRatio"]) == ("ratio_above_one", "ac_dc_swapped", 1.1111)
    listed = ask(client, "losses", window)["dataFaults"]["listed"]
    assert {(one["id"], one["verdict"], one["cause"]) for one in listed} == {
        ("V-1", "data_fault", "ac_dc_swapped"),
        ("M-1", "data_fault", "ac_dc_swapped"),
    }


def test_two_registers_under_one_id_have_no_ratio(client: Client, connection: Connection) -> None:
    # Yesterday: of a day that ends among the readings, some part has few events.
    start = hours_ago(24).replace(hour=0)
    assert client.put("/v1/meters/M-1", {"energyReading": "register", "ratedPowerKw": KW_22}).status == 200
    instants = [start + (i + 1) * 15 * MINUTE for i in range(24)]
    values = [500 + i / 10 if i % 2 else 9000 + i / 10 for i in range(24)]
    client.ingest(
        *(meter_reading("M-1", at, kwhConsumedAc=kwh) for at, kwh in zip(instants, values, strict=True)),
        *(vehicle_reading("V-1", at, kwhDeliveredDc=0.5) for at in instants),
    )
    client.post("/v1/assignments", {"meterId": "M-1", "vehicleId": "V-1", "from": start})
    connection.execute("CALL api.refresh_rollups(%s, %s)", [start - HOUR, start + 7 * HOUR])
    window = (start, instants[-1])
    answered = ask(client, "performance/V-1", window)
    [fault] = answered["faults"]
    assert (fault["code"], fault["deviceId"], fault["cause"]) == ("unsteady_register", "M-1", "two_sources")
    assert (answered["efficiencyRatio"], answered["reasons"]["efficiencyRatio"]) == (None, "unsteady_register")
    [listed] = ask(client, "losses", window)["dataFaults"]["listed"]
    assert (listed["id"], listed["verdict"], listed["efficiencyRatio"]) == ("M-1", "unsteady_register", None)
    fleet = ask(client, "fleet", window)
    assert fleet["atFault"] == {"meters": 1, "vehicles": 0}
    assert fleet["reasons"]["efficiencyRatio"] == "unsteady_register"
    assert ask(client, "health/meters/M-1", window)["days"] == []


def test_a_register_that_counts_wh_is_named_so(client: Client, connection: Connection) -> None:
    start = begin()
    assert client.put("/v1/meters/M-1", {"energyReading": "register", "ratedPowerKw": KW_22}).status == 200
    instants = [start + (i + 1) * 15 * MINUTE for i in range(24)]
    client.ingest(
        *(meter_reading("M-1", at, kwhConsumedAc=1e6 + 5400.0 * i) for i, at in enumerate(instants)),
        vehicle_reading("V-1", instants[0], kwhDeliveredDc=0.5),
    )
    connection.execute("CALL api.refresh_rollups(%s, %s)", [start - HOUR, start + 7 * HOUR])
    [fault] = ask(client, "meters/M-1", (start, instants[-1]))["faults"]
    assert (fault["code"], fault["cause"]) == ("unsteady_register", "wh_as_kwh")


def test_what_was_a_register_at_the_time_is_not_judged_as_intervals(client: Client, connection: Connection) -> None:
    # Declared from the third reading on: the two before are intervals, far above what the charger delivers.
    start = begin()
    instants = [start + (i + 1) * HOUR for i in range(6)]
    declared = {"energyReading": "register", "since": instants[1].isoformat(), "ratedPowerKw": KW_22}
    assert client.put("/v1/meters/M-1", {"energyReading": "interval"}).status == 200
    assert client.put("/v1/meters/M-1", declared).status == 200
    client.ingest(*(meter_reading("M-1", at, kwhConsumedAc=80_000.0 + 3 * i) for i, at in enumerate(instants)))
    connection.execute("CALL api.refresh_rollups(%s, %s)", [start - HOUR, start + 7 * HOUR])
    [fault] = ask(client, "meters/M-1", (start, instants[-1]))["faults"]
    assert (fault["readings"], fault["cause"]) == (2, "undeclared_register")
    assert ask(client, "meters/M-1", (instants[1], instants[-1]))["faults"] == []
