"""Lists and series as CSV: the rows are those of the JSON answer, and add up to the fleet on a day of any length.

The fleet charges over the day on which the clocks of Europe/Berlin went back last, of 25 hours, and the days around it.
"""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.rows import TupleRow

from app.http.openapi import OPERATIONS
from tests.support.readings import insert_meter_readings, insert_vehicle_readings
from tests.support.servers import Server, compute_reports, stop_jobs
from tests.support.service import Answer, Client, running_service

Connection = psycopg.Connection[TupleRow]

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ("Europe/Berlin", "Asia/Kolkata", "America/St_Johns")
STEP = 15 * MINUTE


def long_day() -> datetime:
    """The last midnight in Berlin that began a day of 25 hours, which is over for two days."""
    day = datetime.now(BERLIN).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None) - 3 * DAY
    while (_utc(day + DAY) - _utc(day)) != 25 * HOUR:
        day -= DAY
    return _utc(day)


def _utc(local: datetime) -> datetime:
    return local.replace(tzinfo=BERLIN).astimezone(UTC)


@pytest.fixture(scope="module")
def fleet(server: Server, template: str) -> Iterator[Client]:
    """The service on three days around the long one; a database of its own keeps the history of a year."""
    with server.new_database(template=template) as url:
        stop_jobs(url, server.profile)
        with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
            charge(connection)
        with running_service(DATABASE_URL=url) as client:
            assert client.put("/v1/vehicles/V-1", {"name": "=1+1", "group": "Vans, old"}).status == 200
            yield client


def charge(own: Connection) -> None:
    """Three devices of each kind, of which the third charges elsewhere."""
    own.execute("UPDATE telemetry.policy SET drop_after = interval '800 days' WHERE relation LIKE '%_history'")
    start = long_day() - DAY
    meters, vehicles = [], []
    for number in range(1, 3 * DAY // STEP + 5):
        at = start + number * STEP
        for device, power_kw in ((1, 11.0), (2, 7.4), (3, 3.7)):
            energy = power_kw / 4 if number % (3 + device) < 2 else 0.0
            meters.append((f"M-{device}", at, energy, 230.0))
            vehicles.append((f"V-{device}", at, 50.0, energy * 0.9, 20.5))
    insert_meter_readings(own, meters)
    insert_vehicle_readings(own, vehicles)
    for device in (1, 2):
        own.execute(
            "INSERT INTO telemetry.assignment (meter_id, vehicle_id, during) VALUES (%s, %s, tstzrange(%s, %s))",
            [
                f"M-{device}",
                f"V-{device}",
                start + device * HOUR + 7 * MINUTE,
                None if device == 2 else start + 2 * DAY,
            ],
        )
    own.execute("CALL api.refresh_rollups(%s, %s)", [start - DAY, start + 5 * DAY])


def table(answer: Answer) -> list[dict[str, str]]:
    """The rows of an answer in CSV, by the heads of their columns."""
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.body.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))


def added(rows: list[dict[str, str]], head: str) -> float:
    return sum(float(row[head]) for row in rows if row[head])


def test_rows_totals_and_tables_of_a_window_add_up_to_the_fleet(fleet: Client) -> None:
    for zone in ZONES:
        check_sums(fleet, zone)


def check_sums(fleet: Client, zone: str) -> None:
    """Hold the series of a zone, and all lists, to the fleet's answer about the day."""
    window = {"from_": long_day().isoformat(), "to": (long_day() + 25 * HOUR).isoformat()}
    whole = fleet.get("/v1/analytics/fleet", **window).json
    ac, attributed = whole["totalEnergy"]["acConsumedKwh"], whole["acAttributedKwh"]
    dc, elsewhere = whole["totalEnergy"]["dcDeliveredKwh"], whole["totalEnergy"]["dcElsewhereKwh"]
    assert ac > 100
    assert elsewhere > 10
    # Of the fleet, hours that begin within an hour of UTC are answered for a day of 24 hours at most.
    for bucket in ("hour", "day") if zone == "Europe/Berlin" else ("day",):
        cut = {**window, "bucket": bucket, "timezone": zone, "format": "csv"}
        rows = table(fleet.get("/v1/analytics/fleet/series", **cut))
        assert added(rows, "totalEnergy.acConsumedKwh") == pytest.approx(ac, abs=1e-4)
        assert added(rows, "totalEnergy.dcDeliveredKwh") == pytest.approx(dc, abs=1e-4)
        assert (len(rows) == 25) if (bucket, zone) == ("hour", "Europe/Berlin") else rows
        assert (len(rows) == 1) if (bucket, zone) == ("day", "Europe/Berlin") else rows
        own = [table(fleet.get(f"/v1/analytics/performance/V-{device}/series", **cut)) for device in (1, 2, 3)]
        assert sum(added(part, "totalEnergy.acConsumedKwh") for part in own) == pytest.approx(attributed, abs=1e-4)
    meters, vehicles, sites, groups, sessions = (
        table(fleet.get(f"/v1/{path}", **window, format="csv"))
        for path in ("analytics/meters", "analytics/vehicles", "analytics/sites", "analytics/groups", "sessions")
    )
    for rows in (meters, sites):
        assert added(rows, "acConsumedKwh") == pytest.approx(ac, abs=1e-4)
    for rows in (vehicles, groups):
        assert added(rows, "dcDeliveredKwh") == pytest.approx(dc, abs=1e-4)
    assert added(sessions, "acConsumedKwh") == pytest.approx(attributed, abs=1e-4)
    assert added(sessions, "dcDeliveredKwh") == pytest.approx(dc - elsewhere, abs=1e-4)


