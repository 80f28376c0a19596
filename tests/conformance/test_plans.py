"""Plans: no answer ever scans a history, however long it has grown."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import psycopg
import pytest
from psycopg.rows import TupleRow

from app.analytics import live
from app.analytics.sessions import Page
from app.db import migrate
from app.db.queries import query
from app.wire.energy import Window
from tests.support.readings import hours_ago, now
from tests.support.servers import Server, stop_jobs

Connection = psycopg.Connection[TupleRow]
Node = dict[str, Any]

# More than 200: of a window that it does not know the planner expects a 200th of the rows, and of one device no more.
DEVICES = 260
# The planner is told of so many times the rows that there are: of few devices, one by one and all at once cost alike,
# and which it takes depends on the hour.
TOLD_TIMES = 100
READINGS_PER_HOUR = 0.5
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
HISTORIES = ("meter_telemetry_history", "vehicle_telemetry_history")

# Readings of [from, to), one in two hours from each device.
FILL = """
    INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v)
    SELECT 'M-' || device, at, 0.2, 230
    FROM generate_series(1, %(devices)s) AS device
    CROSS JOIN generate_series(%(from)s::timestamptz, %(to)s::timestamptz - interval '1 second', '2 hours') AS at
    ORDER BY 1, 2;
    INSERT INTO telemetry.vehicle_telemetry_history (vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c)
    SELECT 'V-' || device, at, 50, 0.18, 20
    FROM generate_series(1, %(devices)s) AS device
    CROSS JOIN generate_series(%(from)s::timestamptz, %(to)s::timestamptz - interval '1 second', '2 hours') AS at
    ORDER BY 1, 2;
"""
ASSIGN = """
    INSERT INTO telemetry.assignment (meter_id, vehicle_id, during)
    SELECT 'M-' || ((device + week) %% %(devices)s + 1), 'V-' || device, tstzrange(
        %(from)s::timestamptz + interval '7 days' * week + interval '13 minutes',
        %(from)s::timestamptz + interval '7 days' * (week + 1) + interval '13 minutes'
    )
    FROM generate_series(1, %(devices)s) AS device
    CROSS JOIN generate_series(0, 6) AS week
"""

WINDOWS = {
    "the_last_24_hours": (24 * 60 + 17, 17),
    "24_hours_some_days_ago": (4 * 24 * 60 + 17, 3 * 24 * 60 + 17),
    "three_days_up_to_now": (3 * 24 * 60 + 17, 0),
    "minutes_within_an_hour": (24 * 60 + 17, 24 * 60 + 7),
    "31_days": (31 * 24 * 60 - 1, 0),
}


@dataclass(frozen=True)
class Relations:
    """Which relation of the contract a scanned one belongs to: a chunk to its own, a compressed chunk to that one's."""

    of: dict[str, str]
    compressed: frozenset[str]
    range_of: dict[str, tuple[datetime, datetime]]

    @classmethod
    def read(cls, connection: Connection, profile: str) -> "Relations":
        if profile != "timescale":
            return cls({}, frozenset(), {})
        chunks = connection.execute("""
            SELECT
                chunk.chunk_name, coalesce(aggregate.view_name, chunk.hypertable_name),
                chunk.range_start, chunk.range_end
            FROM timescaledb_information.chunks AS chunk
            LEFT JOIN timescaledb_information.continuous_aggregates AS aggregate
                ON aggregate.materialization_hypertable_name = chunk.hypertable_name
        """).fetchall()
        of: dict[str, str] = {row[0]: row[1] for row in chunks}
        range_of: dict[str, tuple[datetime, datetime]] = {row[0]: (row[2], row[3]) for row in chunks}
        # Batches of a compressed chunk are in a table that inherits nothing and is named after it in the catalog only.
        compressed = connection.execute("""
            SELECT batches.relname, chunk.chunk_name
            FROM timescaledb_information.chunks AS chunk
            JOIN _timescaledb_catalog.compression_settings AS setting
                ON setting.relid = format('%I.%I', chunk.chunk_schema, chunk.chunk_name)::regclass
            JOIN pg_class AS batches ON batches.oid = setting.compress_relid
        """).fetchall()
        of |= {batches: of[chunk] for batches, chunk in compressed}
        range_of |= {batches: range_of[chunk] for batches, chunk in compressed}
        return cls(of, frozenset(batches for batches, _ in compressed), range_of)

    def scans(self, answer: Node, *relations: str) -> list[Node]:
        """Nodes that read rows or batches of these relations; what decompresses or appends them is not among these."""
        return [
            node
            for node in nodes(answer["Plan"])
            if node["Node Type"] != "Custom Scan"
            and self.of.get(node.get("Relation Name", ""), node.get("Relation Name")) in relations
        ]


