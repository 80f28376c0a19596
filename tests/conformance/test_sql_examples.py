"""What docs/sql.md shows runs on both profiles, and shows every object of schema api; what is misspelt is an error.

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

PAGE = (ROOT / "docs" / "sql.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
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
    # A register with a value that no charger leads to.
    register = enumerate((500.0, 502.0, 4000.0, 504.0))
    meters += [("M-7", hours_ago(4) + number * timedelta(minutes=15), kwh, 230.0) for number, kwh in register]
    # One that was exchanged, which nobody decided.
    exchanged = enumerate((4010.0, 4012.0, 700.0, 702.0))
    meters += [("M-8", hours_ago(4) + number * timedelta(minutes=15), kwh, 230.0) for number, kwh in exchanged]
    connection.execute("SELECT api.set_meter_kind('M-8', 'register', NULL, NULL)")
    insert_meter_readings(connection, meters)
    insert_vehicle_readings(connection, vehicles)
    connection.execute(
        "INSERT INTO telemetry.reading_conflict VALUES "
        "('meter', 'M-101', now() - interval '1 day', 1, now(), now(), now(), now(), 2.75, 2.5)"
    )
    connection.execute("SELECT api.plug_out('M-103', 'V-204', now() - interval '1 hour')")
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


# Calls with one argument misspelt, and what the error says is allowed.
BUCKETS = "Allowed: hour, day, week, month, year, window."
ZONES = "Give a name of pg_timezone_names, for example Europe/Berlin, or UTC."
KINDS = "Allowed: interval, register, session."
DECISIONS = "Allowed: plain, reset, rollover, glitch, exchange."
CORRECTIONS = "Allowed: void, scale, replace."
DEVICES = "Allowed: meter, vehicle."
FIGURES = (
    "Allowed: device_id, energy_ac_kwh, energy_dc_kwh, energy_alone_kwh, efficiency_ratio, mean_power_kw, lost_kwh, "
    "lost_beyond_expected_kwh, measured_mean, sessions, hours_in_use, readings, coverage."
)
CURVE_BUCKETS = "Allowed: 1m, 5m, 15m."
QUALITY = "Allowed: all, fault, conflict, register, arrival, plug_out."
RELATIONS = (
    "meter_daily, meter_hourly, meter_telemetry_history, vehicle_daily, vehicle_hourly, vehicle_telemetry_history"
)
SETTINGS = (
    "Settings: chunk_interval, columnstore_after, drop_after, refresh_start_offset, refresh_end_offset, refresh_every."
)
MISSPELT = [
    ("SELECT * FROM api.fleet_energy(now() - interval '1 day', now(), '5m', 'UTC')", BUCKETS),
    ("SELECT * FROM api.fleet_energy(now() - interval '1 day', now(), NULL, 'UTC')", BUCKETS),
    ("SELECT * FROM api.fleet_energy(now() - interval '1 day', now(), 'window', 'Europe/Berln')", ZONES),
    ("SELECT * FROM api.fleet_energy(now() - interval '1 day', now(), 'day', 'UTC+2')", ZONES),
    ("SELECT * FROM api.vehicle_series('V-1', now() - interval '1 day', now(), 'Month', 'UTC')", BUCKETS),
    ("SELECT * FROM api.vehicle_series('V-1', now() - interval '1 day', now(), 'hour', 'Berlin')", ZONES),
    ("SELECT * FROM api.vehicle_series('V-1', now() - interval '1 day', now(), 'hour', NULL)", ZONES),
    ("SELECT * FROM api.meter_series('M-1', now() - interval '1 day', now(), 'Month', 'UTC')", BUCKETS),
    ("SELECT * FROM api.meter_series('M-1', now() - interval '1 day', now(), 'hour', 'Berlin')", ZONES),
    ("SELECT * FROM api.device_ranking('meters', now() - interval '1 day', now())", DEVICES),
    ("SELECT * FROM api.device_ranking('meter', now() - interval '1 day', now(), 'energy')", FIGURES),
    ("SELECT * FROM api.devices_now('charger')", DEVICES),
    ("SELECT * FROM api.data_quality(now() - interval '1 day', now(), 'faults')", QUALITY),
    ("SELECT * FROM api.device_curve('meter', 'M-1', now() - interval '1 hour', now(), '2m')", CURVE_BUCKETS),
    ("SELECT * FROM api.device_curve('charger', 'M-1', now() - interval '1 hour', now(), '1m')", DEVICES),
    ("SELECT * FROM api.place_totals('site', now() - interval '1 day', now())", DEVICES),
    ("SELECT api.set_meter_kind('M-1', 'registre', NULL, NULL)", KINDS),
    ("SELECT api.set_vehicle_kind('V-1', 'counter', NULL, NULL)", KINDS),
    ("SELECT api.set_fleet_default('meters', 'interval', NULL, NULL)", DEVICES),
    ("SELECT api.set_fleet_default('meter', NULL, NULL, NULL)", KINDS),
    ("SELECT api.set_fleet_rated_power('meters', 22)", DEVICES),
    ("SELECT * FROM api.decide_step('meters', 'M-1', now(), 'plain')", DEVICES),
    ("SELECT * FROM api.decide_step('meter', 'M-1', now(), 'swapped')", DECISIONS),
    ("SELECT api.forget_device('devices', 'M-1')", DEVICES),
    ("SELECT api.correct_readings('meters', 'M-1', now() - interval '1 day', now(), 'void', 'why')", DEVICES),
    ("SELECT api.correct_readings('meter', 'M-1', now() - interval '1 day', now(), 'delete', 'why')", CORRECTIONS),
    ("SELECT * FROM api.withdraw_decision('metre', 'M-1', now())", DEVICES),
    ("SELECT * FROM api.policy_plan('{\"meter_hurly\": {}}')", f"Relations: {RELATIONS}"),
    ('SELECT * FROM api.policy_plan(\'{"meter_hourly": {"drop": "9 days"}}\')', SETTINGS),
    ("CALL api.set_policies('{\"meter_hurly\": {}}')", f"Relations: {RELATIONS}"),
    ("CALL api.set_policy('meter_hurly', drop_after => '9 days')", f"Relations: {RELATIONS}"),
    ("CALL api.apply_policies('{\"meter_hurly\": {}}')", f"Relations: {RELATIONS}"),
]
# Functions with an argument that can be misspelt, by its name.
CHOOSING = """
    SELECT DISTINCT routine.proname
    FROM pg_proc AS routine
    WHERE
        routine.pronamespace = 'api'::regnamespace
        AND ARRAY[
            'bucket', 'timezone', 'kind', 'only_kind', 'kind_of_device', 'decision', 'relation', 'relations', 'sort',
            'wanted'
        ]
            && routine.proargnames[:routine.pronargs]
