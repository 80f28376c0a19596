"""A database brought elsewhere, dumped and restored, or copied into the other profile: it arrives as it was."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from app.db import migrate
from app.local.embedded.installation import packaged_bindir
from app.tools import transfer
from tests.support.servers import TIMESCALE, Server, Unavailable, local_bindirs, signed_in, start, stop_jobs
from tests.support.service import ROOT, command

Connection = psycopg.Connection[TupleRow]

# Five weeks in which two meters and two vehicles change hands, one meter becomes a register, another falls silent, and
# the oldest days are known from their rollups alone.
FILL = """
    INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v, received_at)
    SELECT 'M-' || device, at, 0.1 + random() / 3, 229.9 + random(), at + interval '1.5 seconds'
    FROM generate_series(1, 3) AS device
    CROSS JOIN generate_series(now() - interval '38 days', now(), '97 minutes 7.123456 seconds') AS at
    ORDER BY 1, 2;
    INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v)
    VALUES ('M-silent', now() - interval '36 days', 0.25, 230);
    INSERT INTO telemetry.vehicle_telemetry_history (vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c)
    SELECT 'V-' || device, at, 50 * random(), random() / 3, 20 + random()
    FROM generate_series(1, 3) AS device
    CROSS JOIN generate_series(now() - interval '38 days', now(), '113 minutes 7.123456 seconds') AS at
    ORDER BY 1, 2;
    INSERT INTO telemetry.assignment (meter_id, vehicle_id, during)
    SELECT 'M-' || device, 'V-' || device, tstzrange(now() - interval '30 days', now() - interval '1 day')
    FROM generate_series(1, 3) AS device;
    SELECT api.void_assignment(2);
    UPDATE telemetry.assignment SET during = tstzrange(lower(during), NULL) WHERE id = 3;
    SELECT api.plug_out('M-9', NULL, now() - interval '1 day');
    SELECT api.set_plug_event_default(true);
    SELECT api.set_meter_kind('M-2', 'register', 1000, now() - interval '9 days');
    INSERT INTO telemetry.vehicle (vehicle_id, battery_capacity_kwh) VALUES ('V-1', 77.5);
    INSERT INTO telemetry.import_source (fingerprint, file_name, shifted_by) VALUES ('f', 'a.csv', '3 days 4 hours');
"""
DROP_THE_OLDEST = """
    UPDATE telemetry.policy SET drop_after = '34 days' WHERE relation LIKE '%_history';
    DELETE FROM telemetry.meter_telemetry_history WHERE recorded_at < now() - interval '34 days';
    DELETE FROM telemetry.vehicle_telemetry_history WHERE recorded_at < now() - interval '34 days';
"""
# Ten readings, an hour apart, that begin so long ago.
OLD_READINGS = """
    INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v)
    SELECT 'M-' || n, now() - %s::interval + n * interval '1 hour', 0.1 * n, 230 + n
    FROM generate_series(1, 10) AS n