# Chunks too, which are in schemas of their own; assignments and live state stay as small as they are.
TELL = """
    UPDATE pg_class SET reltuples = reltuples * %(times)s
    WHERE relkind = 'r' AND reltuples > 0
        AND (relname ~ '^(_hyper|compress_hyper)_' OR relname ~ '_(history|hourly|daily)$')
"""

METER_STAGE = """
    INSERT INTO pg_temp.meter_stage (ordinal, meter_id, recorded_at, energy_ac_kwh, voltage_v)
    SELECT i, 'M-1', now() - interval '9 days' + i * interval '4 seconds', 0.2, 230 FROM generate_series(1, 20000) AS i
"""
VEHICLE_STAGE = """
    INSERT INTO pg_temp.vehicle_stage (ordinal, vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c)
    SELECT i, 'V-1', now() - interval '9 days' + i * interval '4 seconds', 50, 0.2, 30
    FROM generate_series(1, 20000) AS i
"""


@dataclass(frozen=True)
class Stage:
    """Plans made at one point of a database's growth, by window: the planner's choice, and with seqscan off."""

    relations: Relations
    chosen: dict[str, Node] = field(default_factory=dict)
    by_index: dict[str, Node] = field(default_factory=dict)
    # Of a meter that is a register, and of the hours of one meter: without sequential scans.
    register: dict[str, Node] = field(default_factory=dict)
    hours: dict[str, Node] = field(default_factory=dict)
    # Of the sessions of all vehicles, a page of them: likewise, and not run.
    sessions: dict[str, Node] = field(default_factory=dict)
    # Of what devices do now.
    now: list[Node] = field(default_factory=list)


def nodes(plan: Node) -> Iterator[Node]:
    """Every node of a plan."""
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def index_condition(node: Node) -> str:
    """The condition by which a node uses an index; a bitmap heap scan's is in its child."""
    return " ".join(child.get("Index Cond", "") for child in nodes(node))


def fill(connection: Connection, first: timedelta, last: timedelta) -> None:
    """Add history from so long ago to so long ago."""
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(FILL, {"devices": DEVICES, "from": hours_ago(-1) - first, "to": now() - last})


def ends(window: str, asked_at: datetime) -> tuple[datetime, datetime]:
    """Where a window that is asked for at an instant begins and ends."""
    minutes_from, minutes_to = WINDOWS[window]
    return asked_at - minutes_from * MINUTE, asked_at - minutes_to * MINUTE


def explain(connection: Connection, window: str, asked_at: datetime) -> Node:
    """How the performance of a vehicle in a window is answered: planned for the parameters, as readers do, and run."""
    window_from, window_to = ends(window, asked_at)
    parameters = {"vehicle_id": "V-3", "window_from": window_from, "window_to": window_to}
    statement = b"EXPLAIN (ANALYZE, FORMAT JSON) " + query("vehicle_performance")
    # The first one warms the caches of the session, so that its times are those of a connection in use.
    connection.execute(statement, parameters)
    row = connection.execute(statement, parameters).fetchone()
    assert row is not None
    answer: Node = row[0][0]
    return answer