"""


@pytest.mark.parametrize(("call", "allowed"), MISSPELT)
def test_a_misspelt_argument_is_an_error_that_says_what_is_allowed(
    migrated_database: str, call: str, allowed: str
) -> None:
    with psycopg.connect(migrated_database, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InvalidParameterValue) as refused:
            connection.execute(call.encode())
        # As a prepared statement, too, whose arguments are known when it runs.
        if call.startswith("SELECT"):
            connection.execute("SET plan_cache_mode = force_generic_plan")
            connection.execute(f"PREPARE misspelt AS {call}".encode())
            with pytest.raises(psycopg.errors.InvalidParameterValue):
                connection.execute("EXECUTE misspelt")
    assert refused.value.diag.message_hint == allowed


def test_every_function_with_an_argument_to_choose_is_tried_with_a_misspelt_one(fleet: Connection) -> None:
    tried = {name for call, _ in MISSPELT for name in re.findall(r"api\.(\w+)", call)}
    assert {name for (name,) in fleet.execute(CHOOSING).fetchall()} == tried


def test_the_error_that_the_page_shows_is_the_one_raised(fleet: Connection) -> None:
    [(call, message, hint)] = re.findall(r"^```\n(.*);\nERROR:  (.*)\nHINT:  (.*)\n```$", PAGE, re.MULTILINE)
    with pytest.raises(psycopg.errors.InvalidParameterValue) as refused:
        fleet.execute(call.encode())
    assert (refused.value.diag.message_primary, refused.value.diag.message_hint) == (message, hint)
