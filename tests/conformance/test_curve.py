"""Curves: power and what else readings say, minute by minute, from intervals and registers alike."""

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.support.readings import hours_ago, insert_meter_readings, insert_vehicle_readings
from tests.support.service import Client

Connection = psycopg.Connection[TupleRow]

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def noon() -> datetime:
    """A whole hour (UTC) that is over."""
    return hours_ago(30)


def keep(connection: Connection, every: timedelta, *, minutes: int = 60) -> None:
    """Readings of M-1 and V-1 over an hour: 6 kW in its first half, 12 kW in the second; nine tenths arrive."""
    for number in range(1, minutes * MINUTE // every + 1):
        place = number * every
        kwh = (6.0 if place <= 30 * MINUTE else 12.0) * (every / HOUR)
        insert_meter_readings(connection, [("M-1", noon() + place, kwh, 230.0 + number % 2)])
        insert_vehicle_readings(connection, [("V-1", noon() + place, 40.0 + number, kwh * 0.9, 20.0 + number % 2)])


def ask(client: Client, path: str, begins: timedelta, ends: timedelta, **query: Any) -> Any:
    window = {"from_": (noon() + begins).isoformat(), "to": (noon() + ends).isoformat()}
    answer = client.get(f"/v1/analytics/{path}/curve", **window, **query)
    assert answer.status == 200, answer.body
    return answer.json


def test_a_curve_has_power_and_what_readings_say_of_every_bucket(client: Client, connection: Connection) -> None:
    # A minute before, so that the first reading has one before it.
    insert_meter_readings(connection, [("M-1", noon(), 0.0, 230.0)])
    insert_vehicle_readings(connection, [("V-1", noon(), 40.0, 0.0, 20.0)])
    keep(connection, MINUTE)
    curve = ask(client, "vehicles/V-1", 20 * MINUTE, 40 * MINUTE, bucket="5m")
    assert (curve["vehicleId"], curve["bucket"], curve["pending"]) == ("V-1", "5m", False)
    assert [point["powerKw"] for point in curve["points"]] == [5.4, 5.4, 10.8, 10.8]
    assert [point["soc"] for point in curve["points"]] == [65.0, 70.0, 75.0, 80.0]
    assert [point["batteryTemp"] for point in curve["points"]] == [20.6, 20.4, 20.6, 20.4]
    assert [point["readings"] for point in curve["points"]] == [5] * 4
    meter = ask(client, "meters/M-1", 0 * HOUR, HOUR, bucket="15m")
    assert [point["powerKw"] for point in meter["points"]] == [6.0, 6.0, 12.0, 12.0]
    assert [point["acConsumedKwh"] for point in meter["points"]] == [1.5, 1.5, 3.0, 3.0]
    assert meter["points"][0]["window"]["to"] == meter["points"][1]["window"]["from"]
    by_default = ask(client, "meters/M-1", 0 * HOUR, HOUR)
    assert (by_default["bucket"], len(by_default["points"])) == ("5m", 12)


def test_a_window_cuts_the_first_and_the_last_bucket(client: Client, connection: Connection) -> None:
    keep(connection, MINUTE)
    curve = ask(client, "meters/M-1", 2 * MINUTE + timedelta(seconds=30), 12 * MINUTE, bucket="5m")
    assert [point["readings"] for point in curve["points"]] == [3, 5, 2]
    whole = client.get(
        "/v1/analytics/meters/M-1",
        from_=(noon() + 2 * MINUTE + timedelta(seconds=30)).isoformat(),
        to=(noon() + 12 * MINUTE).isoformat(),
    ).json
    assert sum(point["acConsumedKwh"] for point in curve["points"]) == pytest.approx(whole["acConsumedKwh"])


def test_of_sparse_readings_the_power_is_the_mean_since_the_one_before_and_gaps_are_null(
    client: Client, connection: Connection
) -> None:
    keep(connection, 15 * MINUTE)
    points = ask(client, "meters/M-1", 0 * HOUR, HOUR, bucket="1m")["points"]
    assert len(points) == 60
    known = {number + 1: point["powerKw"] for number, point in enumerate(points) if point["readings"]}
    # Of the first one nobody knows how long it took.
    assert known == {15: None, 30: 6.0, 45: 12.0, 60: 12.0}
    assert points[0] | {"window": None} == {
        "window": None, "acConsumedKwh": None, "powerKw": None, "voltage": None, "readings": 0,
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["register", "session"])
def test_a_register_has_the_curve_of_its_steps(client: Client, connection: Connection, kind: str) -> None:
    connection.execute("SELECT api.set_meter_kind('M-1', %s, NULL, NULL)", [kind])
    values = (100.0, 101.0, 103.0, 0.5, 1.5)
    rows = [("M-1", noon() + number * 15 * MINUTE, kwh, 230.0) for number, kwh in enumerate(values)]
    insert_meter_readings(connection, rows)
    points = ask(client, "meters/M-1", -15 * MINUTE, HOUR, bucket="15m")["points"]
    # A baseline, two plain steps, a reset that counts its value, a plain step.
    assert [point["acConsumedKwh"] for point in points] == [None, 1.0, 2.0, 0.5, 1.0]
    assert [point["powerKw"] for point in points] == [None, 4.0, 8.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("query", "field", "detail"),
    [
        ({"bucket": "10m"}, "bucket", "bucket must be 15m, 1m or 5m"),
        ({"bucket": "1m", "from": "2026-11-01T00:00:00Z", "to": "2026-11-04T00:00:00Z"}, "from",
            "a curve must have at most 3,000 points, which are 50 hours by 1m: ask for less, or with a longer bucket, "
            "such as 15m"),
    ],
)  # fmt: skip
def test_a_curve_that_cannot_be_is_named(client: Client, query: dict[str, str], field: str, detail: str) -> None:
    client.ingest({"meterId": "M-1", "kwhConsumedAc": 0, "voltage": 230, "timestamp": hours_ago(0)})
    answer = client.get("/v1/analytics/meters/M-1/curve", **query)
    assert (answer.status, answer.json["field"], answer.json["detail"]) == (422, field, detail)


@pytest.mark.parametrize("path", ["meters", "vehicles"])
def test_a_device_never_heard_of_has_no_curve(client: Client, path: str) -> None:
    answer = client.get(f"/v1/analytics/{path}/nobody/curve")
    assert (answer.status, answer.json["code"]) == (404, f"unknown_{path[:-1]}")


def test_a_register_of_whole_kwh_charges_at_a_steady_power(client: Client, connection: Connection) -> None:
    connection.execute("SELECT api.set_meter_kind('M-1', 'register', NULL, NULL)")
    rows = [("M-1", noon() + minute * MINUTE, 500.0 + 11 * minute // 60, 230.0) for minute in range(121)]
    insert_meter_readings(connection, rows)
    points = ask(client, "meters/M-1", 15 * MINUTE, 2 * HOUR, bucket="15m")["points"]
    assert [point["powerKw"] for point in points] == [pytest.approx(11.0, rel=0.15)] * 7
    assert sum(point["acConsumedKwh"] for point in points) == 20.0