# As a battery's health asks for them.
HOURS = b"SELECT hourly.energy_dc_kwh FROM internal.hours_of_vehicle(%(vehicle)s, %(from)s, %(to)s) AS hourly"


def explain_register(connection: Connection, window: str, asked_at: datetime) -> Node:
    """How the register energy of a meter in a window is computed: the query of the function, as it stands there."""
    pieces_from, pieces_to = ends(window, asked_at)
    asked: dict[str, Any] = {
        "kind_of_device": "meter",
        "pieces_from": pieces_from,
        "pieces_to": pieces_to,
        "only_device": "M-7",
        "apart_device_ids": [],
        "apart_buckets": [],
        "kept_from": "-infinity",
        "looked_from": pieces_from.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1),
        "periods": connection.execute(
            "SELECT array_agg(period::text::internal.device_period) "
            "FROM internal.device_periods('meter', %s, %s, 'M-7') AS period",
            [pieces_from, pieces_to],
        ).fetchall()[0][0],
    }
    types = {
        "kind_of_device": "text",
        "only_device": "text",
        "apart_device_ids": "text[]",
        "apart_buckets": "timestamptz[]",
        "periods": "internal.device_period[]",
    }

    def parameter(match: re.Match[str]) -> str:
        return f"%({match[0]})s::{types.get(match[0], 'timestamptz')}"

    [(source,)] = connection.execute(
        "SELECT prosrc FROM pg_proc WHERE oid = 'internal.energy_pieces'::regproc"
    ).fetchall()  # fmt: skip
    statement = source.split("RETURN QUERY")[1].rsplit(";\nEND", 1)[0]
    names = "|".join(f"(?<![.\\w]){name}" for name in asked)
    statement = re.sub(rf"(?:{names})\b", parameter, statement.replace("%", "%%"))
    return explained(connection, statement.encode(), asked)


def explain_hours(connection: Connection, window: str, asked_at: datetime) -> Node:
    """How the hours of a vehicle in a window are looked up."""
    hours_from, hours_to = ends(window, asked_at)
    return explained(connection, HOURS, {"vehicle": "V-3", "from": hours_from, "to": hours_to})


def explain_now(connection: Connection, device_type: Literal["meter", "vehicle"]) -> Node:
    """How a page of devices and what they do now is put together."""
    parameters = live.Page().parameters(device_type)
    [(plan,)] = connection.execute(b"EXPLAIN (FORMAT JSON) " + query("devices_now"), parameters).fetchall()
    answer: Node = plan[0]
    return answer


def explain_fleet_now(connection: Connection) -> Node:
    """How what the fleet does now is put together."""
    parameters = {"site": None, "group": None, "as_of": now()}
    [(plan,)] = connection.execute(b"EXPLAIN (FORMAT JSON) " + query("fleet_now"), parameters).fetchall()
    answer: Node = plan[0]
    return answer


def explain_sessions(connection: Connection, window: str, asked_at: datetime) -> Node:
    """How a page of sessions in a window is put together."""
    parameters = Page().parameters(Window(*ends(window, asked_at)))
    [(plan,)] = connection.execute(b"EXPLAIN (FORMAT JSON) " + query("sessions"), parameters).fetchall()
    answer: Node = plan[0]
    return answer


def explained(connection: Connection, statement: bytes, parameters: Sequence[Any] | Mapping[str, Any]) -> Node:
    """The plan of a statement for its parameters, and how it ran."""
    row = connection.execute(b"EXPLAIN (ANALYZE, FORMAT JSON) " + statement, parameters).fetchone()
    assert row is not None
    answer: Node = row[0][0]
    return answer


