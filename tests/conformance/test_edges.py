"""A reading describes the time before its timestamp: windows, hours, days and assignments take those of (from, to]."""

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.support.readings import hours_ago, insert_meter_readings, insert_vehicle_readings
from tests.support.service import Client

Connection = psycopg.Connection[TupleRow]

US = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
QUARTER = 15 * MINUTE


def day() -> datetime:
    """A midnight (UTC) some days ago."""
    return hours_ago(24 * 5).replace(hour=0)


def assign(connection: Connection, meter: str, vehicle: str, begins: datetime, ends: datetime) -> None:
    connection.execute(
        "INSERT INTO telemetry.assignment (meter_id, vehicle_id, during) VALUES (%s, %s, tstzrange(%s, %s))",
        [meter, vehicle, begins, ends],
    )


def refresh(connection: Connection, midnight: datetime) -> None:
    connection.execute("CALL api.refresh_rollups(%s, %s)", [midnight - 2 * DAY, midnight + 3 * DAY])


def ask(client: Client, path: str, begins: datetime, ends: datetime, **query: str) -> Any:
    """An answer over (begins, ends]."""
    answer = client.get(f"/v1/analytics/{path}", from_=begins.isoformat(), to=ends.isoformat(), **query)
    assert answer.status == 200, answer.body
    return answer.json


def test_a_register_read_at_the_hand_over_counts_for_the_vehicle_that_leaves(
    client: Client, connection: Connection
) -> None:
    at = day() + 6 * HOUR
    registers = [(at - 5 * MINUTE, 50.0), (at, 50.0), (at + 2 * HOUR, 62.0), (at + 3 * HOUR, 63.0)]
    insert_meter_readings(connection, (("M-1", instant, kwh, 230.0) for instant, kwh in registers))
    connection.execute("INSERT INTO telemetry.meter (meter_id, energy_reading) VALUES ('M-1', 'register')")
    assign(connection, "M-1", "a", at, at + 2 * HOUR)
    assign(connection, "M-1", "b", at + 2 * HOUR, at + 3 * HOUR)
    refresh(connection, day())
    for begins, ends in ((at, at + 3 * HOUR), (at - HOUR, at + 5 * HOUR), (at - 7 * MINUTE, at + 3 * HOUR + MINUTE)):
        told = [ask(client, f"performance/{vehicle}", begins, ends)["totalEnergy"]["acConsumedKwh"] for vehicle in "ab"]
        assert told == [12.0, 1.0]
        fed = ask(client, "meters/M-1", begins, ends)["vehicles"]
        assert [(one["vehicleId"], one["acConsumedKwh"]) for one in fed] == [("a", 12.0), ("b", 1.0)]
        assert ask(client, "fleet", begins, ends)["acAttributedKwh"] == 13.0


def test_the_quarter_hours_of_a_day_stamped_at_their_ends_belong_to_it(client: Client, connection: Connection) -> None:
    midnight = day()
    at = [midnight + QUARTER * number for number in range(1, 97)]
    insert_meter_readings(connection, (("D-1", instant, 0.25, 230.0) for instant in at))
    insert_vehicle_readings(connection, (("D-1", instant, 50.0, 0.2, 20.0) for instant in at))
    refresh(connection, midnight)
    for path in ("performance/D-1/series", "fleet/series"):
        series = ask(client, path, midnight - DAY, midnight + 2 * DAY, bucket="day")
        assert [one["readings"] for one in series["buckets"]] == [
            {"meter": count, "vehicle": count} for count in (0, 96, 0)
        ]
        assert series["buckets"][1]["totalEnergy"] == {
            "acConsumedKwh": 24.0,
            "dcDeliveredKwh": 19.2,
            "dcElsewhereKwh": 0.0,
        }
    for rollup, buckets in (
        ("hourly", [(midnight + HOUR * hour, 4) for hour in range(24)]),
        ("daily", [(midnight, 96)]),
    ):
        for device in ("meter", "vehicle"):
            shown = f"SELECT bucket_start, readings FROM api.{device}_{rollup} WHERE bucket_start >= %s ORDER BY 1"
            assert connection.execute(shown.encode(), [midnight]).fetchall() == buckets
            assert connection.execute(shown.encode(), [midnight + DAY]).fetchall() == []
    per_day = connection.execute("SELECT relation, day_start, readings FROM api.readings_per_day ORDER BY 1")
    assert per_day.fetchall() == [(f"{device}_telemetry_history", midnight, 96) for device in ("meter", "vehicle")]


