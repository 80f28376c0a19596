"""Answers bucket by bucket: a vehicle's and the fleet's series, in any time zone."""

import itertools
from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.support.readings import (
    hours_ago,
    insert_meter_readings,
    insert_vehicle_readings,
    meter_reading,
    vehicle_reading,
)
from tests.support.service import Client

Connection = psycopg.Connection[TupleRow]

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
VEHICLE_SERIES = "/v1/analytics/performance/V-1/series"
FLEET_SERIES = "/v1/analytics/fleet/series"
METER_SERIES = "/v1/analytics/meters/M-1/series"


def fill(connection: Connection, begins: datetime, ends: datetime, step: timedelta = 7 * MINUTE) -> None:
    """Two meters and two vehicles with a reading every so often, no two of one energy; V-1 moves from M-1 to M-2."""
    instants = [begins + step * i for i in range(int((ends - begins) / step))]
    for number in (1, 2):
        insert_meter_readings(
            connection, [(f"M-{number}", at, number + i / 1000, 230.0) for i, at in enumerate(instants)]
        )
        insert_vehicle_readings(
            connection,
            [(f"V-{number}", at, 50.0, number * 0.9 + i / 2000, 20.0 + i % 9) for i, at in enumerate(instants)],
        )
    moved = begins + (ends - begins) / 2 + timedelta(seconds=17)
    connection.execute(
        "INSERT INTO telemetry.assignment (meter_id, vehicle_id, during) VALUES "
        "('M-1', 'V-1', tstzrange(%(from)s, %(moved)s)), ('M-2', 'V-1', tstzrange(%(moved)s, NULL)), "
        "('M-1', 'V-2', tstzrange(%(later)s, NULL))",
        {"from": begins - DAY, "moved": moved, "later": moved + 3 * HOUR},
    )
    connection.execute("CALL api.refresh_rollups(%s, %s)", [begins - HOUR, ends + HOUR])


def ask(client: Client, path: str, begins: datetime, ends: datetime, **query: str) -> Any:
    """An answer over (begins, ends]."""
    answer = client.get(path, from_=begins.isoformat(), to=ends.isoformat(), **query)
    assert answer.status == 200, answer.body
    return answer.json


def edges(series: Any) -> list[datetime]:
    """The instants at which a series cuts its window, both ends of that included; buckets have to meet."""
    windows = [bucket["window"] for bucket in series["buckets"]]
    assert all(one["to"] == following["from"] for one, following in itertools.pairwise(windows))
    return [datetime.fromisoformat(at) for at in (*(one["from"] for one in windows), windows[-1]["to"])]


def total(buckets: Sequence[Any], side: str) -> float:
    """The sum of one side's energy over buckets, kWh."""
    return sum(bucket["totalEnergy"][side] or 0 for bucket in buckets)