def planned(connection: Connection, profile: str, asked_at: datetime) -> Stage:
    """The plans of the database as it is now, for the windows of an instant, as if its fleet were large."""
    connection.execute("ANALYZE")
    connection.execute(TELL, {"times": TOLD_TIMES})
    stage = Stage(Relations.read(connection, profile))
    with connection.transaction():
        connection.execute("SET LOCAL enable_seqscan = off")
        stage.now.extend(explain_now(connection, kind) for kind in ("meter", "vehicle"))
        stage.now.append(explain_fleet_now(connection))
    for window in WINDOWS:
        stage.chosen[window] = explain(connection, window, asked_at)
        with connection.transaction():
            connection.execute("SET LOCAL enable_seqscan = off")
            stage.by_index[window] = explain(connection, window, asked_at)
            stage.register[window] = explain_register(connection, window, asked_at)
            stage.hours[window] = explain_hours(connection, window, asked_at)
            stage.sessions[window] = explain_sessions(connection, window, asked_at)
    return stage


@pytest.fixture(scope="module")
def stages(server: Server) -> dict[str, Stage]:
    """Plans by stage, of a database that grows from one to the next."""
    found = {}
    # Of all stages the same, so that a window cuts the same hours in each.
    asked_at = now()
    with server.new_database() as url:
        stop_jobs(url, server.profile)
        migrate.migrate(url, server.profile)
        with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
            connection.execute("SET plan_cache_mode = force_custom_plan")
            # As docker-compose.yml has it. With the server's default, a chunk whose day has just begun is read whole.
            connection.execute("SET random_page_cost = 1.1")
            with psycopg.ClientCursor(connection) as cursor:
                cursor.execute(ASSIGN, {"devices": DEVICES, "from": hours_ago(24 * 41)})
            connection.execute("SELECT api.set_meter_kind('M-7', 'register', NULL, NULL)")
            fill(connection, 5 * DAY, timedelta(0))
            found["five_days_before_a_refresh"] = planned(connection, server.profile, asked_at)
            connection.execute("CALL api.refresh_rollups(now() - interval '41 days', now())")
            found["five_days"] = planned(connection, server.profile, asked_at)
            fill(connection, 40 * DAY, 5 * DAY + timedelta(hours=1))
            connection.execute("CALL api.refresh_rollups(now() - interval '41 days', now())")
            found["forty_days"] = planned(connection, server.profile, asked_at)
            if server.profile == "timescale":
                for relation in HISTORIES:
                    connection.execute(
                        f"SELECT public.compress_chunk(chunk) FROM public.show_chunks('telemetry.{relation}', "
                        "older_than => interval '2 days') AS chunk"
                    )
                found["forty_days_compressed"] = planned(connection, server.profile, asked_at)
    return found


def check_bounded(node: Node, relations: Relations, device: str | None, instant: str, window: str) -> None:
    """By index, for one device, between two instants; but a bound that a chunk keeps by itself need not be given."""
    assert "Seq Scan" not in node["Node Type"], node
    condition = index_condition(node)
    # One bucket of so few devices may be found by its instant as well.
    assert device is None or re.search(rf"\b{device} = |\bbucket_start = ", condition), node
    minutes_from, minutes_to = WINDOWS[window]
    chunk_from, chunk_to = relations.range_of.get(node["Relation Name"], (None, None))
    # An hour more at either end: the rollup is asked in whole hours, and time passes between asking and checking.
    if chunk_from is None or chunk_from <= now() - (minutes_from + 60) * MINUTE:
        assert re.search(rf"\b{instant} (>=?|=) ", condition), node
    if chunk_to is None or chunk_to >= now() - (minutes_to - 60) * MINUTE:
        assert re.search(rf"\b{instant} (<=?|=) ", condition), node


