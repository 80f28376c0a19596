"""Bringing a database to this release's schema: once, whole or not at all, whoever else does it at the same time."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from app import __version__
from app.db import migrate
from app.db.migrate import Profile
from app.errors import DatabaseBusy, DatabaseUnavailable, ProfileMismatch, SchemaMismatch
from tests.support.readings import meter_reading, minutes_ago, vehicle_reading
from tests.support.servers import PROFILES, Server
from tests.support.service import ROOT, command, running_service

RELEASED = migrate.MIGRATIONS_DIRECTORY / "released.sha256"
MANY = 8
WAIT_S = 20

# Everything a migration makes that has a name, and what the tables hold that are not readings.
CATALOG = """
SELECT 'relation', relname, relkind::text
FROM pg_class
WHERE relnamespace IN ('telemetry'::regnamespace, 'api'::regnamespace, 'internal'::regnamespace)
UNION ALL
SELECT 'function', oid::regprocedure::text, md5(prosrc)
FROM pg_proc
WHERE pronamespace IN ('telemetry'::regnamespace, 'api'::regnamespace, 'internal'::regnamespace)
UNION ALL
SELECT 'trigger', tgname, tgrelid::regclass::text
FROM pg_trigger
WHERE NOT tgisinternal AND tgrelid::regclass::text LIKE 'telemetry.%'
UNION ALL
SELECT 'policy', relation, policy::text
FROM telemetry.policy
UNION ALL
SELECT 'migration', migration_id, applied_at_utc::text
FROM migration_log._yoyo_migration
ORDER BY 1, 2, 3
"""
JOBS = "SELECT 'job', proc_name, config::text FROM timescaledb_information.jobs WHERE hypertable_schema = 'telemetry'"


def _rows(url: str, statement: str) -> list[Any]:
    with psycopg.connect(url, options="-c timezone=UTC") as connection:
        return connection.execute(statement.encode()).fetchall()


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode())


def _catalog(url: str, profile: Profile) -> list[Any]:
    return _rows(url, CATALOG) + sorted(_rows(url, JOBS) if profile == "timescale" else [])


def _ids(profile: Profile) -> list[str]:
    folders = (migrate.MIGRATIONS_DIRECTORY / "common", migrate.MIGRATIONS_DIRECTORY / profile)
    return sorted(path.stem for folder in folders for path in folder.glob("*.sql"))


def _keep_a_reading(url: str) -> None:
    _execute(
        url,
        "INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v) "
        "VALUES ('M-1', date_trunc('minute', now()), 0.2, 230)",
    )


READINGS = "SELECT * FROM telemetry.meter_telemetry_history"
LIVE = "SELECT * FROM telemetry.live_meter_state"


@pytest.fixture
def fresh_postgres_database(postgres_server: Server) -> Iterator[str]:
    """URL of an empty database of the postgres profile alone, for what has nothing to do with profiles."""
    with postgres_server.new_database() as url:
        yield url


@pytest.fixture
def migrations_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the migrations that this process uses instead, for a test to add to."""
    copy = tmp_path / "migrations"
    shutil.copytree(migrate.MIGRATIONS_DIRECTORY, copy)
    monkeypatch.setattr(migrate, "MIGRATIONS_DIRECTORY", copy)
    return copy


def test_a_second_migrate_does_no_harm_and_applies_nothing(server: Server, fresh_database: str) -> None:
    assert migrate.migrate(fresh_database).applied == _ids(server.profile)
    _keep_a_reading(fresh_database)
    before = _catalog(fresh_database, server.profile), _rows(fresh_database, READINGS), _rows(fresh_database, LIVE)

    assert migrate.migrate(fresh_database).applied == []

    after = _catalog(fresh_database, server.profile), _rows(fresh_database, READINGS), _rows(fresh_database, LIVE)
    assert after == before
    assert len(after[1]) == len(after[2]) == 1
    # The triggers are there once: a second one of a kind would count the next reading twice.
    _execute(fresh_database, "DELETE FROM telemetry.meter_telemetry_history")
    _keep_a_reading(fresh_database)
    assert len(_rows(fresh_database, READINGS)) == 1


