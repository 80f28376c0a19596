"""Real servers for the tests: a throwaway cluster a profile, a database, and the service over a real socket.

The postgres profile runs on the packaged PostgreSQL, always. The timescale profile runs on the server that
TIMESCALE_URL names (as a superuser), or on a cluster of a local installation that has TimescaleDB Community Edition;
where there is neither, its tests skip and say so.
"""

import os
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from app.db import migrate
from tests.support.servers import HOSTS, Server, Unavailable, offered, signed_in, start, stop_jobs
from tests.support.service import Client, running_service

# What a test may leave behind is every table but those that describe the installation.
_TABLES = """
    SELECT format('telemetry.%I', tablename)
    FROM pg_tables
    WHERE schemaname = 'telemetry' AND tablename NOT IN ('installation', 'policy', 'disk')
"""
# On the timescale profile they are no tables, and may have been materialised without a row.
_ROLLUPS = """
    SELECT format('telemetry.%I', user_view_name)
    FROM _timescaledb_catalog.continuous_agg
    WHERE _timescaledb_functions.cagg_watermark(mat_hypertable_id) > -210866803200000000
"""
_SEQUENCES = """
    SELECT setval(format('telemetry.%I', sequencename)::regclass, start_value, false)
    FROM pg_sequences
    WHERE schemaname = 'telemetry' AND last_value IS NOT NULL
"""


def pytest_report_header() -> list[str]:
    return [f"{name} profile: {offered(name)}" for name in HOSTS]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in pytest_report_header():
        terminalreporter.write_line(line)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> None:
    for name in list(os.environ):
        if name.startswith("ENERGY_") or name in ("DATABASE_URL", "DATABASE_READ_URL", "STORAGE_PROFILE"):
            del os.environ[name]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A server of the postgres profile."""
    with start("postgres") as server:
        yield server


@pytest.fixture(scope="session", params=HOSTS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of each profile in turn; a test that uses it runs once a profile, or once a local TimescaleDB."""
    if request.param == "postgres":
        yield request.getfixturevalue("postgres_server")
        return
    try:
        with start(request.param) as started:
            yield started
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def fresh_database(server: Server) -> Iterator[str]:
    """URL of an empty database, not migrated."""
    with server.new_database() as url:
        yield url


@pytest.fixture(scope="session")
def template(server: Server) -> Iterator[str]:
    """Name of a migrated database to copy, its jobs standing still: a copy takes a tenth of the time."""
    with server.new_database() as url:
        stop_jobs(url, server.profile)
        migrate.migrate(url, server.profile)
        name = str(conninfo_to_dict(url)["dbname"])
        # Or the scheduler of jobs looks in, and nobody can copy it meanwhile.
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        yield name


@pytest.fixture(scope="session")
def migrated_database(server: Server, template: str) -> Iterator[str]:
    """URL of a migrated database that the tests of a profile share; its jobs stand still, so that nothing races."""
    with server.new_database(template=template) as url:
        stop_jobs(url, server.profile)
        yield url


def _empty(connection: psycopg.Connection[TupleRow]) -> None:
    """Empty what is not empty: to truncate every table takes longer than most tests."""
    looks = " UNION ALL ".join(
        f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table}) OR EXISTS "
        f"(SELECT FROM pg_inherits WHERE inhparent = '{table}'::regclass)"
        for (table,) in connection.execute(_TABLES)
    )
    filled = [table for (table,) in connection.execute(looks.encode())]
    with connection.transaction():
        # No triggers, of which some remember what is deleted. To truncate a table of few rows takes ten times as long.
        connection.execute("SET LOCAL session_replication_role = replica")
        for table in filled:
            if not table.endswith("_history"):
                connection.execute(f"DELETE FROM {table}".encode())
    if histories := [table for table in filled if table.endswith("_history")]:
        with connection.transaction():
            # Or it is retention, as rollups are still there, and the service may see that and remember it for a minute.
            connection.execute("SET LOCAL energy.deletes_expired = 'yes'")
            connection.execute(f"TRUNCATE {', '.join(histories)}".encode())
    if connection.execute("SELECT profile FROM telemetry.installation").fetchone() == ("timescale",):
        for (rollup,) in connection.execute(_ROLLUPS).fetchall():
            connection.execute(f"TRUNCATE {rollup}".encode())
    connection.execute(_SEQUENCES)
    connection.execute("UPDATE telemetry.policy SET dropped_before = NULL WHERE dropped_before IS NOT NULL")


@pytest.fixture
def connection(migrated_database: str) -> Iterator[psycopg.Connection[TupleRow]]:
    """A connection (autocommit, UTC) to the profile's database, empty at the start of each test."""
    with psycopg.connect(migrated_database, autocommit=True, options="-c timezone=UTC") as opened:
        _empty(opened)
        yield opened
        dropped = opened.execute("SELECT relation FROM telemetry.policy WHERE dropped_before IS NOT NULL").fetchall()
        assert dropped == [], (
            "a test that drops history needs a database of its own: the service remembers for a minute"
        )


@pytest.fixture(scope="session")
def running(migrated_database: str) -> Iterator[Client]:
    """The service on the profile's database, in a process of its own, as the two roles that suffice for it."""
    writer, reader = (signed_in(migrated_database, role) for role in ("energy_writer", "energy_reader"))
    with running_service(DATABASE_URL=writer, DATABASE_READ_URL=reader) as client:
        yield client


@pytest.fixture
def client(running: Client, connection: psycopg.Connection[TupleRow]) -> Client:  # noqa: ARG001
    """The service on the profile's database, empty at the start of each test."""
    return running