@pytest.mark.parametrize("window", WINDOWS)
def test_no_history_and_no_rollup_is_scanned_but_by_device_and_time(stages: dict[str, Stage], window: str) -> None:
    # The batches of a compressed chunk are as few as its devices; the planner may prefer to read them all. They can be
    # found by index all the same, as the plans without sequential scans show.
    for stage in stages.values():
        relations = stage.relations
        for answer, compressed_too in ((stage.chosen[window], False), (stage.by_index[window], True)):
            found = 0
            for relation, device, instant in (
                ("meter_telemetry_history", "meter_id", r"(recorded_at|_ts_meta_\w+)"),
                ("vehicle_telemetry_history", "vehicle_id", r"(recorded_at|_ts_meta_\w+)"),
                ("meter_hourly", "meter_id", "bucket_start"),
                ("vehicle_hourly", "vehicle_id", "bucket_start"),
            ):
                for node in relations.scans(answer, relation):
                    if compressed_too or node["Relation Name"] not in relations.compressed:
                        found += 1
                        check_bounded(node, relations, device, instant, window)
            assert found or not compressed_too


@pytest.mark.parametrize("window", WINDOWS)
def test_a_register_is_read_by_device_and_time_no_further_back_than_an_hour(
    stages: dict[str, Stage], window: str
) -> None:
    for stage in stages.values():
        scanned = 0
        for relation, device, instant in (
            ("meter_telemetry_history", "meter_id", r"(recorded_at|_ts_meta_\w+)"),
            ("meter_hourly", "meter_id", "bucket_start"),
        ):
            for node in stage.relations.scans(stage.register[window], relation):
                scanned += 1
                check_bounded(node, stage.relations, device, instant, window)
        assert scanned
        assert stage.relations.scans(
            stage.register[window], "vehicle_telemetry_history", "vehicle_hourly", "meter_daily", "vehicle_daily"
        ) == []  # fmt: skip


@pytest.mark.parametrize("window", WINDOWS)
def test_the_hours_of_a_vehicle_are_read_by_device_and_time(stages: dict[str, Stage], window: str) -> None:
    for stage in stages.values():
        rollup = stage.relations.scans(stage.hours[window], "vehicle_hourly")
        history = stage.relations.scans(stage.hours[window], "vehicle_telemetry_history")
        assert rollup or history or window == "minutes_within_an_hour"
        for node in rollup:
            check_bounded(node, stage.relations, "vehicle_id", "bucket_start", window)
        for node in history:
            check_bounded(node, stage.relations, "vehicle_id", r"(recorded_at|_ts_meta_\w+)", window)


@pytest.mark.parametrize("window", WINDOWS)
def test_sessions_read_each_device_by_index_and_time(stages: dict[str, Stage], window: str) -> None:
    for stage in stages.values():
        found = 0
        for relation, device, instant in (
            ("meter_telemetry_history", "meter_id", r"(recorded_at|_ts_meta_\w+)"),
            ("vehicle_telemetry_history", "vehicle_id", r"(recorded_at|_ts_meta_\w+)"),
            ("meter_hourly", "meter_id", "bucket_start"),
            ("vehicle_hourly", "vehicle_id", "bucket_start"),
        ):
            for node in stage.relations.scans(stage.sessions[window], relation):
                found += 1
                check_bounded(node, stage.relations, device, instant, window)
        assert found


def test_what_devices_do_now_is_read_by_device(stages: dict[str, Stage]) -> None:
    # By time too; but of hours that are not in a continuous aggregate yet, TimescaleDB leaves that to a filter, since
    # nobody knows the present when the plan is made.
    for stage in stages.values():
        for answer in stage.now:
            found = 0
            for relation in (*HISTORIES, "meter_hourly", "vehicle_hourly"):
                for node in stage.relations.scans(answer, relation):
                    found += 1
                    assert "Seq Scan" not in node["Node Type"], node
                    assert re.search(rf"{relation.split('_')[0]}_id = |\bbucket_start = ", index_condition(node)), node
            assert found


def test_powers_of_now_are_planned_once_for_all_devices(stages: dict[str, Stage]) -> None:
    # A function that is not inlined is planned again for each device: at 10,000 devices that took 23 s.
    for stage in stages.values():
        for answer in stage.now:
            called = {node["Function Name"] for node in nodes(answer["Plan"]) if node["Node Type"] == "Function Scan"}
            assert "reading_powers" not in called


