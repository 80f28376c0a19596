"""However many assignments a device has had, what is asked and written about it reads a few of them, by index.

Rows are counted as the database counts them: what a transaction read of a table, in sequence and by index. Here a plan
that reads a table whole, or all assignments of one device, shows by a thousand.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from app.db import migrate
from app.db.queries import query
from tests.conformance.test_assignments import START, hour
from tests.support.readings import insert_meter_readings
from tests.support.servers import Server, stop_jobs

Connection = psycopg.Connection[TupleRow]

# A vehicle at its own charger, plugged in every hour for weeks; and others, of which each has had a few.
HOURS = 1000
OTHERS = 150
EACH = 10
FILL = """
    INSERT INTO telemetry.assignment (meter_id, vehicle_id, during)
    SELECT 'M-1', 'V-1', tstzrange(at, at + interval '50 minutes')
    FROM (SELECT %(start)s + i * interval '1 hour' FROM generate_series(0, %(hours)s - 1) AS i) AS begins (at);
    INSERT INTO telemetry.assignment (meter_id, vehicle_id, during)
    SELECT
        'M-other-' || device,
        'V-other-' || device,
        tstzrange(
            %(start)s + at * interval '100 hours',
            CASE WHEN at < %(each)s - 1 THEN %(start)s + (at + 1) * interval '100 hours' END
        )
    FROM generate_series(1, %(others)s) AS device
    CROSS JOIN generate_series(0, %(each)s - 1) AS at;
    INSERT INTO telemetry.unmatched_plug_out (meter_id, plugged_out_at, noted_at, database_role)
    SELECT 'M-1', %(start)s + (i + 0.9) * interval '1 hour', now(), 'somebody'
    FROM generate_series(0, %(hours)s - 1) AS i
"""
READ = """
    SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint
    FROM pg_stat_xact_user_tables
    WHERE schemaname = 'telemetry' AND relname IN ('assignment', 'assignment_change', 'unmatched_plug_out')
