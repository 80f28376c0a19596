"""Lists of all devices over a window, sorted by any figure, and totals of sites and groups.

The fleet: M-1 feeds V-1 well, M-2 feeds V-2 badly, M-3 is a register and feeds V-3, M-4 draws for nobody, V-5 charges
elsewhere, X-1 is paired by its id; M-6 and V-6 are registered and silent. Rows are held against the answers about each
device, and their sums against the fleet's.
"""

from datetime import datetime, timedelta
from itertools import pairwise, product
from typing import Any, get_args

import psycopg
import pytest
from psycopg.rows import TupleRow

from app.wire.ranking import MeterSort, VehicleSort
from tests.support.readings import hours_ago, insert_meter_readings, insert_vehicle_readings
from tests.support.service import Client

Connection = psycopg.Connection[TupleRow]

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
STEP = 10 * MINUTE
# Of each meter: power and the hours of the day in which it charges; of each vehicle, what of it arrives.
METERS = {"M-1": (11.0, 2, 4), "M-2": (11.0, 8, 11), "M-3": (22.0, 12, 14), "M-4": (3.7, 20, 22), "X-1": (7.4, 1, 6)}
RATIOS = {"V-1": ("M-1", 0.9), "V-2": ("M-2", 0.7), "V-3": ("M-3", 0.91), "X-1": ("X-1", 0.9), "V-5": ("M-4", 0.95)}
FED = (("M-1", "V-1"), ("M-2", "V-2"), ("M-3", "V-3"))


def midnight() -> datetime:
    """The start (UTC) of a day that is over."""
    return (hours_ago(0) - 3 * DAY).replace(hour=0)


