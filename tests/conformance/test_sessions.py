"""Sessions: stays of vehicles at meters, from assignments or as energy shows them, and what became of their energy.

The scene is a day: a meter that stands by at 5 W, and charges of 11 kW of which nine tenths reach the battery. Rows are
held against what is put in, and against the answers of vehicles and of the fleet.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.support.readings import hours_ago, insert_meter_readings, insert_vehicle_readings, minutes_ago
from tests.support.service import Client

Connection = psycopg.Connection[TupleRow]

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
STANDBY_KW, POWER_KW, RATIO = 0.005, 11.0, 0.9

Charge = tuple[timedelta, timedelta]
MORNING = (7 * HOUR + 40 * MINUTE, 9 * HOUR + 10 * MINUTE)
EVENING = (18 * HOUR, 20 * HOUR)


def midnight() -> datetime:
    """The start (UTC) of a day that is over."""
    return (hours_ago(0) - 2 * DAY).replace(hour=0)


def keep(
    connection: Connection,
    meter: str,
    vehicle: str,
    charges: Sequence[Charge],
    *,
    every: timedelta = MINUTE,
    days: int = 1,
) -> None:
    """Readings of whole days of a meter and a vehicle: percent of charge rises by a third a minute of charging."""
    meters, vehicles, soc = [], [], 20.0
    for number in range(1, days * DAY // every + 1):
        place = number * every
        charging = any(begins < place % DAY <= ends for begins, ends in charges)
        power_kw = POWER_KW if charging else STANDBY_KW
        soc += every / MINUTE / 3 if charging else 0
        meters.append((meter, midnight() + place, power_kw * (every / HOUR), 230.0))
        vehicles.append(
            (vehicle, midnight() + place, min(soc, 100.0), POWER_KW * RATIO * (every / HOUR) if charging else 0.0, 25.0)
        )
    insert_meter_readings(connection, meters)
    insert_vehicle_readings(connection, vehicles)
    connection.execute("CALL api.refresh_rollups(%s, %s)", [midnight() - DAY, midnight() + (days + 1) * DAY])


def assign(connection: Connection, meter: str, vehicle: str, begins: datetime, ends: datetime | None) -> int:
    [(number,)] = connection.execute(
        "INSERT INTO telemetry.assignment (meter_id, vehicle_id, during) VALUES (%s, %s, tstzrange(%s, %s)) "
        "RETURNING id",
        [meter, vehicle, begins, ends],
    ).fetchall()
    return int(number)


def at(place: timedelta) -> datetime:
    return midnight() + place


def listed(client: Client, begins: datetime | None = None, ends: datetime | None = None, **query: Any) -> Any:
    """The answer of the list, by default of the day."""
    window = {"from_": (begins or at(0 * HOUR)).isoformat(), "to": (ends or at(DAY)).isoformat()}
    answer = client.get("/v1/sessions", **window, **query)
    assert answer.status == 200, answer.body
    return answer.json


def test_a_session_has_its_energies_its_power_and_its_charge(client: Client, connection: Connection) -> None:
    keep(connection, "M-1", "V-1", [MORNING])
    number = assign(connection, "M-1", "V-1", at(7 * HOUR + 30 * MINUTE), at(10 * HOUR))
    answer = listed(client)
    [session] = answer["sessions"]
    assert (answer["total"], answer["next"], answer["pending"]) == (1, None, False)
    assert session == {
        "id": str(number),
        "vehicleId": "V-1",
        "meterId": "M-1",
        "assignmentId": number,
        "from": at(7 * HOUR + 30 * MINUTE).isoformat().replace("+00:00", "Z"),
        "to": at(10 * HOUR).isoformat().replace("+00:00", "Z"),
        "state": "ended",
        "beganBefore": False,
        "acConsumedKwh": 16.505,
        "dcDeliveredKwh": 14.85,
        "efficiencyRatio": 0.8997,
        # 0.93 x (1 - 0.2 kW / 11 kW) of 16.505 kWh were expected.
        "lostBeyondExpectedKwh": pytest.approx(16.505 * 0.93 * (1 - 0.2 / 11) - 14.85, abs=1e-6),
        "meanPowerKw": 11.0,
        "highestPowerKw": 11.0,
        "flowShare": 0.6,
        "socStart": 20.0,
        "socEnd": 50.0,
        "avgBatteryTemp": 25.0,
        "readings": {"meter": 150, "vehicle": 150},
        "estimated": False,
        "faults": [],
    }
    detail = client.get(f"/v1/sessions/{number}").json
    assert detail["session"] == session
    assert detail["window"] == {"from": session["from"], "to": session["to"]}


@pytest.mark.parametrize("kind", ["register", "session"])
def test_a_register_has_the_session_of_an_interval_meter(client: Client, connection: Connection, kind: str) -> None:
    keep(connection, "M-1", "V-1", [MORNING], every=5 * MINUTE)
    assign(connection, "M-1", "V-1", at(7 * HOUR + 30 * MINUTE), at(10 * HOUR))
    [wanted] = listed(client)["sessions"]
    connection.execute("SELECT api.set_meter_kind('M-2', %s, NULL, NULL)", [kind])
    counter = 100.0
    rows = []
    for recorded_at, kwh in connection.execute(
        "SELECT recorded_at, energy_ac_kwh FROM api.meter_telemetry_history WHERE meter_id = 'M-1' ORDER BY recorded_at"
    ).fetchall():
        counter += kwh
        # It begins anew at plug-in: the fall is a reset.
        if kind == "session" and recorded_at == at(7 * HOUR + 35 * MINUTE):
            counter = kwh
        rows.append(("M-2", recorded_at, counter, 230.0))
    insert_meter_readings(connection, rows)
    connection.execute("UPDATE telemetry.assignment SET meter_id = 'M-2'")
    connection.execute("CALL api.refresh_rollups(%s, %s)", [at(-DAY), at(2 * DAY)])
    [session] = listed(client)["sessions"]
    assert session | {"meterId": "M-1"} == wanted


def test_windows_share_a_session_and_rows_add_up_to_the_fleet(client: Client, connection: Connection) -> None:
    keep(connection, "M-1", "V-1", [MORNING, EVENING])
    keep(connection, "M-2", "V-2", [(2 * HOUR, 12 * HOUR)])
    assign(connection, "M-1", "V-1", at(7 * HOUR + 30 * MINUTE), at(10 * HOUR))
    assign(connection, "M-1", "V-1", at(17 * HOUR), at(19 * HOUR))
    assign(connection, "M-2", "V-2", at(HOUR), None)
    # A car that reports half a minute after plug-out, in the next window.
    insert_vehicle_readings(connection, [("V-1", at(19 * HOUR + 30 * SECOND), 90.0, 0.5, 25.0)])
    edges = [0 * HOUR, 8 * HOUR + 25 * MINUTE, 19 * HOUR + 10 * SECOND, DAY]
    for begins, ends in [*pairwise(edges), (edges[0], edges[-1])]:
        rows = listed(client, at(begins), at(ends))["sessions"]
        fleet = client.get("/v1/analytics/fleet", from_=at(begins).isoformat(), to=at(ends).isoformat()).json
        assert sum(row["acConsumedKwh"] or 0 for row in rows) == pytest.approx(fleet["acAttributedKwh"], abs=1e-5)
        delivered = fleet["totalEnergy"]["dcDeliveredKwh"] - fleet["totalEnergy"]["dcElsewhereKwh"]
        assert sum(row["dcDeliveredKwh"] or 0 for row in rows) == pytest.approx(delivered, abs=1e-5)
    cut = listed(client, at(8 * HOUR + 25 * MINUTE), at(9 * HOUR), vehicleId="V-1")["sessions"]
    assert [(row["beganBefore"], row["acConsumedKwh"]) for row in cut] == [(True, pytest.approx(11 * 35 / 60))]


def test_a_vehicle_paired_by_its_id_has_the_sessions_that_its_energy_shows(
    client: Client, connection: Connection
) -> None:
    keep(connection, "X-1", "X-1", [MORNING, EVENING])
    evening, morning = listed(client)["sessions"]
    for session, (begins, ends) in ((morning, MORNING), (evening, EVENING)):
        assert (session["from"], session["to"]) == (
            at(begins).isoformat().replace("+00:00", "Z"),
            at(ends).isoformat().replace("+00:00", "Z"),
        )
        assert session["acConsumedKwh"] == pytest.approx(POWER_KW * ((ends - begins) / HOUR))
        assert session["efficiencyRatio"] == RATIO
        assert (session["flowShare"], session["assignmentId"], session["state"]) == (1.0, None, "ended")
        assert client.get(f"/v1/sessions/{session['id']}").json["session"] == session
    # Assigned once, it has what its assignments say.
    assign(connection, "X-1", "X-1", at(7 * HOUR), at(10 * HOUR))
    [session] = listed(client, vehicleId="X-1")["sessions"]
    assert session["from"] == at(7 * HOUR).isoformat().replace("+00:00", "Z")


def test_a_list_is_paged_and_filtered(client: Client, connection: Connection) -> None:
    for number in range(1, 6):
        assign(connection, f"M-{number}", f"V-{number}", at(number * HOUR), at((number + 1) * HOUR))
    assign(connection, "M-1", "V-5", at(7 * HOUR), None)
    for number in (1, 2):
        assert client.put(f"/v1/meters/M-{number}", {"site": "Depot North"}).status == 200
    assert client.put("/v1/vehicles/V-5", {"group": "Vans"}).status == 200
    whole = listed(client)
    keys = [(row["vehicleId"], row["meterId"]) for row in whole["sessions"]]
    assert keys == [("V-5", "M-1"), *((f"V-{number}", f"M-{number}") for number in (5, 4, 3, 2, 1))]
    pages: list[Any] = []
    after: dict[str, Any] = {}
    while True:
        page = listed(client, limit=2, **after)
        pages.append(page["sessions"])
        assert page["total"] == 6
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert [len(page) for page in pages] == [2, 2, 2]
    assert [row for page in pages for row in page] == whole["sessions"]
    past_the_end = listed(client, after=f"{at(HOUR).isoformat().replace('+00:00', 'Z')},V-1")
    assert (past_the_end["sessions"], past_the_end["total"], past_the_end["next"]) == ([], 6, None)

    def vehicles(**query: Any) -> list[str]:
        return [row["vehicleId"] for row in listed(client, **query)["sessions"]]

    assert vehicles(vehicleId="V-5") == ["V-5", "V-5"]
    assert vehicles(meterId="M-1") == ["V-5", "V-1"]
    assert vehicles(vehicleId="V-5", meterId="M-1") == ["V-5"]
    assert vehicles(site="Depot North") == ["V-5", "V-2", "V-1"]
    assert vehicles(group="Vans") == ["V-5", "V-5"]
    assert vehicles(state="active") == ["V-5"]
    assert vehicles(state="ended") == ["V-5", "V-4", "V-3", "V-2", "V-1"]
    assert vehicles(vehicleId="V-9") == []
    # Not a reading was sent: nothing is known, and nothing is 0.
    unknown = whole["sessions"][0]
    assert (unknown["to"], unknown["state"], unknown["acConsumedKwh"], unknown["efficiencyRatio"]) == (
        None, "active", None, None,
    )  # fmt: skip
    assert (unknown["meanPowerKw"], unknown["socStart"], unknown["flowShare"]) == (None, None, 0.0)


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ({"state": "over"}, "state must be active, ended or planned"),
        ({"after": "V-1"}, "after must be the next of the previous page, such as 2026-11-20T08:00:00Z,V-202"),
        ({"group": " "}, "group must be a string (a line of 1 to 100 characters, without spaces at its ends), "
            "such as Depot North"),
        ({"bucket": "hour"}, "bucket is unknown: this request takes vehicleId, meterId, group, site, "
            "from, to, state, after, limit, format"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(client: Client, query: dict[str, str], detail: str) -> None:
    answer = client.get("/v1/sessions", **query)
    assert (answer.status, answer.json["detail"]) == (422, detail)


@pytest.mark.parametrize(
    "name", ["0", "99", "12345678901234567890", "7" * 5000, "V-1", "V-1,08:00", "V-1,2026-11-20T08:00:00Z", "a,b,c"]
)
def test_an_unknown_session_is_not_found(client: Client, name: str) -> None:
    answer = client.get(f"/v1/sessions/{name}")
    assert (answer.status, answer.json["code"]) == (404, "unknown_session")


def test_data_at_fault_leaves_no_ratio(client: Client, connection: Connection) -> None:
    keep(connection, "M-1", "V-1", [MORNING, EVENING])
    assign(connection, "M-1", "V-1", at(7 * HOUR), at(10 * HOUR))
    assign(connection, "M-1", "V-1", at(17 * HOUR), at(21 * HOUR))
    # Wh as kWh in the evening, at one reading; in the morning, more than came from the grid.
    connection.execute(
        "UPDATE telemetry.meter_telemetry_history SET energy_ac_kwh = 183 WHERE recorded_at = %s", [at(19 * HOUR)]
    )
    insert_vehicle_readings(connection, [("V-1", at(8 * HOUR + 30 * SECOND), 30.0, 7.0, 25.0)])
    connection.execute("CALL api.refresh_rollups(%s, %s)", [at(-DAY), at(2 * DAY)])
    evening, morning = listed(client)["sessions"]
    assert (evening["faults"], evening["efficiencyRatio"]) == (["implausible_power"], None)
    assert evening["lostBeyondExpectedKwh"] is None
    assert morning["faults"] == ["ratio_above_one"]
    assert morning["efficiencyRatio"] > 1
    assert listed(client, vehicleId="V-1")["sessions"] == [evening, morning]


def test_of_gone_history_a_session_has_what_the_rollups_know(own: Connection) -> None:
    keep(own, "M-1", "V-1", [(8 * HOUR, 10 * HOUR)])
    keep(own, "X-1", "X-1", [(8 * HOUR, 10 * HOUR)])
    assign(own, "M-1", "V-1", at(7 * HOUR + 30 * MINUTE), at(10 * HOUR))
    before = {row[0]: row[1:] for row in own.execute(ASKED, [at(0 * HOUR), at(DAY)]).fetchall()}
    for kind in ("meter", "vehicle"):
        own.execute(
            "UPDATE telemetry.policy SET dropped_before = %s WHERE relation = %s",
            [at(DAY), f"{kind}_telemetry_history"],
        )
        own.execute(f"DELETE FROM telemetry.{kind}_telemetry_history WHERE recorded_at <= %s", [at(DAY)])
    after = {row[0]: row[1:] for row in own.execute(ASKED, [at(0 * HOUR), at(DAY)]).fetchall()}
    for name, figures in before.items():
        assert [round(figure, 4) for figure in figures[:4]] == [round(figure, 4) for figure in after[name][:4]], name
    assert (before["V-1"][4], after["V-1"][4]) == (False, True)


ASKED = """
    SELECT vehicle_id, energy_ac_kwh, energy_dc_kwh, soc_first_pct, soc_last_pct, is_estimated
    FROM api.sessions(%s, %s)