@pytest.mark.parametrize("plug_out", [2 * HOUR, 2 * HOUR + 20 * MINUTE], ids=["on_an_hour", "within_an_hour"])
def test_a_vehicles_reading_stamped_at_plug_out_is_of_the_session(
    client: Client, connection: Connection, plug_out: timedelta
) -> None:
    # The charger hands over to the next vehicle in the same instant; the last value of a session is stamped with it.
    begins = day() + 6 * HOUR
    ends = begins + plug_out
    for vehicle, since, until in (("a", begins, ends), ("b", ends, ends + HOUR)):
        insert_vehicle_readings(connection, [(vehicle, since, 40.0, 0.0, 20.0), (vehicle, until, 60.0, 8.0, 20.0)])
        assign(connection, "M-1", vehicle, since, until)
    drawn = ((begins, 0.0), (ends, 10.0), (ends + HOUR, 9.0))
    insert_meter_readings(connection, [("M-1", at, kwh, 230.0) for at, kwh in drawn])
    refresh(connection, day())
    for vehicle, since, until, ac_kwh in (("a", begins, ends, 10.0), ("b", ends, ends + HOUR, 9.0)):
        session = ask(client, f"performance/{vehicle}", since, until)
        assert session["totalEnergy"] == {"acConsumedKwh": ac_kwh, "dcDeliveredKwh": 8.0, "dcElsewhereKwh": 0.0}
        assert session["readings"] == {"meter": 1, "vehicle": 1}
    losses = ask(client, "losses", begins - HOUR, ends + 3 * HOUR, below="1.0")
    assert [(one["acConsumedKwh"], one["dcDeliveredKwh"]) for one in losses["meters"]["listed"]] == [(19.0, 16.0)]


@pytest.mark.parametrize("bucket", ["hour", "day"])
def test_a_reading_on_an_edge_of_buckets_belongs_to_the_one_that_ends(
    client: Client, connection: Connection, bucket: str
) -> None:
    # Intervals by D-1, a register by D-2, on the edge and a microsecond on either side of it.
    length = HOUR if bucket == "hour" else DAY
    edge = day() + length
    steps = [(edge - US, 0.125), (edge, 0.25), (edge + US, 0.5)]
    for device, base in (("D-1", 0.0), ("D-2", 100.0)):
        kwh, rows = base, [] if device == "D-1" else [(day() - DAY, base)]
        for at, step in steps:
            kwh = step if device == "D-1" else kwh + step
            rows.append((at, kwh))
        insert_meter_readings(connection, [(device, at, value, 230.0) for at, value in rows])
        insert_vehicle_readings(connection, [(device, at, 50.0, value, 20.0) for at, value in rows])
    for kind in ("meter", "vehicle"):
        connection.execute(f"INSERT INTO telemetry.{kind} ({kind}_id, energy_reading) VALUES ('D-2', 'register')")
    refresh(connection, day())
    window = (edge - length, edge + length)
    for path, devices in (("performance/D-1/series", 1), ("performance/D-2/series", 1), ("fleet/series", 2)):
        for zone in ("UTC",) if bucket == "day" else ("UTC", "Europe/Berlin"):
            buckets = ask(client, path, *window, bucket=bucket, timezone=zone)["buckets"]
            assert [one["totalEnergy"] for one in buckets] == [
                {"acConsumedKwh": kwh * devices, "dcDeliveredKwh": kwh * devices, "dcElsewhereKwh": 0.0}
                for kwh in (0.375, 0.5)
            ]
            assert [one["readings"]["meter"] for one in buckets] == [2 * devices, devices]


def test_a_kind_holds_for_readings_stamped_after_its_instant(client: Client, connection: Connection) -> None:
    at = day() + 6 * HOUR
    rows = [(at - HOUR, 1.0), (at, 2.0), (at + 10 * MINUTE, 500.0), (at + HOUR, 503.0)]
    insert_meter_readings(connection, (("D-1", instant, kwh, 230.0) for instant, kwh in rows))
    insert_vehicle_readings(connection, (("D-1", instant, 50.0, kwh, 20.0) for instant, kwh in rows))
    for kind in ("meter", "vehicle"):
        connection.execute(f"SELECT api.set_{kind}_kind('D-1', 'interval', NULL, NULL)")
        connection.execute(f"SELECT api.set_{kind}_kind('D-1', 'register', NULL, %s)", [at])
    refresh(connection, day())
    told = ask(client, "performance/D-1", at - 2 * HOUR, at + 2 * HOUR)
    assert told["totalEnergy"] == {"acConsumedKwh": 6.0, "dcDeliveredKwh": 6.0, "dcElsewhereKwh": 0.0}