def test_of_many_that_migrate_at_once_one_does_it_and_all_succeed(server: Server, fresh_database: str) -> None:
    start = threading.Barrier(MANY)

    def migrate_with_the_others(_: int) -> list[str]:
        start.wait()
        return migrate.migrate(fresh_database).applied

    with ThreadPoolExecutor(MANY) as pool:
        applied = list(pool.map(migrate_with_the_others, range(MANY)))

    assert sorted(applied) == [[]] * (MANY - 1) + [_ids(server.profile)]
    assert _rows(fresh_database, "SELECT count(*) FROM telemetry.installation") == [(1,)]
    assert migrate.check(fresh_database).profile == server.profile


def test_the_profile_is_what_the_server_offers_and_is_written_down(server: Server, fresh_database: str) -> None:
    assert migrate.migrate(fresh_database).profile == server.profile
    installed = migrate.check(fresh_database)
    assert (installed.profile, installed.release) == (server.profile, __version__)
    assert _rows(fresh_database, "SELECT profile FROM telemetry.installation") == [(server.profile,)]


def test_the_postgres_profile_can_be_asked_for_on_any_server_and_then_stays(fresh_database: str) -> None:
    assert migrate.migrate(fresh_database, "postgres").profile == "postgres"
    assert _rows(fresh_database, "SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'") == []

    again = migrate.migrate(fresh_database)
    assert (again.profile, again.applied) == ("postgres", [])
    with pytest.raises(
        ProfileMismatch,
        match=r"^STORAGE_PROFILE=timescale, but the database was made with profile postgres, which does not change",
    ):
        migrate.migrate(fresh_database, "timescale")
    assert migrate.check(fresh_database).profile == "postgres"


def test_the_profile_of_a_database_does_not_change(server: Server, fresh_database: str) -> None:
    migrate.migrate(fresh_database)
    [other] = set(PROFILES) - {server.profile}
    refused = command("migrate", DATABASE_URL=fresh_database, STORAGE_PROFILE=other)
    assert refused.returncode == 1
    assert refused.stderr == (
        f"energy: STORAGE_PROFILE={other}, but the database was made with profile {server.profile}, "
        "which does not change; use another database and copy the readings\n"
    )
    assert migrate.check(fresh_database).profile == server.profile


def test_the_timescale_profile_is_refused_with_the_reason_where_it_is_not_offered(postgres_server: Server) -> None:
    with postgres_server.new_database() as url:
        with pytest.raises(ProfileMismatch, match=r"^STORAGE_PROFILE=timescale, but the server has no TimescaleDB$"):
            migrate.migrate(url, "timescale")
        with pytest.raises(SchemaMismatch, match="no schema yet"):
            migrate.check(url)


def test_a_timescale_database_is_refused_where_its_server_lost_timescaledb(postgres_server: Server) -> None:
    with postgres_server.new_database() as url:
        migrate.migrate(url)
        _execute(url, "UPDATE telemetry.installation SET profile = 'timescale'")
        with pytest.raises(
            ProfileMismatch, match=r"^the database was made with profile timescale, but the server has no TimescaleDB$"
        ):
            migrate.migrate(url)


def test_a_schema_newer_than_this_release_is_refused_and_left_alone(server: Server, fresh_database: str) -> None:
    migrate.migrate(fresh_database)
    _execute(
        fresh_database,
        "INSERT INTO migration_log._yoyo_migration (migration_hash, migration_id, applied_at_utc) "
        "VALUES ('made up', '9999_from_the_future', now())",
    )
    before = _catalog(fresh_database, server.profile)
    message = r"does not know: 9999_from_the_future; run a newer release$"
    with pytest.raises(SchemaMismatch, match=message):
        migrate.check(fresh_database)
    with pytest.raises(SchemaMismatch, match=message):
        migrate.migrate(fresh_database)
    assert _catalog(fresh_database, server.profile) == before


def test_a_database_that_was_never_migrated_names_the_command(fresh_postgres_database: str) -> None:
    with pytest.raises(SchemaMismatch, match=r"no schema yet; run: ev-fleet-energy migrate$"):
        migrate.check(fresh_postgres_database)
    refused = command("serve", DATABASE_URL=fresh_postgres_database)
    assert refused.returncode == 1
    assert refused.stderr == "energy: the database has no schema yet; run: ev-fleet-energy migrate\n"