"""
READ = {
    "meter_telemetry_history": "meter_id, recorded_at",
    "vehicle_telemetry_history": "vehicle_id, recorded_at",
    "live_meter_state": "meter_id",
    "live_vehicle_state": "vehicle_id",
    "meter_hourly": "meter_id, bucket_start",
    "vehicle_hourly": "vehicle_id, bucket_start",
    "meter_daily": "meter_id, bucket_start",
    "vehicle_daily": "vehicle_id, bucket_start",
    "assignment": "id",
    "assignment_change": "id",
    "unmatched_plug_out": "id",
    "plug_event_default": "is_only",
    "meter": "meter_id",
    "meter_kind_past": "meter_id, until",
    "vehicle": "vehicle_id",
    "policy": "relation",
    "import_source": "fingerprint",
}


def fill(url: str) -> None:
    """Everything that a copy has to bring along, half of it old."""
    with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
        connection.execute(FILL.encode())
        connection.execute("CALL api.refresh_rollups(now() - interval '60 days', now())")
        connection.execute(DROP_THE_OLDEST.encode())


def rows(url: str) -> dict[str, list[Any]]:
    """Every row of every relation, in order; floating-point sums as text of 9 digits, since their order is free."""
    with psycopg.connect(url, options="-c timezone=UTC") as connection:
        return {
            relation: [
                tuple(
                    f"{value:.9g}" if isinstance(value, float) and relation.endswith("ly") else value for value in row
                )
                for row in connection.execute(f"SELECT * FROM telemetry.{relation} ORDER BY {order}".encode())
            ]
            for relation, order in READ.items()
        }


def _differing(connection: Connection, other_url: str) -> set[str]:
    """What differs, as this connection sees its database: within a transaction, before it ends."""
    with psycopg.connect(other_url, autocommit=True, options="-c timezone=UTC") as other:
        kept_from = json.dumps(transfer._horizons(connection, other), default=str)
        here, there = (
            {
                f"{name} {day}": transfer.Fingerprint(count, int(checksum), sums or ())
                for name, day, count, checksum, sums in each.execute(
                    "SELECT relation, day, row_count, checksum, sums FROM internal.fingerprints(kept_from => %s)",
                    [kept_from],
                ).fetchall()
            }
            for each in (connection, other)
        )
    nothing = transfer.Fingerprint()
    return {
        what.removesuffix(" None")
        for what in here.keys() | there.keys()
        if not here.get(what, nothing).agrees(there.get(what, nothing))
    }


def run_retention(connection: Connection, server: Server) -> None:
    """Drop what has expired, now."""
    if server.profile == "postgres":
        connection.execute("CALL api.upkeep()")
        return
    jobs = "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = 'policy_retention'"
    for (job,) in connection.execute(jobs).fetchall():
        connection.execute("CALL public.run_job(%s)", [job])


@pytest.fixture(scope="module")
def filled(server: Server) -> Iterator[str]:
    """URL of a database of each profile in turn, the owner's, filled."""
    with server.new_database(owner="energy_owner") as url:
        stop_jobs(url, server.profile)
        migrate.migrate(signed_in(url, "energy_owner"), server.profile)
        fill(url)
        yield url