@pytest.mark.parametrize("timezone", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
@pytest.mark.parametrize("bucket", ["hour", "day"])
def test_buckets_add_up_to_the_window_and_each_is_the_answer_of_its_own_window(
    client: Client, connection: Connection, bucket: str, timezone: str
) -> None:
    begins = hours_ago(24 * 5)
    fill(connection, begins, begins + 50 * HOUR)
    window = (begins + 3 * HOUR + 11 * MINUTE, begins + 47 * HOUR + 29 * MINUTE + timedelta(microseconds=3))
    for path, whole_path, same in (
        (VEHICLE_SERIES, "/v1/analytics/performance/V-1", ("totalEnergy", "efficiencyRatio", "avgBatteryTemp")),
        (FLEET_SERIES, "/v1/analytics/fleet", ("totalEnergy", "efficiencyRatio", "matched", "seen", "acAttributedKwh")),
    ):
        if (path, bucket, timezone) == (FLEET_SERIES, "hour", "Asia/Kolkata"):
            continue  # more cut hours than a series of the fleet reads
        series, whole = ask(client, path, *window, bucket=bucket, timezone=timezone), ask(client, whole_path, *window)
        cut = edges(series)
        assert (cut[0], cut[-1]) == window
        assert total(series["buckets"], "acConsumedKwh") == pytest.approx(
            whole["totalEnergy"]["acConsumedKwh"], abs=1e-6 * len(cut)
        )
        assert total(series["buckets"], "dcDeliveredKwh") == pytest.approx(
            whole["totalEnergy"]["dcDeliveredKwh"], abs=1e-6 * len(cut)
        )
        for side in ("meter", "vehicle"):
            assert sum(one["readings"][side] for one in series["buckets"]) == whole["readings"][side]
        for index in (0, len(cut) // 2, len(cut) - 2):
            own, alone = series["buckets"][index], ask(client, whole_path, cut[index], cut[index + 1])
            for name in (*same, "readings", "coverage"):
                assert own[name] == pytest.approx(alone[name]), (name, index)


# The last change of the clocks in spring and in autumn, and the day's length on it.
@pytest.mark.parametrize(("change", "length"), [("2026-03-29", 23 * HOUR), ("2025-10-26", 25 * HOUR)])
def test_a_day_on_which_the_clocks_change_has_23_or_25_hours(
    client: Client, connection: Connection, change: str, length: timedelta
) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    midnight = datetime.fromisoformat(change).replace(tzinfo=berlin)
    next_midnight = (datetime.fromisoformat(change) + DAY).replace(tzinfo=berlin)
    begins, ends = midnight.astimezone(ZoneInfo("UTC")), next_midnight.astimezone(ZoneInfo("UTC"))
    assert ends - begins == length
    fill(connection, begins - DAY, ends + DAY)
    series = ask(client, VEHICLE_SERIES, begins - DAY, ends + DAY, bucket="day", timezone="Europe/Berlin")
    assert edges(series) == [begins - DAY, begins, ends, ends + DAY]
    assert series["buckets"][1]["readings"]["vehicle"] == pytest.approx(length / (7 * MINUTE), abs=1)
    hours = ask(client, VEHICLE_SERIES, begins, ends, bucket="hour", timezone="Europe/Berlin")
    assert len(hours["buckets"]) == length / HOUR


@pytest.mark.parametrize("timezone", ["Europe/Berlin", "Asia/Kolkata"])
def test_weeks_months_and_years_are_those_of_the_calendar_and_add_up(
    client: Client, connection: Connection, timezone: str
) -> None:
    zone = ZoneInfo(timezone)
    begins, ends = hours_ago(24 * 80) + 11 * MINUTE, hours_ago(24 * 2) - 29 * MINUTE
    fill(connection, begins, ends, 397 * MINUTE)
    whole = ask(client, VEHICLE_SERIES, begins, ends, bucket="day", timezone=timezone)["buckets"]
    starts: dict[str, Callable[[datetime], bool]] = {
        "week": lambda at: at.weekday() == 0,
        "month": lambda at: at.day == 1,
        "year": lambda at: at.day == at.month == 1,
    }
    for bucket, is_begin in starts.items():
        series = ask(client, VEHICLE_SERIES, begins, ends, bucket=bucket, timezone=timezone)
        cut = edges(series)
        assert (cut[0], cut[-1]) == (begins, ends)
        local = [at.astimezone(zone) for at in cut]
        assert all(at.time() == time() and is_begin(at) for at in local[1:-1])
        midnights = [(local[0] + DAY * n).replace(hour=0, minute=0) for n in range(1, 80)]
        assert len(cut) - 2 == sum(is_begin(at) for at in midnights if begins < at < ends)
        for side in ("acConsumedKwh", "dcDeliveredKwh"):
            assert total(series["buckets"], side) == pytest.approx(total(whole, side), abs=1e-4)
        for one, since, until in zip(series["buckets"], cut, cut[1:], strict=False):
            days = [day for day in whole if since <= datetime.fromisoformat(day["window"]["from"]) < until]
            assert total([one], "dcDeliveredKwh") == pytest.approx(total(days, "dcDeliveredKwh"), abs=1e-4)
    fleet = ask(client, FLEET_SERIES, ends - 30 * DAY, ends, bucket="week", timezone=timezone)
    alone = ask(client, "/v1/analytics/fleet", ends - 30 * DAY, ends)
    assert total(fleet["buckets"], "acConsumedKwh") == pytest.approx(alone["totalEnergy"]["acConsumedKwh"], abs=1e-4)


@pytest.mark.parametrize("is_register", [False, True], ids=["intervals", "register"])
@pytest.mark.parametrize(("bucket", "timezone"), [("hour", "Asia/Kolkata"), ("day", "Europe/Berlin"), ("week", "UTC")])
def test_a_meters_series_adds_up_and_each_bucket_is_the_answer_of_its_own_window(
    client: Client, connection: Connection, bucket: str, timezone: str, is_register: bool
) -> None:
    begins = hours_ago(24 * 5)
    if is_register:
        assert client.put("/v1/meters/M-1", {"energyReading": "register"}).status == 200
    fill(connection, begins, begins + 50 * HOUR)
    window = (begins + 3 * HOUR + 11 * MINUTE, begins + 47 * HOUR + 29 * MINUTE)
    series = ask(client, METER_SERIES, *window, bucket=bucket, timezone=timezone)
    cut = edges(series)
    assert (cut[0], cut[-1]) == window
    names = ("acConsumedKwh", "acAttributedKwh", "acUnattributedKwh")
    whole = ask(client, "/v1/analytics/meters/M-1", *window)
    for name in names:
        assert sum(one[name] for one in series["buckets"]) == pytest.approx(whole[name], abs=1e-6 * len(cut))
    assert sum(one["readings"] for one in series["buckets"]) == whole["readings"]
    assert whole["acUnattributedKwh"] > 0
    # Where the window has no Monday, a week is all of it.
    for index in {0, (len(cut) - 1) // 2, len(cut) - 2}:
        own, alone = series["buckets"][index], ask(client, "/v1/analytics/meters/M-1", cut[index], cut[index + 1])
        for name in (*names, "readings", "coverage", "pending"):
            assert own[name] == pytest.approx(alone[name], abs=2e-6), (name, index)
        assert own["avgVoltage"] == alone["voltage"]["mean"]


def test_the_series_of_a_meter_without_readings_is_empty_and_of_an_unknown_one_404(client: Client) -> None:
    assert client.get(METER_SERIES).status == 404
    client.put("/v1/meters/M-1", {"name": "One"})
    buckets = client.get(METER_SERIES).json["buckets"]
    assert {(one["acConsumedKwh"], one["acAttributedKwh"], one["readings"]) for one in buckets} == {(None, None, 0)}


def test_only_long_buckets_have_long_windows(client: Client) -> None:
    client.ingest(vehicle_reading("V-1"))
    year = {"from_": (hours_ago(0) - 366 * DAY).isoformat(), "to": hours_ago(0).isoformat()}
    for bucket in ("day", "week", "month", "year"):
        assert client.get(VEHICLE_SERIES, **year, bucket=bucket).status == 200
    answer = client.get(VEHICLE_SERIES, **year, bucket="hour")
    assert (answer.status, answer.json["field"]) == (422, "from")


def test_a_day_of_a_half_hour_zone_begins_within_an_hour_and_is_exact(client: Client, connection: Connection) -> None:
    begins = hours_ago(24 * 5).replace(hour=18) + 30 * MINUTE
    edge = begins + DAY
    rows = [edge - timedelta(microseconds=1), edge, edge + timedelta(microseconds=1)]
    insert_vehicle_readings(connection, [("V-1", at, 50.0, 2.0**i, 20.0) for i, at in enumerate(rows)])
    connection.execute("CALL api.refresh_rollups(%s, %s)", [begins, edge + DAY])
    series = ask(client, VEHICLE_SERIES, begins, edge + DAY, bucket="day", timezone="Asia/Kolkata")
    assert [bucket["totalEnergy"]["dcDeliveredKwh"] for bucket in series["buckets"]] == [3.0, 4.0]


def test_every_bucket_is_there_and_says_why_it_knows_nothing(client: Client, connection: Connection) -> None:
    begins = hours_ago(24 * 3)
    insert_vehicle_readings(connection, [("V-1", begins + 90 * MINUTE, 50.0, 1.0, 20.0)])
    connection.execute("CALL api.refresh_rollups(%s, %s)", [begins, begins + 5 * HOUR])
    series = ask(client, VEHICLE_SERIES, begins, begins + 4 * HOUR)
    assert [bucket["totalEnergy"]["dcDeliveredKwh"] for bucket in series["buckets"]] == [None, 1.0, None, None]
    assert [bucket["reasons"]["dcDeliveredKwh"] for bucket in series["buckets"]] == [
        "no_readings",
        None,
        "no_readings",
        "no_readings",
    ]
    assert {bucket["reasons"]["acConsumedKwh"] for bucket in series["buckets"]} == {"no_assignment"}
    assert {bucket["totalEnergy"]["acConsumedKwh"] for bucket in series["buckets"]} == {None}
    empty = ask(client, FLEET_SERIES, begins + 2 * HOUR, begins + 4 * HOUR)
    assert [bucket["reasons"]["efficiencyRatio"] for bucket in empty["buckets"]] == ["no_readings"] * 2


@pytest.mark.parametrize("path", [VEHICLE_SERIES, FLEET_SERIES, METER_SERIES])
def test_a_zone_or_a_bucket_that_nobody_knows_is_422(client: Client, path: str) -> None:
    client.ingest(vehicle_reading("V-1"), meter_reading("M-1"))
    zones = ("Europe/Atlantis", "CEST", "europe/berlin", "UTC+3", "", "Europe/Berlin'", "posix/UTC;", "../UTC")
    for field, value in (*(("timezone", zone) for zone in zones), ("bucket", "fortnight"), ("bucket", "window")):
        answer = client.get(path, **{field: value})
        assert (answer.status, answer.json["code"], answer.json["field"]) == (422, "invalid_parameter", field), value


def test_a_series_of_the_fleet_has_a_limit_of_buckets(client: Client) -> None:
    ends = hours_ago(24)
    assert client.get(FLEET_SERIES, from_=(ends - 7 * DAY).isoformat(), to=ends.isoformat()).status == 200
    answer = client.get(FLEET_SERIES, from_=(ends - 8 * DAY).isoformat(), to=ends.isoformat())
    assert (answer.status, answer.json["field"]) == (422, "from")
    days = {"from_": (ends - 8 * DAY).isoformat(), "to": ends.isoformat(), "bucket": "day"}
    assert client.get(FLEET_SERIES, **days, timezone="Europe/Berlin").status == 200
    answer = client.get(FLEET_SERIES, **days, timezone="Asia/Kolkata")
    assert (answer.status, answer.json["field"]) == (422, "timezone")


def test_the_series_of_a_vehicle_never_heard_of_is_404(client: Client) -> None:
    assert client.get(VEHICLE_SERIES).status == 404