@pytest.fixture
def fleet(client: Client, connection: Connection) -> Client:
    """The service on two days of the fleet."""
    assert client.put("/v1/meters/M-3", {"energyReading": "register", "site": "South"}).status == 200
    assert client.put("/v1/meters/M-1", {"name": "Gate charger", "site": "North"}).status == 200
    assert client.put("/v1/meters/M-2", {"site": "North"}).status == 200
    assert client.put("/v1/meters/M-6", {"site": "South"}).status == 200
    assert client.put("/v1/vehicles/V-1", {"name": "Van 12", "group": "Vans"}).status == 200
    assert client.put("/v1/vehicles/V-2", {"group": "Vans"}).status == 200
    assert client.put("/v1/vehicles/V-6", {"group": "Cars"}).status == 200
    meters, vehicles, registers = [], [], dict.fromkeys(METERS, 1000.0)
    for number in range(2 * DAY // STEP + 1):
        place = number * STEP
        energies = {
            meter: power_kw / 6 if begins * HOUR < place % DAY <= ends * HOUR else 0.0
            for meter, (power_kw, begins, ends) in METERS.items()
        }
        for meter, kwh in energies.items():
            registers[meter] += kwh
            value = registers[meter] if meter == "M-3" else kwh
            meters.append((meter, midnight() + place, value, 229.0 + number % 3))
        for vehicle, (meter, ratio) in RATIOS.items():
            vehicles.append((vehicle, midnight() + place, 50.0, energies[meter] * ratio, 20.0 + number % 5))
    insert_meter_readings(connection, meters)
    insert_vehicle_readings(connection, vehicles)
    for meter, vehicle in FED:
        connection.execute(
            "INSERT INTO telemetry.assignment (meter_id, vehicle_id, during) VALUES (%s, %s, tstzrange(%s, NULL))",
            [meter, vehicle, midnight()],
        )
    connection.execute("CALL api.refresh_rollups(%s, %s)", [midnight() - DAY, midnight() + 3 * DAY])
    return client


def ask(client: Client, path: str, window: tuple[timedelta, timedelta] = (0 * HOUR, DAY), **query: Any) -> Any:
    begins, ends = (midnight() + place for place in window)
    answer = client.get(f"/v1/analytics/{path}", from_=begins.isoformat(), to=ends.isoformat(), **query)
    assert answer.status == 200, answer.body
    return answer.json


WINDOWS = {
    "a_day": (0 * HOUR, DAY),
    "cut_hours": (2 * HOUR + 25 * MINUTE, DAY + 9 * HOUR + 5 * MINUTE),
    "two_days": (0 * HOUR, 2 * DAY),
    "minutes": (8 * HOUR + 15 * MINUTE, 8 * HOUR + 45 * MINUTE),
}


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_rows_are_the_answers_about_each_device_and_add_up_to_the_fleet(
    fleet: Client, window: tuple[timedelta, timedelta]
) -> None:
    meters, vehicles = ask(fleet, "meters", window)["meters"], ask(fleet, "vehicles", window)["vehicles"]
    assert {row["id"] for row in meters} == {*METERS, "M-6"}
    assert {row["id"] for row in vehicles} == {*RATIOS, "V-6"}
    for row in meters:
        own = ask(fleet, f"meters/{row['id']}", window)
        assert row["acConsumedKwh"] == pytest.approx(own["acConsumedKwh"], abs=1e-5)
        assert row["acUnattributedKwh"] == pytest.approx(own["acUnattributedKwh"], abs=1e-5)
        assert (row["avgVoltage"], row["readings"]) == (own["voltage"]["mean"], own["readings"])
    for row in vehicles:
        own = ask(fleet, f"performance/{row['id']}", window)
        for name in ("acConsumedKwh", "dcDeliveredKwh", "dcElsewhereKwh"):
            assert row[name] == pytest.approx(own["totalEnergy"][name], abs=1e-5)
        assert row["efficiencyRatio"] == own["efficiencyRatio"]
        assert (row["avgBatteryTemp"], row["readings"]) == (own["avgBatteryTemp"], own["readings"]["vehicle"])
        assert row["coverage"] == own["coverage"]["vehicle"]
    whole = ask(fleet, "fleet", window)
    sites, groups = ask(fleet, "sites", window)["sites"], ask(fleet, "groups", window)["groups"]
    for rows in (meters, sites):
        assert added(rows, "acConsumedKwh") == pytest.approx(whole["totalEnergy"]["acConsumedKwh"], abs=1e-5)
        assert added(rows, "acUnattributedKwh") == pytest.approx(whole["acUnattributedKwh"], abs=1e-5)
    for rows in (vehicles, groups):
        for name in ("dcDeliveredKwh", "dcElsewhereKwh"):
            assert added(rows, name) == pytest.approx(whole["totalEnergy"][name], abs=1e-5)
        assert added(rows, "acConsumedKwh") == pytest.approx(whole["acAttributedKwh"], abs=1e-5)


def added(rows: list[Any], name: str) -> float:
    return sum(row[name] or 0 for row in rows)


def test_a_row_says_how_the_device_was_used_and_what_it_lost(fleet: Client) -> None:
    meters = {row["id"]: row for row in ask(fleet, "meters")["meters"]}
    vehicles = {row["id"]: row for row in ask(fleet, "vehicles")["vehicles"]}
    assert {name: (row["sessions"], row["hoursInUse"]) for name, row in meters.items()} == {
        "M-1": (1, 2), "M-2": (1, 3), "M-3": (1, 2), "M-4": (0, 2), "X-1": (1, 5), "M-6": (0, 0),
    }  # fmt: skip
    assert {name: (row["sessions"], row["hoursInUse"]) for name, row in vehicles.items()} == {
        "V-1": (1, 2), "V-2": (1, 3), "V-3": (1, 2), "V-5": (0, 2), "X-1": (1, 5), "V-6": (0, 0),
    }  # fmt: skip
    bad = vehicles["V-2"]
    assert (bad["verdict"], bad["efficiencyRatio"], bad["meanPowerKw"]) == ("abnormal_loss", 0.7, 11.0)
    assert bad["lostKwh"] == pytest.approx(33 * 0.3)
    assert bad["lostBeyondExpectedKwh"] == pytest.approx(33 * (0.93 * (1 - 0.2 / 11) - 0.7))
    assert (vehicles["V-1"]["verdict"], vehicles["V-5"]["verdict"]) == ("normal", None)
    [loss] = [row for row in ask(fleet, "losses")["vehicles"]["listed"] if row["id"] == "V-2"]
    for name in ("acConsumedKwh", "dcDeliveredKwh", "efficiencyRatio", "lostKwh", "lostBeyondExpectedKwh"):
        assert loss[name] == bad[name]
    silent = meters["M-6"]
    assert (silent["acConsumedKwh"], silent["efficiencyRatio"], silent["coverage"]) == (None, None, 0.0)


def test_places_count_their_devices_their_losses_and_their_sessions(fleet: Client) -> None:
    sites = {row["site"]: row for row in ask(fleet, "sites")["sites"]}
    assert list(sites) == ["North", "South", None]
    north = sites["North"]
    assert (north["devices"], north["devicesSeen"], north["sessions"], north["hoursInUse"]) == (2, 2, 2, 5)
    assert (north["devicesWithLosses"], north["devicesAtFault"]) == (1, 0)
    assert north["efficiencyRatio"] == pytest.approx((22 * 0.9 + 33 * 0.7) / 55)
    assert (sites["South"]["devices"], sites["South"]["devicesSeen"]) == (2, 1)
    groups = {row["group"]: row for row in ask(fleet, "groups")["groups"]}
    assert {name: row["devices"] for name, row in groups.items()} == {"Cars": 1, "Vans": 2, None: 3}
    assert groups["Cars"]["acConsumedKwh"] is None
    assert groups["Vans"]["lostBeyondExpectedKwh"] == pytest.approx(33 * (0.93 * (1 - 0.2 / 11) - 0.7))


@pytest.mark.parametrize(("path", "sorts"), [("meters", get_args(MeterSort)), ("vehicles", get_args(VehicleSort))])
def test_a_list_is_sorted_by_any_figure_with_what_is_not_known_last(
    fleet: Client, path: str, sorts: tuple[str, ...]
) -> None:
    for sort, order in product(sorts, ("desc", "asc")):
        rows = ask(fleet, path, sort=sort, order=order)[path]
        figures = [row[sort] for row in rows]
        known = [figure for figure in figures if figure is not None]
        assert figures == [*sorted(known, reverse=order == "desc"), *[None] * figures.count(None)], (sort, order)
        # Of equal figures, by id.
        assert all(one["id"] < two["id"] for one, two in pairwise(rows) if one[sort] == two[sort]), (sort, order)


def test_a_list_is_paged_filtered_and_searched(fleet: Client) -> None:
    whole = ask(fleet, "vehicles")
    rows: list[Any] = []
    pages = [ask(fleet, "vehicles", limit=4)]
    while pages[-1]["next"] is not None:
        pages.append(ask(fleet, "vehicles", limit=4, after=pages[-1]["next"]))
    for page in pages:
        assert page["total"] == whole["total"] == 6
        rows += page["vehicles"]
    assert rows == whole["vehicles"]
    past = ask(fleet, "vehicles", after=100)
    assert (past["vehicles"], past["total"], past["next"]) == ([], 6, None)
    assert [row["id"] for row in ask(fleet, "meters", site="North", sort="id")["meters"]] == ["M-1", "M-2"]
    assert ask(fleet, "meters", site="North", limit=1)["total"] == 2
    assert [row["id"] for row in ask(fleet, "meters", search="GATE")["meters"]] == ["M-1"]
    assert [row["id"] for row in ask(fleet, "vehicles", group="Vans", sort="id")["vehicles"]] == ["V-1", "V-2"]
    nobody = ask(fleet, "vehicles", group="Trucks")
    assert (nobody["vehicles"], nobody["total"]) == ([], 0)


def test_data_at_fault_is_the_verdict_and_leaves_no_ratio(fleet: Client, connection: Connection) -> None:
    insert_meter_readings(connection, [("M-1", midnight() + 3 * HOUR + MINUTE, 2400.0, 230.0)])
    connection.execute("CALL api.refresh_rollups(%s, %s)", [midnight() - DAY, midnight() + 3 * DAY])
    rows = {row["id"]: row for row in ask(fleet, "vehicles")["vehicles"]}
    assert (rows["V-1"]["verdict"], rows["V-1"]["efficiencyRatio"], rows["V-1"]["lostKwh"]) == (None, None, None)
    meters = {row["id"]: row for row in ask(fleet, "meters")["meters"]}
    assert (meters["M-1"]["verdict"], meters["M-1"]["efficiencyRatio"]) == ("implausible_power", None)
    [north] = [row for row in ask(fleet, "sites")["sites"] if row["site"] == "North"]
    assert north["devicesAtFault"] == 1


def test_a_fault_of_a_meter_outside_its_charges_leaves_the_ratio_of_its_vehicle(
    fleet: Client, connection: Connection
) -> None:
    connection.execute(
        "UPDATE telemetry.assignment SET during = tstzrange(lower(during), %s)", [midnight() + 12 * HOUR]
    )
    insert_meter_readings(connection, [("M-1", midnight() + 14 * HOUR + MINUTE, 2400.0, 230.0)])
    connection.execute("CALL api.refresh_rollups(%s, %s)", [midnight() - DAY, midnight() + 3 * DAY])
    own = ask(fleet, "performance/V-1")
    assert (own["efficiencyRatio"], own["faults"]) == (0.9, [])
    [row] = [row for row in ask(fleet, "vehicles")["vehicles"] if row["id"] == "V-1"]
    assert (row["efficiencyRatio"], row["verdict"]) == (0.9, "normal")
    whole = ask(fleet, "fleet")
    assert (whole["atFault"], whole["matched"]["vehicles"]) == ({"meters": 1, "vehicles": 0}, 4)


def test_a_figure_that_does_not_exist_is_named(client: Client) -> None:
    answer = client.get("/v1/analytics/meters", sort="dcElsewhereKwh")
    assert (answer.status, answer.json["code"], answer.json["field"]) == (422, "invalid_parameter", "sort")
    assert answer.json["detail"].startswith("sort must be ")


def test_an_empty_fleet_has_empty_lists(client: Client) -> None:
    assert ask(client, "vehicles")["vehicles"] == ask(client, "meters")["meters"] == []
    assert ask(client, "sites")["sites"] == ask(client, "groups")["groups"] == []


def test_a_page_beyond_any_list_is_empty(fleet: Client) -> None:
    page = ask(fleet, "meters", after=2**63 - 1)
    assert (page["meters"], page["total"], page["next"]) == ([], 6, None)