def test_changed_sql_asks_for_a_migrate_which_mends_it(fresh_postgres_database: str) -> None:
    migrate.migrate(fresh_postgres_database)
    _execute(
        fresh_postgres_database, "UPDATE telemetry.installation SET sql_fingerprint = 'another', release = '0.0.1'"
    )
    with pytest.raises(
        SchemaMismatch,
        match=rf"by release 0\.0\.1, this is {__version__}, and their SQL differs; run: ev-fleet-energy migrate$",
    ):
        migrate.check(fresh_postgres_database)
    assert migrate.migrate(fresh_postgres_database).applied == []
    migrate.check(fresh_postgres_database)


@pytest.mark.parametrize("schema", migrate.REBUILT)
def test_a_schema_of_somebody_else_is_not_dropped(fresh_postgres_database: str, schema: str) -> None:
    _execute(fresh_postgres_database, f"CREATE SCHEMA {schema}")
    _execute(fresh_postgres_database, f"CREATE TABLE {schema}.invoice AS SELECT 1 AS number")
    with pytest.raises(SchemaMismatch, match=f"ALTER SCHEMA {schema} RENAME TO our_{schema}"):
        migrate.migrate(fresh_postgres_database)
    assert _rows(fresh_postgres_database, f"SELECT number FROM {schema}.invoice") == [(1,)]
    _execute(fresh_postgres_database, f"ALTER SCHEMA {schema} RENAME TO our_{schema}")
    migrate.migrate(fresh_postgres_database)
    migrate.migrate(fresh_postgres_database)