@pytest.mark.parametrize("window", WINDOWS)
def test_every_relation_asked_can_be_read_by_index(stages: dict[str, Stage], window: str) -> None:
    # Live state and assignments may be read whole here, because they are small: what counts is that they need not be.
    for name, stage in stages.items():
        asked = [node for node in nodes(stage.by_index[window]["Plan"]) if "Relation Name" in node]
        assert {"assignment", "live_vehicle_state", "live_meter_state"} <= {node["Relation Name"] for node in asked}
        assert [(name, node["Relation Name"]) for node in asked if node["Node Type"] == "Seq Scan"] == []


@pytest.mark.parametrize("window", [window for window in WINDOWS if window != "31_days"])
def test_a_window_touches_as_many_chunks_however_long_the_history(stages: dict[str, Stage], window: str) -> None:
    touched = {
        name: len(stage.relations.scans(stage.chosen[window], *HISTORIES))
        for name, stage in stages.items()
        if name != "five_days_before_a_refresh"
    }
    assert len(touched) >= 2
    assert len(set(touched.values())) == 1, touched
    days = (WINDOWS[window][0] - WINDOWS[window][1]) / (24 * 60)
    # Both ends of a window read a meter's history, and a vehicle's, as a whole and while it was fed; the first reading
    # after a charge is looked up. Each goes through the chunks that a window can touch.
    assert max(touched.values()) <= 7 * (days + 2)


@pytest.mark.parametrize("window", WINDOWS)
def test_of_the_history_only_cut_hours_are_read(stages: dict[str, Stage], window: str) -> None:
    # Cut are the two ends of the window for the vehicle, and for both sides of each assignment within it, whose end
    # also asks for one reading more; and the last two hours may not be in a continuous aggregate yet.
    stage = stages["forty_days"]
    answer = stage.chosen[window]
    read = sum(
        node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
        for node in stage.relations.scans(answer, *HISTORIES)
    )
    weeks = (WINDOWS[window][0] - WINDOWS[window][1]) / (7 * 24 * 60)
    feeds = int(weeks) + 2
    assert read <= math.ceil((2 * (1 + 2 * feeds) + 2 * 2) * READINGS_PER_HOUR) + feeds


@pytest.mark.parametrize(("kind", "stage"), [("meter", METER_STAGE), ("vehicle", VEHICLE_STAGE)])
def test_a_stage_is_held_against_the_history_by_index_and_within_its_own_range(
    server: Server, kind: str, stage: str
) -> None:
    # A stage has no statistics, so the planner knows neither how much is in it nor of when: left to itself it reads the
    # whole history. The range is given to it, and the look-up is row by row.
    with server.new_database() as url:
        stop_jobs(url, server.profile)
        migrate.migrate(url, server.profile)
        with psycopg.connect(url, options="-c timezone=UTC") as connection:
            fill(connection, 30 * DAY, timedelta(0))
            connection.commit()
            connection.execute("ANALYZE")
            relations = Relations.read(connection, server.profile)
            connection.execute(query(f"create_{kind}_stage"))
            connection.execute(stage.encode())
            bounds = {"oldest": hours_ago(24 * 9), "newest": hours_ago(24 * 8)}
            with psycopg.ClientCursor(connection) as cursor:
                cursor.execute(b"EXPLAIN (FORMAT JSON) " + query(f"staged_{kind}_readings_not_kept"), bounds)
                [(plan,)] = cursor.fetchall()
    scans = relations.scans(plan[0], f"{kind}_telemetry_history")
    assert 1 <= len(scans) <= 3
    for scan in scans:
        assert "Seq" not in scan["Node Type"]
        assert f"{kind}_id = stage.{kind}_id" in index_condition(scan)
        assert "recorded_at = stage.recorded_at" in index_condition(scan)