def test_a_table_has_the_values_of_the_json_answer_with_units_in_its_head(fleet: Client) -> None:
    window = {"from_": long_day().isoformat(), "to": (long_day() + DAY).isoformat()}
    answer = fleet.get("/v1/analytics/vehicles", **window)
    rows = table(fleet.get("/v1/analytics/vehicles", **window, format="csv"))
    assert [row["id"] for row in rows] == [row["id"] for row in answer.json["vehicles"]]
    for row, wanted in zip(rows, answer.json["vehicles"], strict=True):
        assert float(row["acConsumedKwh"] or "nan") == pytest.approx(
            wanted["acConsumedKwh"] or float("nan"), nan_ok=True
        )
        assert row["avgBatteryTemp (°C)"] == str(wanted["avgBatteryTemp"])
        assert (row["estimated"], row["sessions"]) == (str(wanted["estimated"]).lower(), str(wanted["sessions"]))
    [van] = [row for row in rows if row["id"] == "V-1"]
    # A text that a spreadsheet would take for a formula is none, and a comma within one parts no cells.
    assert (van["name"], van["group"]) == ("'=1+1", "Vans, old")
    session = table(fleet.get("/v1/sessions", **window, format="csv", vehicleId="V-2"))[0]
    assert session["from (UTC)"] == (long_day() - DAY + 2 * HOUR + 7 * MINUTE).strftime("%Y-%m-%d %H:%M:%S")
    assert (session["to (UTC)"], session["state"], session["socStart (%)"]) == ("", "active", "50.0")


def test_a_table_holds_all_or_says_where_it_goes_on(fleet: Client) -> None:
    window = {"from_": long_day().isoformat(), "to": (long_day() + DAY).isoformat()}
    whole = fleet.get("/v1/analytics/vehicles", **window, format="csv")
    assert "link" not in whole.headers
    assert whole.headers["content-disposition"] == 'attachment; filename="v1-analytics-vehicles.csv"'
    rows, address = (
        [],
        "/v1/analytics/vehicles?limit=2&format=csv&sort=id&from={from_}&to={to}".format(
            **{name: text.replace("+", "%2B") for name, text in window.items()}
        ),
    )
    for _ in range(2):
        answer = fleet.request("GET", address)
        rows += table(answer)
        address = answer.headers.get("link", "<>").split(";")[0][1:-1]
    assert (sorted(row["id"] for row in rows), address) == (["V-1", "V-2", "V-3"], "")


@pytest.mark.parametrize("path", sorted({operation.path for operation in OPERATIONS if operation.is_table}))
def test_every_list_and_series_is_a_table_too_even_without_a_row(
    client: Client, migrated_database: str, path: str
) -> None:
    if path.startswith("/v1/database"):
        # Else in the background, some time after the start.
        compute_reports(migrated_database)
    client.ingest(
        {"meterId": "M-1", "kwhConsumedAc": 1, "voltage": 230, "timestamp": datetime.now(UTC)},
        {"vehicleId": "V-1", "kwhDeliveredDc": 1, "soc": 50, "batteryTemp": 20, "timestamp": datetime.now(UTC)},
    )
    if path == "/v1/corrections/{id}":
        wanted = {"meterId": "M-1", "from": "2026-01-01T00:00:00Z", "to": datetime.now(UTC), "action": "void"}
        assert client.post("/v1/corrections?reason=a%20test", wanted).json["id"] == 1
        path = path.replace("{id}", "1")
    asked = path.replace("{id}", "M-1" if "/meters/" in path else "V-1")
    answer = client.request("GET", asked, headers={"Accept": "text/csv"})
    heads = answer.body.decode("utf-8-sig").split("\r\n")[0].split(",")
    assert answer.status == 200
    assert len(heads) > 3
    assert len(set(heads)) == len(heads)
    assert table(client.get(asked, format="csv")) == table(answer) or any(
        # Of the present, which goes on.
        part in path
        for part in ("/live/", "series", "curve", "losses")
    )
    assert client.get(asked, format="json").headers["content-type"] == "application/json"


def test_a_format_that_does_not_exist_is_named(client: Client) -> None:
    answer: Any = client.get("/v1/sessions", format="xlsx")
    assert (answer.status, answer.json["field"]) == (422, "format")
    assert answer.json["detail"] == "format must be csv or json"


@pytest.mark.parametrize(
    ("accept", "is_table"),
    [
        ("text/csv", True),
        ("TEXT/CSV", True),
        ("application/json;q=0.1, text/csv", True),
        ("text/csv;q=0", False),
        ("text/csv;q=0.1, application/json;q=0.9", False),
        ("*/*", False),
        ("text/csv;q=often", False),
    ],
)
def test_the_format_is_what_is_accepted_most(client: Client, accept: str, is_table: bool) -> None:
    answer = client.request("GET", "/v1/sessions", headers={"Accept": accept})
    assert (answer.status, answer.headers["vary"]) == (200, "Accept")
    assert answer.headers["content-type"].startswith("text/csv") == is_table
    # A list that is no table is as long as ever.
    longest = client.request("GET", "/v1/sessions?limit=5000", headers={"Accept": accept})
    assert longest.status == (200 if is_table else 422)