def test_schemas_api_and_internal_are_rebuilt_whole(fresh_postgres_database: str) -> None:
    migrate.migrate(fresh_postgres_database)
    _execute(fresh_postgres_database, "CREATE FUNCTION internal.left_over() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    _execute(fresh_postgres_database, "DROP FUNCTION internal.hour_ceiling CASCADE")
    migrate.migrate(fresh_postgres_database)
    functions = "SELECT proname FROM pg_proc WHERE pronamespace = 'internal'::regnamespace"
    names = {name for (name,) in _rows(fresh_postgres_database, functions)}
    assert "hour_ceiling" in names
    assert "left_over" not in names


def test_a_migration_that_fails_midway_leaves_nothing_and_the_next_run_works(
    server: Server, fresh_database: str, migrations_copy: Path
) -> None:
    broken = migrations_copy / "common" / "9999_broken.sql"
    broken.write_text("CREATE TABLE telemetry.half (n integer);\n\nSELECT 1 / 0;\n")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate.migrate(fresh_database)

    assert _rows(fresh_database, "SELECT relname FROM pg_class WHERE relnamespace = 'telemetry'::regnamespace") == []
    assert _rows(fresh_database, "SELECT migration_id FROM migration_log._yoyo_migration") == []
    with pytest.raises(SchemaMismatch, match="no schema yet"):
        migrate.check(fresh_database)

    broken.unlink()
    assert migrate.migrate(fresh_database).applied == _ids(server.profile)
    migrate.check(fresh_database)


def test_a_later_release_applies_only_what_is_new_and_keeps_the_readings(
    fresh_postgres_database: str, migrations_copy: Path
) -> None:
    migrate.migrate(fresh_postgres_database)
    _keep_a_reading(fresh_postgres_database)
    (migrations_copy / "common" / "9999_new.sql").write_text("CREATE TABLE telemetry.new (n integer);\n")
    with pytest.raises(SchemaMismatch, match="run: ev-fleet-energy migrate"):
        migrate.check(fresh_postgres_database)

    assert migrate.migrate(fresh_postgres_database).applied == ["9999_new"]
    assert len(_rows(fresh_postgres_database, READINGS)) == len(_rows(fresh_postgres_database, LIVE)) == 1
    migrate.check(fresh_postgres_database)


def test_a_migrate_that_is_killed_midway_leaves_nothing_and_does_not_block_the_next(
    server: Server, fresh_database: str
) -> None:
    """The process is stopped in the middle of its transaction, by a table of the same name that another session is
    about to create, and is killed there with its lock held. When that session gives way, the orphaned backend finds
    its client gone."""
    _execute(fresh_database, "CREATE SCHEMA telemetry")
    with psycopg.connect(fresh_database) as obstacle:
        obstacle.execute("CREATE TABLE telemetry.assignment ()")
        with _migrating(fresh_database) as process:
            _wait_until(lambda: _rows(fresh_database, WAITING_MIGRATE) != [])
            process.send_signal(signal.SIGKILL)
            process.wait()
        obstacle.rollback()

    began = time.monotonic()
    assert migrate.migrate(fresh_database).applied == _ids(server.profile)
    assert time.monotonic() - began < WAIT_S
    migrate.check(fresh_database)


def test_a_migrate_whose_backend_is_terminated_does_not_block_the_next(fresh_postgres_database: str) -> None:
    _execute(fresh_postgres_database, "CREATE SCHEMA telemetry")
    with psycopg.connect(fresh_postgres_database) as obstacle:
        obstacle.execute("CREATE TABLE telemetry.assignment ()")
        with _migrating(fresh_postgres_database) as process:
            _wait_until(lambda: _rows(fresh_postgres_database, WAITING_MIGRATE) != [])
            [(pid,)] = _rows(fresh_postgres_database, WAITING_MIGRATE)
            _execute(fresh_postgres_database, f"SELECT pg_terminate_backend({pid})")
            assert process.wait(WAIT_S) == 1
        obstacle.rollback()
    assert migrate.migrate(fresh_postgres_database).applied == _ids("postgres")


WAITING_MIGRATE = (
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'energy-migrate' AND datname = current_database() "
    "AND wait_event_type = 'Lock' AND query ~ 'telemetry.assignment'"
)


@contextmanager
def _migrating(url: str) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "migrate"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


NEW_COLUMN = "ALTER TABLE telemetry.meter_telemetry_history ADD COLUMN frequency_hz float4;\n"


def test_a_migration_that_finds_its_table_in_use_lets_ingest_through_and_is_tried_again(
    server: Server, fresh_database: str, migrations_copy: Path
) -> None:
    """A reader holds the table in an open transaction. Were the migration to queue for it, every insert would queue
    behind; here none may wait much longer than the migration does in one try."""
    migrate.migrate(fresh_database)
    _keep_a_reading(fresh_database)
    (migrations_copy / "common" / "9999_new.sql").write_text(NEW_COLUMN)
    longest_s = 0.0
    with psycopg.connect(fresh_database) as reader, ThreadPoolExecutor(1) as pool:
        assert len(reader.execute(READINGS).fetchall()) == 1
        migrating = pool.submit(migrate.migrate, fresh_database)
        until = time.monotonic() + 2 * migrate.PAUSE_BETWEEN_TRIES_S
        with psycopg.connect(fresh_database, autocommit=True) as writer:
            while time.monotonic() < until:
                began = time.monotonic()
                writer.execute(
                    "INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v) "
                    "VALUES ('M-2', clock_timestamp(), 0.2, 230)"
                )
                longest_s = max(longest_s, time.monotonic() - began)
        assert not migrating.done()
        reader.rollback()
        assert migrating.result(WAIT_S).applied == ["9999_new"]
    assert migrate.LOCK_TIMEOUT_MS / 1000 / 2 < longest_s < 1
    assert _rows(fresh_database, "SELECT count(frequency_hz) FROM telemetry.meter_telemetry_history") == [(0,)]
    assert migrate.check(fresh_database).profile == server.profile


def test_a_migration_that_never_gets_its_locks_changes_nothing_and_names_who_holds_them(
    server: Server, fresh_database: str, migrations_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate.migrate(fresh_database)
    (migrations_copy / "common" / "9999_new.sql").write_text(NEW_COLUMN)
    monkeypatch.setattr(migrate, "MAX_TRIES_FOR_LOCKS", 2)
    before = _catalog(fresh_database, server.profile)
    with psycopg.connect(fresh_database, application_name="a-long-report") as reader:
        reader.execute(READINGS)
        pid = reader.info.backend_pid
        with pytest.raises(
            DatabaseBusy, match=rf"gave up after 2 tries; nothing was changed.*pid {pid} \(\w+, a-long-report"
        ):
            migrate.migrate(fresh_database)
    assert _catalog(fresh_database, server.profile) == before


def test_a_backup_that_holds_every_view_lets_a_migrate_through_and_the_next_one_clears_up(
    fresh_postgres_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    aside = "SELECT to_regnamespace('api_before') IS NULL, to_regnamespace('internal_before') IS NULL"
    migrate.migrate(fresh_postgres_database)
    with psycopg.connect(fresh_postgres_database) as backup:
        backup.execute("SELECT * FROM api.meter_telemetry_history")
        assert migrate.migrate(fresh_postgres_database).applied == []
        assert "the former schemas are still read" in caplog.text
        assert backup.execute("SELECT * FROM api.live_meter_state").fetchall() == []
    assert _rows(fresh_postgres_database, aside) == [(False, False)]
    migrate.migrate(fresh_postgres_database)
    assert _rows(fresh_postgres_database, aside) == [(True, True)]


def test_a_vacuum_of_a_database_that_is_current_keeps_nobody_from_starting(
    fresh_postgres_database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    migrate.migrate(fresh_postgres_database)
    monkeypatch.setattr(migrate, "MAX_TRIES_WHERE_NOTHING_CHANGES", 1)
    monkeypatch.setattr(migrate, "VACUUM_LOCK_TIMEOUT_MS", 100)
    with psycopg.connect(fresh_postgres_database) as vacuum:
        vacuum.execute("LOCK TABLE telemetry.meter_telemetry_history IN SHARE UPDATE EXCLUSIVE MODE")
        assert migrate.migrate(fresh_postgres_database).applied == []
    assert "was left as it is" in caplog.text


def test_a_migrate_waits_for_another_that_works_and_finds_it_done(fresh_postgres_database: str) -> None:
    with psycopg.connect(fresh_postgres_database) as other, ThreadPoolExecutor(1) as pool:
        other.execute("SELECT pg_advisory_lock(%s)", [migrate.MIGRATION_LOCK])
        waiting = pool.submit(migrate.migrate, fresh_postgres_database)
        _wait_until(
            lambda: (
                _rows(fresh_postgres_database, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
                != []
            )
        )
        assert _rows(fresh_postgres_database, "SELECT to_regnamespace('telemetry')") == [(None,)]
        other.close()
        assert waiting.result(WAIT_S).applied


def test_answers_and_ingest_go_on_while_schema_api_is_rebuilt(fresh_database: str) -> None:
    """Two ask and one posts, without a pause, while the schema is rebuilt again and again underneath them: whatever a
    session has looked up or planned may be gone a moment later."""
    migrate.migrate(fresh_database)
    at = minutes_ago(5)
    rebuilt = threading.Event()
    with running_service(DATABASE_URL=fresh_database) as client, ThreadPoolExecutor(3) as pool:
        client.ingest(meter_reading("V-1", at, kwhConsumedAc=0.5), vehicle_reading("V-1", at, kwhDeliveredDc=0.4))

        def ask() -> tuple[int, Any]:
            answer = client.get("/v1/analytics/performance/V-1")
            return answer.status, answer.json.get("efficiencyRatio", answer.json)

        def post() -> tuple[int, Any]:
            answer = client.post("/v1/ingest", [meter_reading(f"M-{uuid.uuid4()}"), vehicle_reading("V-2", at)])
            return answer.status, answer.json.get("conflicts", answer.json)

        def until_rebuilt(send: Callable[[], tuple[int, Any]]) -> list[tuple[int, Any]]:
            answers = []
            while not rebuilt.is_set():
                answers.append(send())
            return answers

        going_on = [pool.submit(until_rebuilt, send) for send in (ask, ask, post)]
        try:
            for _ in range(8):
                migrate.migrate(fresh_database)
        finally:
            rebuilt.set()
        asked, asked_too, posted = (each.result(WAIT_S) for each in going_on)
    assert len(asked) > 1
    assert len(posted) > 1
    assert [answer for answer in asked + asked_too if answer != (200, 0.8)] == []
    assert [answer for answer in posted if answer != (200, 0)] == []


def test_a_database_that_is_not_utf8_is_refused(server: Server) -> None:
    name = f"energy_test_ascii_{os.getpid()}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0".encode()
        )
        try:
            with pytest.raises(
                SchemaMismatch, match=r"^the database's encoding is SQL_ASCII; create it with ENCODING 'UTF8'$"
            ):
                migrate.migrate(make_conninfo(server.url, dbname=name))
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def role(server: Server) -> Iterator[str]:
    """A role that may log in and nothing else."""
    name = f"energy_test_role_{os.getpid()}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'no-secret'").format(sql.Identifier(name)))
        yield name
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def _as(role: str, url: str) -> str:
    return make_conninfo(url, user=role, password="no-secret")


def test_a_role_without_rights_gets_a_plain_error(role: str, server: Server) -> None:
    with server.new_database() as url:
        for _ in range(2):
            refused = command("migrate", DATABASE_URL=_as(role, url))
            assert refused.returncode == 1
            assert refused.stderr.startswith("energy: this role may not do what the migration needs: permission denied")
            assert "Traceback" not in refused.stderr
            # The second time round the schema is there, and the role may not look at it.
            migrate.migrate(url)


def test_the_owner_of_a_database_needs_no_further_right(role: str, server: Server) -> None:
    with server.new_database() as url:
        with psycopg.connect(url) as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
                    sql.Identifier(connection.info.dbname), sql.Identifier(role)
                )
            )
        assert migrate.migrate(_as(role, url)).applied == _ids(server.profile)
        assert migrate.migrate(_as(role, url)).applied == []
        _keep_a_reading(_as(role, url))
        assert migrate.check(_as(role, url)).profile == server.profile


