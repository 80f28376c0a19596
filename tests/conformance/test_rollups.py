"""Rollups: equal to a recomputation from the history, and whole where the history was dropped."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from app.config import Settings
from app.db import migrate
from app.db.pool import call
from app.db.queries import query
from tests.support.readings import (
    hours_ago,
    insert_meter_readings,
    insert_vehicle_readings,
    meter_reading,
    minutes_ago,
    now,
    vehicle_reading,
)
from tests.support.servers import ONLY_TIMESCALE, run_jobs
from tests.support.service import Client, running_service

Connection = psycopg.Connection[TupleRow]

US = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ONLY_POSTGRES = pytest.mark.parametrize("server", ["postgres"], indirect=True)

# float4 columns are read as float8, so that they show every bit they have.
METER_ROLLUP = """
    SELECT
        meter_id, bucket_start, readings,
        energy_ac_sum_kwh, energy_ac_min_kwh, energy_ac_max_kwh, energy_ac_first_kwh, energy_ac_last_kwh,
        first_recorded_at, last_recorded_at,
        voltage_sum_v, voltage_min_v::float8, voltage_max_v::float8
    FROM telemetry.meter_hourly
"""
VEHICLE_ROLLUP = """
    SELECT
        vehicle_id, bucket_start, readings,
        energy_dc_sum_kwh, energy_dc_min_kwh, energy_dc_max_kwh, energy_dc_first_kwh, energy_dc_last_kwh,
        first_recorded_at, last_recorded_at,
        soc_first_pct::float8, soc_last_pct::float8, soc_min_pct::float8, soc_max_pct::float8,
        battery_temp_sum_c, battery_temp_min_c::float8, battery_temp_max_c::float8
    FROM telemetry.vehicle_hourly
"""
METER_DAYS, VEHICLE_DAYS = (statement.replace("_hourly", "_daily") for statement in (METER_ROLLUP, VEHICLE_ROLLUP))
METER_HISTORY = """
    SELECT meter_id, recorded_at, energy_ac_kwh, voltage_v::float8 FROM telemetry.meter_telemetry_history
"""
VEHICLE_HISTORY = """
    SELECT vehicle_id, recorded_at, energy_dc_kwh, soc_pct::float8, battery_temp_c::float8
    FROM telemetry.vehicle_telemetry_history