@pytest.fixture(scope="module")
def other_server(server: Server, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of the other profile."""
    if server.profile == "timescale":
        yield request.getfixturevalue("postgres_server")
        return
    try:
        with start(TIMESCALE[0]) as started:
            yield started
    except Unavailable as reason:
        pytest.skip(str(reason))


def check_that_a_difference_is_named_and_copied(source: str, target: str, connection: Connection) -> None:
    """A copy that is run again copies what is not there, and nothing else."""
    connection.execute("DELETE FROM telemetry.assignment WHERE id = 4")
    connection.execute("DELETE FROM telemetry.assignment_change WHERE assignment_id = 4")
    lost = connection.execute(
        "DELETE FROM telemetry.meter_telemetry_history "
        "WHERE meter_id = 'M-1' AND recorded_at > now() - interval '1 day'"
    ).rowcount
    connection.execute("UPDATE telemetry.vehicle SET battery_capacity_kwh = 60")
    printed = command("compare", source, DATABASE_URL=target)
    assert printed.returncode == 1
    assert "vehicle: 1 row each, other values\n" in printed.stdout
    assert printed.stdout.count("meter_telemetry_history 20") in (1, 2)
    assert transfer.copy(source, target) == lost > 0


def test_a_database_copied_into_the_other_profile_is_the_same_row_by_row(filled: str, other_server: Server) -> None:
    with other_server.new_database() as url:
        # The owner of both can do it, who is no superuser.
        migrate.create_roles(url)
        target = signed_in(url, "energy_owner")
        migrate.migrate(target, other_server.profile)
        stop_jobs(url, other_server.profile)
        done = command("copy", filled, DATABASE_URL=target)
        assert (done.returncode, done.stdout[-33:].strip()) == (0, "the two databases hold the same"), done.stderr
        expected = rows(filled)
        assert min(map(len, expected.values())) >= 1
        assert rows(target) == expected
        with psycopg.connect(target, autocommit=True, options="-c timezone=UTC") as connection:
            # Hours whose history was dropped came along, and no refresh erases them.
            dropped = "SELECT count(*) FROM telemetry.meter_hourly WHERE bucket_start < now() - interval '35 days'"
            assert connection.execute(dropped).fetchall() > [(0,)]
            connection.execute("CALL api.upkeep()")
            connection.execute("CALL api.refresh_rollups(now() - interval '60 days', now())")
            assert rows(target) == expected
            [(new_id,)] = connection.execute(
                "INSERT INTO telemetry.assignment (meter_id, vehicle_id, during) "
                "VALUES ('M-9', 'V-9', tstzrange(now(), NULL)) RETURNING id"
            ).fetchall()
            assert new_id == 4
            check_that_a_difference_is_named_and_copied(filled, target, connection)


def test_a_rollup_that_is_wrong_differs_and_the_last_bits_of_its_sums_do_not(
    filled: str, own: Connection, own_database: str
) -> None:
    transfer.copy(filled, own_database)
    assert transfer.compare(own_database, filled) == []
    [(hours,)] = own.execute("SELECT internal.rollup_table('meter_hourly')").fetchall()
    day = "bucket_start BETWEEN now() - interval '15 days' AND now() - interval '10 days'"
    # What another order of adding may make of it, and what nothing but a fault does.
    own.execute(f"UPDATE {hours} SET energy_ac_sum_kwh = energy_ac_sum_kwh * (1 + 3e-15), readings = readings".encode())
    assert transfer.compare(own_database, filled) == []
    for column, change in (
        ("energy_ac_max_kwh", "energy_ac_max_kwh + 1e-9"),
        ("first_recorded_at", "first_recorded_at + interval '1 microsecond'"),
        ("voltage_sum_v", "voltage_sum_v + 0.001"),
    ):
        with own.transaction(force_rollback=True):
            changed = own.execute(f"UPDATE {hours} SET {column} = {change} WHERE {day} AND meter_id = 'M-2'".encode())
            assert changed.rowcount > 5
            differing = _differing(own, filled)
            assert {what.split()[0] for what in differing} == {"meter_hourly"}
            assert 5 <= len(differing) <= 6
    # Two sums that are exchanged add up to the same.
    with own.transaction(force_rollback=True):
        own.execute(
            f"""
            UPDATE {hours} AS kept SET energy_ac_sum_kwh = other.energy_ac_sum_kwh
            FROM (SELECT meter_id, bucket_start, energy_ac_sum_kwh FROM {hours}) AS other
            WHERE
                kept.{day} AND kept.meter_id IN ('M-1', 'M-2') AND other.meter_id IN ('M-1', 'M-2')
                AND other.meter_id <> kept.meter_id AND other.bucket_start = kept.bucket_start
            """.encode()
        )
        assert {what.split()[0] for what in _differing(own, filled)} == {"meter_hourly"}


def test_the_target_drops_nothing_by_a_policy_that_is_not_the_sources(
    own: Connection, own_database: str, other_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retention runs in the target while it is copied into: as a job there, as upkeep here."""
    own.execute("UPDATE telemetry.policy SET drop_after = '1000 days'")
    own.execute("CALL api.apply_policies()")
    own.execute(OLD_READINGS.encode(), ["700 days"])
    own.execute("CALL api.refresh_rollups(now() - interval '800 days', now())")
    with other_server.new_database() as target:
        stop_jobs(target, other_server.profile)
        migrate.migrate(target, other_server.profile)
        copy_a_day = transfer._copy_a_day

        def then_retention_runs(source: Connection, into: Connection, *what: Any) -> int:
            kept = copy_a_day(source, into, *what)
            run_retention(into, other_server)
            return kept

        monkeypatch.setattr(transfer, "_copy_a_day", then_retention_runs)
        assert transfer.copy(own_database, target) == 10
        assert transfer.compare(target, own_database) == []


def test_what_either_side_need_not_keep_any_more_is_not_compared(
    own: Connection, own_database: str, other_server: Server
) -> None:
    own.execute(OLD_READINGS.encode(), ["300 days"])
    own.execute("CALL api.refresh_rollups(now() - interval '400 days', now())")
    with other_server.new_database() as target:
        stop_jobs(target, other_server.profile)
        migrate.migrate(target, other_server.profile)
        transfer.copy(own_database, target)
        # Dropped here, not yet there: an hour later it would have gone there too.
        with psycopg.connect(target, autocommit=True) as connection:
            for url in (own, connection):
                url.execute("UPDATE telemetry.policy SET drop_after = '100 days' WHERE relation LIKE '%_history'")
                url.execute("DELETE FROM telemetry.policy_change")
            connection.execute(
                "DELETE FROM telemetry.meter_telemetry_history WHERE recorded_at < now() - interval '100 days'"
            )
        assert _differing(own, target) <= {"policy"}


def test_rollups_of_devices_whose_readings_were_all_dropped_are_copied(
    own: Connection, own_database: str, other_server: Server
) -> None:
    own.execute(OLD_READINGS.encode(), ["399 days"])
    own.execute("CALL api.refresh_rollups(now() - interval '399 days 12 hours', now())")
    own.execute("UPDATE telemetry.policy SET drop_after = '200 days' WHERE relation LIKE '%_history'")
    own.execute("DELETE FROM telemetry.meter_telemetry_history")
    hours = "SELECT meter_id, bucket_start, readings FROM telemetry.{} ORDER BY 1, 2"
    expected = {name: own.execute(hours.format(name).encode()).fetchall() for name in ("meter_hourly", "meter_daily")}
    assert len(expected["meter_hourly"]) == 10
    with other_server.new_database() as target:
        stop_jobs(target, other_server.profile)
        migrate.migrate(target, other_server.profile)
        assert transfer.copy(own_database, target) == 0
        with psycopg.connect(target, autocommit=True, options="-c timezone=UTC") as connection:
            for name, rows_there in expected.items():
                assert connection.execute(hours.format(name).encode()).fetchall() == rows_there
            if other_server.profile == "timescale":
                # Nor was there any reading meanwhile, for which a chunk would have been made.
                chunks = "SELECT count(*) FROM public.show_chunks('telemetry.meter_telemetry_history')"
                assert connection.execute(chunks).fetchone() == (0,)
            # A second copy finds them.
            assert transfer.copy(own_database, target) == 0
            assert connection.execute("SELECT count(*) FROM telemetry.meter_telemetry_history").fetchone() == (0,)
            assert connection.execute("SELECT count(*) FROM telemetry.live_meter_state").fetchone() == (10,)
        assert transfer.compare(target, own_database) == []


def bindir(server: Server) -> Path:
    """Where client programs of a server's major release are: a dump that another one writes may not restore there."""
    with psycopg.connect(server.url) as connection:
        major = connection.info.server_version // 10000
    for candidate in (packaged_bindir(), *local_bindirs()):
        pg_dump = candidate / "pg_dump"
        if pg_dump.exists():
            version = subprocess.run([pg_dump, "--version"], capture_output=True, text=True, check=True).stdout
            if f"(PostgreSQL) {major}." in version:
                return candidate
    pytest.skip(f"no pg_dump of PostgreSQL {major} is installed")


def run(program: Path, *arguments: str) -> None:
    """Run a client program as the runbook in docs/operations.md does."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def restore(server: Server, source: str, target: str, dump: str) -> None:
    """Dump one database and restore it into another, as a superuser, as the runbook does."""
    programs = bindir(server)
    run(programs / "pg_dump", "--format=custom", f"--file={dump}", source)
    if server.profile == "timescale":
        run(programs / "psql", target, "-c", "CREATE EXTENSION timescaledb", "-c", "SELECT timescaledb_pre_restore()")
    run(programs / "pg_restore", "--exit-on-error", f"--dbname={target}", dump)
    if server.profile == "timescale":
        run(programs / "psql", target, "-c", "SELECT timescaledb_post_restore()")
        stop_jobs(target, server.profile)


# What somebody else than energy_owner owns of what a migration and a change of policies need.
NOT_THE_OWNERS = """
    SELECT datname FROM pg_database WHERE datname = current_database() AND datdba <> 'energy_owner'::regrole
    UNION ALL
    SELECT nspname FROM pg_namespace
    WHERE nspname IN ('telemetry', 'api', 'internal', 'migration_log') AND nspowner <> 'energy_owner'::regrole
    UNION ALL
    SELECT relname FROM pg_class
    WHERE
        relnamespace::regnamespace::text IN ('telemetry', 'api', 'internal', 'migration_log')
        AND relowner <> 'energy_owner'::regrole
    UNION ALL
    SELECT proname FROM pg_proc
    WHERE pronamespace IN ('telemetry'::regnamespace, 'api'::regnamespace, 'internal'::regnamespace)
        AND proowner <> 'energy_owner'::regrole
"""


def check_that_the_owner_owns_and_goes_on(target: str, server: Server) -> None:
    """Migrations and changes of policies are the owner's, and what lends rights lends the owner's."""
    owner = signed_in(target, "energy_owner")
    with psycopg.connect(owner, autocommit=True, options="-c timezone=UTC") as connection:
        assert connection.execute(NOT_THE_OWNERS.encode()).fetchall() == []
        connection.execute("CALL api.set_policy('meter_hourly', drop_after => '900 days')")
        if server.profile == "timescale":
            jobs = "SELECT DISTINCT owner::text FROM timescaledb_information.jobs WHERE job_id >= 1000"
            assert connection.execute(jobs).fetchall() == [("energy_owner",)]
        # It goes on where the other stopped: chunks, triggers, rollups.
        connection.execute(
            "INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v) "
            "VALUES ('M-new', now(), 1, 230)"
        )
        assert connection.execute(
            "SELECT energy_ac_sum_kwh FROM telemetry.meter_hourly WHERE meter_id = 'M-new'"
        ).fetchall() == [(1.0,)]
        connection.execute("CALL api.upkeep()")
    assert migrate.migrate(owner).applied == []
    assert migrate.check(signed_in(target, "energy_writer")).profile == server.profile


def test_a_dump_that_is_restored_by_the_runbook_is_the_same_row_by_row_and_the_owners(
    filled: str, server: Server, tmp_path: Path
) -> None:
    with server.new_database(owner="energy_owner") as target:
        assert command("roles", DATABASE_URL=target).returncode == 0
        restore(server, filled, target, str(tmp_path / "energy.dump"))
        assert rows(target) == rows(filled)
        owner = signed_in(target, "energy_owner")
        assert migrate.migrate(owner).applied == []
        assert transfer.compare(owner, filled) == []
        check_that_the_owner_owns_and_goes_on(target, server)


def test_a_database_that_was_restored_and_migrated_as_another_role_is_handed_over(
    filled: str, server: Server, tmp_path: Path
) -> None:
    with server.new_database() as target:
        restore(server, filled, target, str(tmp_path / "energy.dump"))
        migrate.migrate(target)
        with psycopg.connect(target, autocommit=True) as connection:
            assert connection.execute(NOT_THE_OWNERS.encode()).fetchall() != []
            connection.execute((ROOT / "sql" / "roles" / "hand_over.sql").read_bytes())
        assert migrate.migrate(signed_in(target, "energy_owner")).applied == []
        assert transfer.compare(target, filled) == []
        check_that_the_owner_owns_and_goes_on(target, server)


def test_the_extension_is_updated_as_the_first_statement_of_a_session(server: Server, own_database: str) -> None:
    if server.profile == "timescale":
        run(bindir(server) / "psql", "-X", own_database, "-c", "ALTER EXTENSION timescaledb UPDATE")
    assert migrate.migrate(own_database).applied == []