def test_a_database_that_cannot_be_reached_is_named_as_such() -> None:
    nobody_listens = "postgresql://energy@127.0.0.1:1/energy"
    with pytest.raises(DatabaseUnavailable, match=r"^the database cannot be reached: "):
        migrate.migrate(nobody_listens)
    refused = command("migrate", DATABASE_URL=nobody_listens)
    assert refused.returncode == 1
    assert refused.stderr.startswith("energy: the database cannot be reached: ")
    assert "Traceback" not in refused.stderr


def test_the_command_prints_the_profile_and_what_was_applied(server: Server, fresh_database: str) -> None:
    first = command("migrate", DATABASE_URL=fresh_database)
    assert (first.returncode, first.stdout) == (
        0,
        f"profile {server.profile}; applied {', '.join(_ids(server.profile))}\n",
    )
    second = command("migrate", DATABASE_URL=fresh_database)
    assert (second.returncode, second.stdout) == (0, f"profile {server.profile}; already up to date\n")


def _migration_files() -> list[Path]:
    return sorted(path for path in migrate.MIGRATIONS_DIRECTORY.rglob("*.sql"))


@pytest.mark.parametrize("profile", PROFILES)
def test_no_two_migrations_of_a_profile_bear_the_same_id_or_number(profile: Profile) -> None:
    ids = _ids(profile)
    assert ids
    assert len({name.split("_")[0] for name in ids}) == len(ids)
    # Both profiles have migrations of the same numbers, so that the next one is common to both.
    assert {name.split("_")[0] for name in ids} == {path.name.split("_")[0] for path in _migration_files()}


def test_ids_of_migrations_are_unique_across_all_folders() -> None:
    # yoyo tells migrations apart by their ids alone, never by their folder or text.
    ids = [path.stem for path in _migration_files()]
    assert len(set(ids)) == len(ids)


def test_released_migrations_are_frozen() -> None:
    """The list has the form of sha256sum, so that `sha256sum --check migrations/released.sha256` says the same."""
    lines = [line.split("  ", 1) for line in RELEASED.read_text().splitlines()]
    listed = {name: digest for digest, name in lines}
    actual = {
        path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in _migration_files()
    }
    assert sorted(listed) == sorted(actual), "a migration is missing from the list, or was removed"
    changed = [name for name, digest in actual.items() if listed[name] != digest]
    assert changed == [], "a released migration is never edited: add another one"