"""


def test_a_stay_of_more_than_two_days_is_told_by_the_hour(client: Client, connection: Connection) -> None:
    keep(connection, "M-1", "V-1", [(8 * HOUR, 10 * HOUR)], days=1)
    number = assign(connection, "M-1", "V-1", at(-10 * DAY), None)
    [session] = listed(client, at(-3 * DAY), at(DAY))["sessions"]
    assert (session["beganBefore"], session["state"], session["to"]) == (True, "active", None)
    assert (session["highestPowerKw"], session["meanPowerKw"]) == (11.0, 11.0)
    assert session["flowShare"] == pytest.approx(2 / 96, abs=1e-4)
    assert session["acConsumedKwh"] == pytest.approx(22 + 22 * STANDBY_KW)
    detail = client.get(f"/v1/sessions/{number}").json
    assert detail["session"]["acConsumedKwh"] == session["acConsumedKwh"]
    assert detail["window"]["from"] == at(-10 * DAY).isoformat().replace("+00:00", "Z")


def test_a_charge_that_goes_on_is_active_and_a_silent_one_is_over(client: Client) -> None:
    rows = []
    for minutes in range(120, 0, -1):
        kwh = 11 / 60 if minutes <= 70 else 0.0
        for meter in ("X-1", "X-2"):
            if meter == "X-1" or minutes > 35:
                rows += [
                    {"meterId": meter, "timestamp": minutes_ago(minutes), "kwhConsumedAc": kwh, "voltage": 230},
                    {"vehicleId": meter, "timestamp": minutes_ago(minutes), "kwhDeliveredDc": kwh * RATIO,
                     "soc": 50, "batteryTemp": 20},
                ]  # fmt: skip
    client.ingest(*rows)
    found = {row["vehicleId"]: row for row in client.get("/v1/sessions").json["sessions"]}
    assert (found["X-1"]["state"], found["X-1"]["to"]) == ("active", None)
    assert found["X-2"]["state"] == "ended"
    assert found["X-2"]["to"] is not None
    assert [row["vehicleId"] for row in client.get("/v1/sessions", state="active").json["sessions"]] == ["X-1"]


def test_a_meter_assigned_to_another_vehicle_leaves_its_namesake_the_rest(
    client: Client, connection: Connection
) -> None:
    keep(connection, "X-1", "X-1", [(8 * HOUR, 11 * HOUR)])
    assign(connection, "X-1", "V-9", at(8 * HOUR + 30 * MINUTE), at(9 * HOUR + 30 * MINUTE))
    rows = {(row["vehicleId"], row["from"][11:16], row["to"][11:16]): row for row in listed(client)["sessions"]}
    kwh = {name: round(row["acConsumedKwh"], 6) for name, row in rows.items()}
    assert kwh == {
        ("X-1", "08:00", "08:30"): 5.5,
        ("V-9", "08:30", "09:30"): 11.0,
        ("X-1", "09:30", "11:00"): 16.5,
    }
    for name, row in rows.items():
        assert client.get(f"/v1/sessions/{row['id']}").json["session"] == row, name


def test_a_session_that_energy_shows_is_listed_where_it_flows_and_keeps_its_ends(
    client: Client, connection: Connection
) -> None:
    keep(connection, "X-1", "X-1", [(8 * HOUR + 50 * MINUTE, 10 * HOUR + 5 * MINUTE)])
    assert listed(client, at(8 * HOUR), at(8 * HOUR + 30 * MINUTE))["total"] == 0
    assert listed(client, at(10 * HOUR + 20 * MINUTE), at(10 * HOUR + 40 * MINUTE))["sessions"] == []
    [row] = listed(client, at(9 * HOUR), at(10 * HOUR))["sessions"]
    assert (row["from"][11:16], row["to"][11:16], row["beganBefore"]) == ("08:50", "10:05", True)
    assert row["acConsumedKwh"] == pytest.approx(11)


def test_a_session_of_days_that_energy_shows_has_one_id_and_is_whole(client: Client, connection: Connection) -> None:
    keep(connection, "X-1", "X-1", [(0 * HOUR, DAY)], days=2)
    [row] = listed(client, at(30 * HOUR), at(40 * HOUR), vehicleId="X-1")["sessions"]
    detail = client.get(f"/v1/sessions/{row['id']}").json["session"]
    assert (detail["id"], detail["from"], detail["to"]) == (row["id"], row["from"], row["to"])
    # A minute at each midnight is not of the charge.
    assert detail["acConsumedKwh"] == pytest.approx((48 * 60 - 2) * 11 / 60, abs=0.001)


def test_the_first_reading_after_silence_is_part_of_the_session_it_shows(
    client: Client, connection: Connection
) -> None:
    insert_meter_readings(
        connection, [("X-1", at(8 * HOUR + number * 15 * MINUTE), 2.75, 230.0) for number in range(1, 9)]
    )
    assert client.put("/v1/vehicles/X-1", {"name": "registered alone"}).status == 200
    connection.execute("CALL api.refresh_rollups(%s, %s)", [at(-DAY), at(2 * DAY)])
    [row] = listed(client)["sessions"]
    assert (row["acConsumedKwh"], row["to"][11:16]) == (22.0, "10:00")
    assert (row["meanPowerKw"], row["highestPowerKw"]) == (11.0, 11.0)


@pytest.mark.parametrize("minutes", [15, 60])
def test_a_reading_that_a_window_cuts_does_not_raise_the_power(
    client: Client, connection: Connection, minutes: int
) -> None:
    keep(connection, "M-1", "V-1", [(8 * HOUR, 12 * HOUR)], every=minutes * MINUTE)
    assign(connection, "M-1", "V-1", at(8 * HOUR), at(12 * HOUR))
    [row] = listed(client, at(8 * HOUR + 14 * MINUTE), at(11 * HOUR))["sessions"]
    assert (row["meanPowerKw"], row["highestPowerKw"]) == (11.0, 11.0)
    assert row["flowShare"] == 1.0


@pytest.mark.parametrize(("resolution_kwh", "power_kw"), [(1.0, 11.0), (0.1, 3.7), (1.0, 3.7)])
def test_a_coarse_register_charges_at_the_power_that_its_steps_took(
    client: Client, connection: Connection, resolution_kwh: float, power_kw: float
) -> None:
    connection.execute("SELECT api.set_meter_kind('M-1', 'register', NULL, NULL)")
    rows = []
    for minute in range(10 * 60):
        kwh = 500 + power_kw * max(0, min(minute, 8 * 60) - 6 * 60) / 60
        rows.append(("M-1", at(minute * MINUTE), kwh // resolution_kwh * resolution_kwh, 230.0))
    insert_meter_readings(connection, rows)
    connection.execute("CALL api.refresh_rollups(%s, %s)", [at(-DAY), at(2 * DAY)])
    assign(connection, "M-1", "V-1", at(6 * HOUR), at(8 * HOUR))
    [row] = listed(client)["sessions"]
    assert row["meanPowerKw"] == pytest.approx(power_kw, rel=0.15)
    # Two steps in two minutes are what such a register shows.
    assert row["highestPowerKw"] <= max(power_kw * 1.15, 60 * resolution_kwh if resolution_kwh < 1 else 0)
    assert row["flowShare"] > 0.85


def test_a_planned_session_is_planned_and_has_no_figures(client: Client, connection: Connection) -> None:
    number = assign(connection, "M-1", "V-1", minutes_ago(-120), minutes_ago(-180))
    detail = client.get(f"/v1/sessions/{number}").json
    assert (detail["session"]["state"], detail["session"]["acConsumedKwh"]) == ("planned", None)
    assert detail["session"]["flowShare"] is None
    assert detail["window"]["from"] <= detail["window"]["to"]
    window = {"from_": minutes_ago(60).isoformat(), "to": minutes_ago(-240).isoformat()}
    assert client.get("/v1/sessions", **window, state="active").json["sessions"] == []
    assert client.get("/v1/sessions", **window, state="planned").json["total"] == 1


def test_what_a_car_reports_late_is_in_the_window_of_its_report(client: Client, connection: Connection) -> None:
    keep(connection, "M-1", "V-0", [(8 * HOUR, 10 * HOUR)])
    assign(connection, "M-1", "V-1", at(8 * HOUR), at(10 * HOUR))
    rows = [("V-1", at(8 * HOUR + minute * MINUTE + 30 * SECOND), 50.0, 0.15, 25.0) for minute in range(121)]
    insert_vehicle_readings(connection, rows)
    connection.execute("CALL api.refresh_rollups(%s, %s)", [at(-DAY), at(2 * DAY)])
    early, late = (
        listed(client, at(begins), at(ends))["sessions"]
        for begins, ends in ((0 * HOUR, 10 * HOUR + 10 * SECOND), (10 * HOUR + 10 * SECOND, DAY))
    )
    assert [row["dcDeliveredKwh"] for row in (*early, *late)] == [pytest.approx(18.0), pytest.approx(0.15)]
    assert (late[0]["acConsumedKwh"], late[0]["beganBefore"]) == (None, True)