"""
# What an event reads, its index checks and triggers included.
MOST_READ = 60

LISTED = {"meter_id": None, "vehicle_id": None, "at": None, "from": None, "to": None, "after": 0, "row_limit": 21}
PLUGGED = {"meter_id": "M-1", "vehicle_id": "V-1", "clock_tolerance": timedelta(seconds=5), "may_wait": True}


@pytest.fixture(scope="module")
def many(server: Server) -> Iterator[Connection]:
    """A connection to a database with many assignments, planning as readers do."""
    with server.new_database() as url:
        stop_jobs(url, server.profile)
        migrate.migrate(url, server.profile)
        with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
            connection.execute("SET plan_cache_mode = force_custom_plan")
            with psycopg.ClientCursor(connection) as cursor:
                cursor.execute(FILL, {"start": START, "hours": HOURS, "others": OTHERS, "each": EACH})
            connection.execute("VACUUM ANALYZE")
            yield connection


def rows_read(connection: Connection, statement: bytes, parameters: Mapping[str, Any]) -> tuple[int, int]:
    """How many rows a statement answers with, and how many of assignments and their changes it read for that; what it
    writes is undone."""
    with connection.transaction(force_rollback=True):
        [(before,)] = connection.execute(READ.encode()).fetchall()
        answered = len(connection.execute(statement, parameters).fetchall())
        [(after,)] = connection.execute(READ.encode()).fetchall()
    return answered, after - before


@pytest.mark.parametrize(
    ("device", "asked", "answered"),
    [
        ("vehicle", {"vehicle_id": "V-1"}, 21),
        ("vehicle", {"vehicle_id": "V-1", "meter_id": "M-1", "after": HOURS - 10}, 10),
        ("vehicle", {"vehicle_id": "V-other-1"}, EACH),
        ("meter", {"meter_id": "M-1", "after": HOURS // 2}, 21),
        ("meter", {"meter_id": "M-1", "after": HOURS}, 0),
    ],
    ids=str,
)
def test_a_page_of_a_devices_assignments_reads_that_page(
    many: Connection, device: str, asked: dict[str, Any], answered: int
) -> None:
    statement = query("assignments_of_meter") if device == "meter" else query("assignments_of_vehicle")
    found, read = rows_read(many, statement, {**LISTED, **asked})
    assert found == answered
    assert read <= answered + 1


@pytest.mark.parametrize("after", [0, HOURS, HOURS + OTHERS * EACH])
def test_a_page_of_all_assignments_reads_that_page(many: Connection, after: int) -> None:
    found, read = rows_read(many, query("assignments"), {**LISTED, "after": after})
    assert found == (0 if after > HOURS else 21)
    assert read <= 22


@pytest.mark.parametrize("kind", ["meters", "vehicles"])
@pytest.mark.parametrize(("after", "answered"), [("", 21), ("M-other-140", 21), ("W", 0)])
def test_a_page_of_devices_reads_one_assignment_of_each(many: Connection, kind: str, after: str, answered: int) -> None:
    # M-1 and V-1 have a thousand, and no other device is known by anything else.
    statement = query("meters") if kind == "meters" else query("vehicles")
    found, read = rows_read(many, statement, {"after": after, "row_limit": 21, "place": None, "search": None})
    assert found == answered
    assert read <= answered + 1


def test_a_device_that_assignments_name_is_found_by_one_of_them(many: Connection) -> None:
    for device_type, device_id in (("meter", "M-1"), ("vehicle", "V-1")):
        asked = {"device_type": device_type, "device_id": device_id}
        found, read = rows_read(many, query("kinds_of_device"), asked)
        assert (found, read) == (1, 1)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ({"vehicle_id": "V-1", "at": hour(HOURS / 2)}, 1),
        ({"meter_id": "M-1", "at": hour(HOURS / 2), "from": hour(HOURS / 2), "to": hour(HOURS)}, 1),
        ({"meter_id": "M-1", "from": hour(HOURS - 5), "to": hour(HOURS)}, 5),
        ({"vehicle_id": "V-1", "from": hour(HOURS - 5)}, 5),
        ({"vehicle_id": "V-1", "to": hour(5)}, 5),
    ],
    ids=str,
)
def test_a_devices_assignments_of_a_time_are_read_and_no_others(
    many: Connection, asked: dict[str, Any], answered: int
) -> None:
    found, read = rows_read(many, query("assignments_in_force"), {**LISTED, **asked})
    assert found == answered
    assert read <= MOST_READ


def test_at_an_instant_no_more_are_read_than_there_are_devices(many: Connection) -> None:
    asked = {**LISTED, "at": hour(HOURS - 0.5)}
    found, read = rows_read(many, query("assignments_in_force"), asked)
    assert found == 21
    assert read <= OTHERS + 1


@pytest.mark.parametrize("plan", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(
    ("name", "given", "outcome"),
    [
        ("plug_in", {"at": hour(HOURS + 1)}, "created"),
        ("plug_in", {"at": hour(HOURS - 1)}, "unchanged"),
        ("plug_in", {"at": hour(HOURS - 1), "vehicle_id": "V-2"}, "overlap"),
        ("plug_out", {"at": hour(HOURS - 0.5)}, "closed"),
        ("plug_out", {"at": hour(HOURS - 0.5), "vehicle_id": None}, "closed"),
        ("plug_out", {"at": hour(HOURS - 1) + (hour(5 / 6) - START)}, "unchanged"),
        ("plug_out", {"at": hour(HOURS + 1)}, "waiting"),
        ("plug_in", {"at": hour(HOURS - 0.15)}, "created"),
        ("hand_over", {"at": hour(HOURS - 0.5), "vehicle_id": "V-other-1"}, "created"),
        ("hand_over", {"at": hour(HOURS - 0.5)}, "unchanged"),
    ],
    ids=str,
)
def test_an_event_reads_a_few_assignments(
    many: Connection, plan: str, name: str, given: dict[str, Any], outcome: str
) -> None:
    # Within a function, a statement that ran some times is planned for parameters that are not known.
    parameters = {**PLUGGED, **given}
    statement = (
        query("plug_in") if name == "plug_in" else query("plug_out") if name == "plug_out" else query("hand_over")
    )
    with many.transaction(force_rollback=True):
        many.execute(f"SET LOCAL plan_cache_mode = {plan}")
        answered_rows = many.execute(statement, parameters).fetchall()
        assert answered_rows[-1][0] == outcome
    with many.transaction(force_rollback=True):
        many.execute(f"SET LOCAL plan_cache_mode = {plan}")
        _, read = rows_read(many, statement, parameters)
    assert read <= MOST_READ


def test_what_became_of_one_assignment_is_found_by_index(many: Connection) -> None:
    for name in ("changes_of_assignment", "assignment_changes"):
        statement = query("changes_of_assignment") if name == "changes_of_assignment" else query("assignment_changes")
        found, read = rows_read(many, statement, {"id": 7, "after": 500, "row_limit": 21})
        assert 1 <= found <= 21
        assert read <= MOST_READ


def test_the_meters_that_fed_a_vehicle_in_a_window_are_found_by_index(many: Connection) -> None:
    window = {"vehicle": "V-1", "from": hour(HOURS - 24), "to": hour(HOURS)}
    statement = b"SELECT * FROM internal.vehicle_feeds(%(vehicle)s, %(from)s, %(to)s)"
    found, read = rows_read(many, statement, window)
    assert found == 24
    assert read <= MOST_READ


def test_the_time_in_which_a_meter_fed_the_vehicle_of_its_id_is_found_by_index(many: Connection) -> None:
    # The vehicle was never assigned, the meter a thousand times, to another.
    window = {"vehicle": "M-1", "from": hour(HOURS - 24), "to": hour(HOURS)}
    with many.transaction(force_rollback=True):
        insert_meter_readings(many, [("M-1", hour(HOURS), 0.2, 230.0)])
        statement = b"SELECT * FROM internal.vehicle_feeds(%(vehicle)s, %(from)s, %(to)s)"
        found, read = rows_read(many, statement, window)
    assert found == 24
    assert read <= MOST_READ