"""

Rollup = dict[tuple[str, datetime], tuple[Any, ...]]


def rollup(connection: Connection, statement: str) -> Rollup:
    """Rows of a rollup by device and bucket; a key that comes twice is an error."""
    rows = connection.execute(statement.encode()).fetchall()
    found = {(row[0], row[1]): row[2:] for row in rows}
    assert len(found) == len(rows)
    return found


def recomputed(
    connection: Connection, history: str, summarise: Callable[[list[TupleRow]], tuple[Any, ...]]
) -> tuple[Rollup, Rollup]:
    """What the rollups of a history have to be: its readings by hour and by day (UTC), in order of time, summarised."""
    hours: dict[tuple[str, datetime], list[TupleRow]] = defaultdict(list)
    days: dict[tuple[str, datetime], list[TupleRow]] = defaultdict(list)
    for row in sorted(connection.execute(history.encode()).fetchall()):
        # Buckets begin a microsecond after their hour, and take a reading stamped with its end.
        hour = (row[1] - US).replace(minute=0, second=0, microsecond=0)
        hours[row[0], hour + US].append(row)
        days[row[0], hour.replace(hour=0) + US].append(row)
    by_hour, by_day = ({key: summarise(rows) for key, rows in buckets.items()} for buckets in (hours, days))
    return by_hour, by_day


def meter_hour(rows: list[TupleRow]) -> tuple[Any, ...]:
    energies, voltages = [row[2] for row in rows], [row[3] for row in rows]
    return (
        *(len(rows), sum(energies), min(energies), max(energies), energies[0], energies[-1]),
        *(rows[0][1], rows[-1][1]),
        *(sum(voltages), min(voltages), max(voltages)),
    )


def vehicle_hour(rows: list[TupleRow]) -> tuple[Any, ...]:
    energies, socs, temps = ([row[column] for row in rows] for column in (2, 3, 4))
    return (
        *(len(rows), sum(energies), min(energies), max(energies), energies[0], energies[-1]),
        *(rows[0][1], rows[-1][1]),
        *(socs[0], socs[-1], min(socs), max(socs)),
        *(sum(temps), min(temps), max(temps)),
    )


def check_equal(found: Rollup, expected: Rollup) -> None:
    assert found.keys() == expected.keys()
    for hour, figures in expected.items():
        # Only sums depend on the order of adding; what is no float has to be equal as it is.
        assert found[hour] == tuple(
            pytest.approx(figure, rel=1e-12, abs=1e-9) if isinstance(figure, float) else figure for figure in figures
        ), hour


def check_rollups(connection: Connection, at_least: int = 1) -> None:
    """Hold all rollups to a recomputation from the history, of so many hours of each kind of device at least."""
    for history, hourly, daily, summarise in (
        (METER_HISTORY, METER_ROLLUP, METER_DAYS, meter_hour),
        (VEHICLE_HISTORY, VEHICLE_ROLLUP, VEHICLE_DAYS, vehicle_hour),
    ):
        hours, days = recomputed(connection, history, summarise)
        assert len(hours) >= at_least
        check_equal(rollup(connection, hourly), hours)
        check_equal(rollup(connection, daily), days)


def some_readings(seed: int, start: datetime, end: datetime, how_many: int) -> list[dict[str, Any]]:
    """Readings of three meters and three vehicles at random instants of (start, end), some on whole hours."""
    draw = random.Random(seed)
    readings = []
    for _ in range(how_many):
        at = start + timedelta(
            seconds=draw.randrange(int((end - start).total_seconds())), microseconds=draw.randrange(9)
        )
        if draw.random() < 0.2:
            at = at.replace(minute=0, second=0, microsecond=0)
        at = max(at, start + US)
        device = draw.randrange(3)
        if draw.random() < 0.5:
            values = {"kwhConsumedAc": draw.randrange(1000) / 1000, "voltage": 220 + draw.randrange(200) / 10}
            readings.append(meter_reading(f"M-{device}", at, **values))
        else:
            values = {
                "soc": draw.randrange(1000) / 10,
                "kwhDeliveredDc": draw.randrange(1000) / 1000,
                "batteryTemp": draw.randrange(-200, 500) / 10,
            }
            readings.append(vehicle_reading(f"V-{device}", at, **values))
    return readings


def in_batches(client: Client, readings: list[dict[str, Any]], size: int) -> None:
    for i in range(0, len(readings), size):
        client.ingest(*readings[i : i + size])


def insert_both(connection: Connection, instants: Iterable[datetime], device: int = 1) -> None:
    """Keep a meter's reading of 0.5 kWh and a vehicle's of 0.25 kWh at each instant, by SQL."""
    instants = list(instants)
    insert_meter_readings(connection, ((f"M-{device}", at, 0.5, 230.0) for at in instants))
    insert_vehicle_readings(connection, ((f"V-{device}", at, 50.0, 0.25, 20.0) for at in instants))


# Equal to the history


def test_fresh_readings_in_order_show_in_the_rollups_at_once(client: Client, connection: Connection) -> None:
    # A refresh first, so that a continuous aggregate has hours that are materialised and others that are not yet.
    start = hours_ago(6)
    readings = sorted(some_readings(1, start, now(), 300), key=lambda reading: reading["timestamp"])
    in_batches(client, readings[:150], 50)
    connection.execute("CALL api.refresh_rollups(%s, %s)", (start, now()))
    check_rollups(connection)
    fresh = [reading for reading in readings[150:] if reading["timestamp"] >= hours_ago(1)]
    assert len(fresh) >= 10
    for reading in fresh:
        client.ingest(reading)
    check_rollups(connection)


@pytest.mark.parametrize("batch", [1, 40])
def test_rollups_equal_the_history_whatever_the_order_of_arrival(
    client: Client, connection: Connection, batch: int
) -> None:
    readings = some_readings(2, hours_ago(30), now(), 200)
    in_batches(client, readings, batch)
    check_rollups(connection, at_least=20)
    connection.execute("CALL api.refresh_rollups(%s, %s)", (hours_ago(31), now()))
    check_rollups(connection, at_least=20)


def test_late_readings_are_in_the_rollups_after_a_refresh(client: Client, connection: Connection) -> None:
    start = hours_ago(24 * 5)
    in_batches(client, some_readings(3, start, start + DAY, 200), 50)
    connection.execute("CALL api.refresh_rollups(%s, %s)", (start, start + DAY))
    check_rollups(connection, at_least=20)
    for seed in (4, 5):
        # Into hours that have a rollup, before the first of them and after the last.
        in_batches(client, some_readings(seed, start - 3 * HOUR, start + DAY + 3 * HOUR, 60), 7)
        connection.execute("CALL api.refresh_rollups(%s, %s)", (start - 3 * HOUR, start + DAY + 3 * HOUR))
        check_rollups(connection, at_least=24)


def test_late_readings_on_whole_hours_are_in_the_rollups_after_one_refresh(
    client: Client, connection: Connection
) -> None:
    # Two instants that are starts of buckets, late and in one transaction, the later one in the newest bucket there is:
    # a refresh in batches of buckets may stop short of it (timescaledb issue 10221).
    start = hours_ago(24 * 4)
    for device in range(4):
        for kind in (meter_reading, vehicle_reading):
            client.ingest(kind(f"D-{device}", start + 23 * HOUR), kind(f"D-{device}", start + 3 * HOUR))
        connection.execute("CALL api.refresh_rollups(%s, %s)", (start - HOUR, start + 27 * HOUR))
        check_rollups(connection, at_least=2 * device + 2)


def test_refreshes_at_the_same_time_all_complete(
    client: Client, connection: Connection, migrated_database: str
) -> None:
    # An import, upkeep and a job may refresh the same hours at once. TimescaleDB fails all but one of them; they are
    # called by what the service calls them by, which has to see each through.
    start = hours_ago(24 * 5)
    ends = {"from": start, "to": start + 2 * DAY}
    client.ingest(*some_readings(12, start, start + 2 * DAY, 500))

    def refresh(seed: int) -> None:
        for i in range(3):
            client.ingest(*some_readings(100 * seed + i, start, start + 2 * DAY, 50))
            asyncio.run(call(migrated_database, Settings(), "complete_rollups", ends))

    with ThreadPoolExecutor(4) as pool:
        for refreshing in [pool.submit(refresh, seed) for seed in range(13, 17)]:
            refreshing.result()
    check_rollups(connection, at_least=40)


def test_a_refresh_completes_every_hour_that_its_range_touches(client: Client, connection: Connection) -> None:
    start = hours_ago(24 * 5)
    client.ingest(*some_readings(6, start, start + 6 * HOUR, 200))
    connection.execute("CALL api.refresh_rollups(%s, %s)", (start, start + 6 * HOUR))
    client.ingest(*some_readings(7, start + 2 * HOUR, start + 4 * HOUR, 60))
    connection.execute(
        "CALL api.refresh_rollups(%s, %s)",
        (start + 2 * HOUR + 59 * MINUTE, start + 3 * HOUR + timedelta(microseconds=1)),
    )
    check_rollups(connection, at_least=6)


def test_a_refresh_repeated_or_of_an_empty_range_changes_nothing(client: Client, connection: Connection) -> None:
    start = hours_ago(24 * 5)
    client.ingest(*some_readings(8, start, start + 6 * HOUR, 200))
    for range_from, range_to in (
        (start, start + 6 * HOUR),
        (start, start + 6 * HOUR),
        (start + 6 * HOUR, start),
        (start, start),
        (now() + DAY, now() + 2 * DAY),
        (start - 3650 * DAY, now() + 3650 * DAY),
        ("-infinity", "infinity"),
    ):
        connection.execute("CALL api.refresh_rollups(%s, %s)", (range_from, range_to))
        check_rollups(connection, at_least=6)


def test_duplicates_and_conflicts_leave_the_rollups_alone(client: Client, connection: Connection) -> None:
    readings = some_readings(9, hours_ago(3), now(), 100)
    client.ingest(*readings)
    client.ingest(*readings)
    client.ingest(*({**r, "voltage": 1} if "voltage" in r else {**r, "soc": 1} for r in readings))
    check_rollups(connection)


def test_a_refresh_mends_rollups_after_the_history_was_changed_by_hand(client: Client, connection: Connection) -> None:
    start = hours_ago(24 * 5)
    client.ingest(*some_readings(10, start, start + 6 * HOUR, 200))
    connection.execute("CALL api.refresh_rollups(%s, %s)", (start, start + 6 * HOUR))
    connection.execute(
        "UPDATE telemetry.meter_telemetry_history SET energy_ac_kwh = energy_ac_kwh + 1 WHERE meter_id = 'M-1'"
    )
    connection.execute(
        "DELETE FROM telemetry.vehicle_telemetry_history WHERE vehicle_id = 'V-1' AND recorded_at >= %s",
        (start + 2 * HOUR,),
    )
    connection.execute("CALL api.refresh_rollups(%s, %s)", (start, start + 6 * HOUR))
    check_rollups(connection, at_least=6)


@ONLY_TIMESCALE
def test_a_refresh_really_materialises_and_a_late_reading_shows_only_after_another(
    client: Client, connection: Connection
) -> None:
    start = hours_ago(24 * 5)
    client.ingest(*some_readings(11, start, start + 6 * HOUR, 100))
    connection.execute("CALL api.refresh_rollups(%s, %s)", (start, start + 6 * HOUR))
    before = rollup(connection, METER_ROLLUP)
    client.ingest(meter_reading("M-0", start + 3 * HOUR + timedelta(microseconds=77)))
    # That it does not show yet is what the other tests of late readings rest on: the hours above are materialised.
    assert rollup(connection, METER_ROLLUP) == before
    connection.execute("CALL api.refresh_rollups(%s, %s)", (start, start + 6 * HOUR))
    check_rollups(connection, at_least=6)


# The history is kept for a while, the rollups for longer


def set_policy(connection: Connection, meter: str | None, vehicle: str | None) -> None:
    """Set how long the histories are kept; None is forever. The refresh job looks back less far than any of that."""
    connection.execute("UPDATE telemetry.policy SET refresh_start_offset = '5 days' WHERE relation LIKE '%_hourly'")
    for relation, drop_after in (("meter_telemetry_history", meter), ("vehicle_telemetry_history", vehicle)):
        connection.execute(
            "UPDATE telemetry.policy SET drop_after = %s::interval WHERE relation = %s", (drop_after, relation)
        )


def drop_expired(connection: Connection, profile: str) -> None:
    """Drop what the policy no longer keeps, as each profile does."""
    if profile == "timescale":
        for relation in ("meter_telemetry_history", "vehicle_telemetry_history"):
            connection.execute(
                f"SELECT public.drop_chunks('telemetry.{relation}', older_than => "
                f"(SELECT now() - drop_after FROM telemetry.policy WHERE relation = '{relation}'))"
            )
    else:
        connection.execute("CALL api.upkeep()")


def profile_of(connection: Connection) -> str:
    row = connection.execute("SELECT profile FROM telemetry.installation").fetchone()
    assert row is not None
    return str(row[0])


def forty_days(connection: Connection) -> tuple[Rollup, Rollup]:
    """Two devices of a kind that reported every three hours and 20 minutes for 40 days; their rollups, completed."""
    for device in (1, 2):
        insert_both(connection, (now() - 40 * DAY + 200 * MINUTE * i for i in range(40 * 24 * 60 // 200)), device)
    connection.execute("CALL api.refresh_rollups(%s, %s)", (now() - 41 * DAY, now()))
    check_rollups(connection, at_least=500)
    return rollup(connection, METER_ROLLUP), rollup(connection, VEHICLE_ROLLUP)


def oldest_reading(connection: Connection) -> datetime:
    row = connection.execute("SELECT min(recorded_at) FROM telemetry.meter_telemetry_history").fetchone()
    assert row is not None
    assert isinstance(row[0], datetime)
    return row[0]


def test_rollups_outlive_the_history_they_were_made_of(own: Connection) -> None:
    before = forty_days(own)
    performance = "SELECT energy_dc_kwh, vehicle_readings FROM api.vehicle_performance('V-1', %s, %s)"
    window = (hours_ago(24 * 35), hours_ago(24 * 30))
    figures = own.execute(performance, window).fetchone()
    assert figures is not None
    assert figures[1] > 0
    set_policy(own, "20 days", "20 days")
    drop_expired(own, profile_of(own))
    assert now() - 22 * DAY < oldest_reading(own) < now() - 18 * DAY
    for refresh in (
        "CALL api.refresh_rollups(now() - interval '100 days', now())",
        "CALL api.refresh_rollups(now() - interval '30 days', now() - interval '25 days')",
        "CALL api.refresh_rollups(now() - interval '20 days 30 minutes', now())",
        "CALL api.upkeep()",
    ):
        own.execute(refresh)
        assert (rollup(own, METER_ROLLUP), rollup(own, VEHICLE_ROLLUP)) == before, refresh
    assert own.execute(performance, window).fetchone() == figures


def test_each_history_has_a_horizon_of_its_own(own: Connection) -> None:
    before = forty_days(own)
    set_policy(own, "10 days", "30 days")
    drop_expired(own, profile_of(own))
    assert oldest_reading(own) > now() - 12 * DAY
    assert own.execute(
        "SELECT min(recorded_at) < now() - interval '28 days' FROM telemetry.vehicle_telemetry_history"
    ).fetchone() == (True,)
    own.execute("CALL api.refresh_rollups(now() - interval '100 days', now())")
    assert (rollup(own, METER_ROLLUP), rollup(own, VEHICLE_ROLLUP)) == before


def test_rollups_stay_whole_when_the_history_is_to_be_kept_longer_again(own: Connection) -> None:
    # What was dropped stays dropped when the policy is lengthened; a refresh that goes by the new policy alone takes
    # the gap for hours without readings. A late reading from within the gap is taken, and does not change that.
    before = forty_days(own)
    set_policy(own, "20 days", "20 days")
    drop_expired(own, profile_of(own))
    set_policy(own, "400 days", "400 days")
    own.execute("CALL api.refresh_rollups(now() - interval '100 days', now())")
    own.execute("CALL api.upkeep()")
    assert (rollup(own, METER_ROLLUP), rollup(own, VEHICLE_ROLLUP)) == before
    insert_both(own, [now() - 35 * DAY], device=9)
    own.execute("CALL api.refresh_rollups(now() - interval '100 days', now())")
    own.execute("CALL api.upkeep()")
    after = rollup(own, METER_ROLLUP), rollup(own, VEHICLE_ROLLUP)
    for figures, whole in zip(after, before, strict=True):
        assert {hour: row for hour, row in figures.items() if not hour[0].endswith("-9")} == whole


def horizon(connection: Connection) -> datetime:
    """From when on the history of meters counts as whole."""
    row = connection.execute(query("oldest_timestamps_kept")).fetchone()
    assert row is not None
    assert isinstance(row[0], datetime)
    return row[0]


LOOK_BACK_LESS = "CALL api.set_policy('meter_hourly', refresh_start_offset => '5 days')"
KEEP = "CALL api.set_policy('meter_telemetry_history', drop_after => '{} days')"


def test_a_drop_that_is_taken_back_before_it_was_carried_out_drops_nothing(own: Connection) -> None:
    before = forty_days(own)
    kept = sorted(own.execute(METER_HISTORY.encode()).fetchall())
    own.execute(LOOK_BACK_LESS)
    own.execute(KEEP.format(10).encode())
    # A plan tells of all that would go: none of it is gone.
    effects = "SELECT range_from < now() - interval '38 days' FROM internal.policy_effects(%s::jsonb)"
    wanted = '{"meter_telemetry_history": {"drop_after": "20 days"}}'
    assert own.execute(effects, [wanted]).fetchall() == [(True,)]
    own.execute(KEEP.format(400).encode())
    # Nothing of what the present policy keeps is refused, or reported as gone.
    assert abs(horizon(own) - (now() - 400 * DAY)) < MINUTE
    run_jobs(own)
    assert sorted(own.execute(METER_HISTORY.encode()).fetchall()) == kept
    assert own.execute("SELECT count(dropped_before) FROM telemetry.policy").fetchone() == (0,)
    insert_both(own, [now() - 100 * DAY], device=9)
    own.execute("CALL api.refresh_rollups(now() - interval '101 days', now())")
    assert own.execute("SELECT count(*) FROM telemetry.meter_hourly WHERE meter_id = 'M-9'").fetchone() == (1,)
    assert len(rollup(own, METER_ROLLUP)) == len(before[0]) + 1


def test_what_was_really_dropped_is_not_reported_as_there(own: Connection) -> None:
    before, _ = forty_days(own)
    own.execute(LOOK_BACK_LESS)
    own.execute(KEEP.format(20).encode())
    run_jobs(own)
    oldest = oldest_reading(own)
    # A reading that somebody put into the midst of what was dropped makes nothing else come back.
    insert_meter_readings(own, [("M-9", now() - 30 * DAY, 0.5, 230.0)])
    for days in (25, 400):
        own.execute(KEEP.format(days).encode())
        assert oldest - DAY < horizon(own) <= oldest
    run_jobs(own)
    after = {hour: row for hour, row in rollup(own, METER_ROLLUP).items() if hour[0] != "M-9"}
    assert after == before
    assert own.execute(f"{METER_HISTORY} WHERE meter_id = 'M-9'".encode()).rowcount == 1


@ONLY_POSTGRES
def test_a_change_of_policies_waits_for_the_batch_that_is_being_deleted(own: Connection, own_database: str) -> None:
    insert_both(own, [now() - 40 * DAY + HOUR * i for i in range(24)])
    own.execute(LOOK_BACK_LESS)
    own.execute(KEEP.format(10).encode())
    with psycopg.connect(own_database) as deleting, ThreadPoolExecutor(1) as pool:
        deleting.execute("SELECT telemetry.delete_expired('meter_telemetry_history', 10)")
        changing = pool.submit(own.execute, KEEP.format(400).encode())
        while not deleting.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall():
            assert not changing.done()
        # Neither waits for the other: the batch goes on.
        deleting.execute("SELECT telemetry.delete_expired('meter_telemetry_history', 1)")
        deleting.commit()
        changing.result()
        assert deleting.execute("SELECT telemetry.delete_expired('meter_telemetry_history', 10)").fetchone() == (0,)
    assert own.execute("SELECT count(*) FROM telemetry.meter_telemetry_history").fetchone() == (13,)


@ONLY_POSTGRES
def test_a_drop_that_is_taken_back_while_it_is_carried_out_goes_no_further(own: Connection) -> None:
    insert_both(own, (now() - 40 * DAY + 200 * MINUTE * i for i in range(40 * 24 * 60 // 200)))
    own.execute(LOOK_BACK_LESS)
    own.execute(KEEP.format(10).encode())
    assert own.execute("SELECT telemetry.delete_expired('meter_telemetry_history', 10)").fetchone() == (10,)
    left = own.execute(METER_HISTORY.encode()).fetchall()
    own.execute(KEEP.format(400).encode())
    run_jobs(own)
    assert own.execute(METER_HISTORY.encode()).fetchall() == left
    # Before the batch's own cut-off the history is not whole any more.
    assert abs(horizon(own) - (now() - 10 * DAY)) < MINUTE


def test_days_outlive_the_hours_they_were_made_of(own: Connection) -> None:
    forty_days(own)
    before = rollup(own, METER_DAYS), rollup(own, VEHICLE_DAYS)
    hours = len(rollup(own, METER_ROLLUP))
    own.execute("UPDATE telemetry.policy SET refresh_start_offset = '5 days' WHERE refresh_every IS NOT NULL")
    own.execute("UPDATE telemetry.policy SET drop_after = '10 days' WHERE relation LIKE '%_hourly'")
    if profile_of(own) == "timescale":
        for relation in ("meter_hourly", "vehicle_hourly"):
            own.execute(f"SELECT public.drop_chunks('telemetry.{relation}', older_than => interval '10 days')".encode())
    refresh = "CALL api.refresh_rollups(now() - interval '10 days', now())"
    for statement in ("CALL api.upkeep()", refresh):
        own.execute(statement.encode())
        assert (rollup(own, METER_DAYS), rollup(own, VEHICLE_DAYS)) == before, statement
    assert len(rollup(own, METER_ROLLUP)) < hours
    # Kept for ever from now on: what was dropped stays dropped, and its days stay whole.
    own.execute("UPDATE telemetry.policy SET drop_after = NULL WHERE relation LIKE '%_hourly'")
    own.execute(refresh.encode())
    assert (rollup(own, METER_DAYS), rollup(own, VEHICLE_DAYS)) == before


@ONLY_POSTGRES
def test_days_are_made_of_the_hours_that_were_there_before_the_daily_rollup(own: Connection, own_database: str) -> None:
    # As a release without daily rollups left it.
    for kind in ("meter", "vehicle"):
        own.execute(f"DROP TRIGGER c_keep_{kind}_daily ON telemetry.{kind}_telemetry_history".encode())
    insert_both(own, (now() - 3 * DAY + 100 * MINUTE * i for i in range(30)))
    assert rollup(own, METER_DAYS) == {}
    migrate.migrate(own_database)
    check_rollups(own, at_least=30)
    insert_both(own, [now()])
    check_rollups(own, at_least=30)


def test_a_history_kept_forever_is_refreshed_back_to_its_beginning(own: Connection) -> None:
    set_policy(own, None, None)
    insert_both(own, [now() - 3000 * DAY, now() - DAY])
    own.execute("CALL api.refresh_rollups(now() - interval '20 years', now())")
    check_rollups(own, at_least=2)
    own.execute("CALL api.upkeep()")
    assert own.execute("SELECT count(*) FROM telemetry.meter_telemetry_history").fetchone() == (2,)
    check_rollups(own, at_least=2)


def test_the_horizon_that_the_service_reads_is_the_policys(own: Connection) -> None:
    # The service re-reads it from time to time; what it would read is asked here.
    set_policy(own, "10 days", "30 days")
    row = own.execute(query("oldest_timestamps_kept")).fetchone()
    assert row is not None
    assert abs(row[0] - (now() - 10 * DAY)) < MINUTE
    assert abs(row[1] - (now() - 30 * DAY)) < MINUTE
    set_policy(own, None, None)
    assert own.execute(query("oldest_timestamps_kept")).fetchone() == (None, None)


def test_a_service_that_starts_refuses_readings_older_than_the_history_is_kept(
    own: Connection, own_database: str
) -> None:
    set_policy(own, "10 days", "30 days")
    with running_service(DATABASE_URL=own_database) as client:
        answer = client.ingest(
            meter_reading("M-1", now() - 11 * DAY),
            meter_reading("M-1", now() - 9 * DAY),
            vehicle_reading("V-1", now() - 31 * DAY),
            vehicle_reading("V-1", now() - 29 * DAY),
        )
    assert (answer["accepted"], answer["rejected"]) == (2, 2)
    assert [(error["index"], error["code"], error["field"]) for error in answer["errors"]] == [
        (0, "timestamp_too_old", "timestamp"),
        (2, "timestamp_too_old", "timestamp"),
    ]


# Upkeep


@ONLY_POSTGRES
def test_upkeep_drops_expired_readings_in_batches_and_nothing_else(own: Connection) -> None:
    # More readings than a batch holds (10,000), of a device that went silent and of one that did not.
    step = timedelta(seconds=100)
    insert_both(own, (now() - 60 * DAY + step * i for i in range(12_000)), device=1)
    insert_both(own, (now() - 25 * DAY + 200 * step * i for i in range(100)), device=2)
    before = rollup(own, METER_ROLLUP), rollup(own, VEHICLE_ROLLUP)
    live = own.execute("SELECT * FROM telemetry.live_meter_state ORDER BY meter_id").fetchall()
    set_policy(own, "20 days", "20 days")
    expected = own.execute(
        "SELECT meter_id, recorded_at FROM telemetry.meter_telemetry_history "
        "WHERE recorded_at >= now() - interval '20 days' ORDER BY 1, 2"
    ).fetchall()
    assert 0 < len(expected) < 100
    own.execute("CALL api.upkeep()")
    for relation, key in (("meter_telemetry_history", "meter_id"), ("vehicle_telemetry_history", "vehicle_id")):
        kept = own.execute(f"SELECT {key}, recorded_at FROM telemetry.{relation} ORDER BY 1, 2").fetchall()
        assert [row[1] for row in kept] == [row[1] for row in expected]
        assert {row[0][2:] for row in kept} == {"2"}
    assert (rollup(own, METER_ROLLUP), rollup(own, VEHICLE_ROLLUP)) == before
    assert own.execute("SELECT * FROM telemetry.live_meter_state ORDER BY meter_id").fetchall() == live


def test_upkeep_leaves_what_is_not_expired(own: Connection) -> None:
    insert_both(own, [now() - 399 * DAY, now() - 5 * DAY, minutes_ago(1)])
    own.execute("CALL api.upkeep()")
    assert own.execute("SELECT count(*) FROM telemetry.meter_telemetry_history").fetchone() == (3,)
    check_rollups(own, at_least=3)


@ONLY_TIMESCALE
def test_upkeep_completes_rollups_of_readings_later_than_the_refresh_job_looks_back(own: Connection) -> None:
    start = hours_ago(24 * 45)
    insert_both(own, (start + 10 * MINUTE * (i + 1) for i in range(30)))
    own.execute("CALL api.refresh_rollups(%s, %s)", (start, now()))
    late = start + 2 * HOUR + timedelta(seconds=1)
    insert_both(own, [late])
    bucket_start = start + 2 * HOUR + US
    readings = "SELECT readings, readings - 6 = %s FROM telemetry.meter_hourly WHERE bucket_start = %s"
    for (job,) in own.execute(
        "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = 'refresh_job'"
    ).fetchall():
        own.execute("CALL public.run_job(%s)", (job,))
    # The job does not reach that far, which is what makes this upkeep's task.
    assert own.execute(readings, (0, bucket_start)).fetchone() == (6, True)
    own.execute("CALL api.upkeep()")
    assert own.execute(readings, (1, bucket_start)).fetchone() == (7, True)
    check_rollups(own, at_least=5)


def test_a_second_upkeep_at_the_same_time_returns_at_once(own: Connection, own_database: str) -> None:
    # The lock that the first one would hold is held here instead; what is expired has to stay until it is free.
    insert_both(own, [now() - 500 * DAY, now() - DAY])
    with psycopg.connect(own_database, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(hashtext('api.upkeep'))")
        own.execute("CALL api.upkeep()")
        assert own.execute("SELECT count(*) FROM telemetry.meter_telemetry_history").fetchone() == (2,)
    own.execute("CALL api.upkeep()")
    assert own.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    ).fetchone() == (0,)
