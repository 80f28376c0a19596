"""What docs/sql.md shows runs on both profiles, and shows every object of schema api.

The examples run in order on one database, where V-202 charges at M-101 for two hours each day, up to an hour ago.
"""

import re
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from psycopg.rows import TupleRow

from app.db import migrate
from tests.support.readings import hours_ago, insert_meter_readings, insert_vehicle_readings
from tests.support.servers import Server, stop_jobs
from tests.support.service import ROOT

Connection = psycopg.Connection[TupleRow]

EXAMPLES = re.findall(r"^```sql\n(.*?)^```$", (ROOT / "docs" / "sql.md").read_text(), re.DOTALL | re.MULTILINE)
DAYS = 3
POWER_KW, RATIO, CAPACITY_KWH = 11.0, 0.8, 60.0
OBJECTS = """
    SELECT DISTINCT name
    FROM (
        SELECT relname FROM pg_class WHERE relnamespace = 'api'::regnamespace AND relkind = 'v'
        UNION ALL
        SELECT proname FROM pg_proc WHERE pronamespace = 'api'::regnamespace
    ) AS object (name)
"""


@pytest.fixture(scope="module")
def fleet(server: Server) -> Iterator[Connection]:
    """A connection (autocommit) to a database of a few readings."""
    with server.new_database() as url:
        stop_jobs(url, server.profile)
        migrate.migrate(url, server.profile)
        with psycopg.connect(url, autocommit=True) as connection:
            _charge_every_day(connection)
            yield connection


def _charge_every_day(connection: Connection) -> None:
    meters, vehicles = [], []
    for days in range(DAYS):
        for quarter in range(12):
            at = hours_ago(4 + 24 * days) + quarter * timedelta(minutes=15)
            energy = POWER_KW / 4 if quarter >= 4 else 0.0
            charged = max(0, quarter - 3) * POWER_KW / 4 * RATIO / CAPACITY_KWH * 100
            meters.append(("M-101", at, energy, 230.0))
            vehicles.append(("V-202", at, 40 + charged, energy * RATIO, 25.0))
    insert_meter_readings(connection, meters)
    insert_vehicle_readings(connection, vehicles)
    connection.execute("SELECT api.plug_in('M-101', 'V-202', '2020-01-01')")
    connection.execute("CALL api.refresh_rollups(now() - interval '10 days', now())")


def test_each_example_runs_and_each_question_has_an_answer(fleet: Connection) -> None:
    assert EXAMPLES
    for example in EXAMPLES:
        for statement in re.split(r";\n", example.strip() + "\n")[:-1]:
            cursor = fleet.execute(statement.encode())
            if cursor.description is not None:
                assert cursor.rowcount > 0, statement


def test_every_object_of_schema_api_has_an_example(fleet: Connection) -> None:
    shown = set(re.findall(r"\bapi\.(\w+)", "".join(EXAMPLES)))
    assert {name for (name,) in fleet.execute(OBJECTS).fetchall()} == shown
