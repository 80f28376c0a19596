"""Three roles: one owns, one writes and deletes nothing, one reads what schema api answers and nothing else.

The service that the other tests of this folder talk to runs as the writer and the reader, so what they can do is shown
there. Here is what they cannot.
"""

import re
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from app.db import migrate
from app.errors import RoleLacksRight
from tests.support.readings import meter_reading, minutes_ago, vehicle_reading
from tests.support.servers import ONLY_TIMESCALE, Server, signed_in, stop_jobs, url_of
from tests.support.service import ROOT, Client, command, running_service

Connection = psycopg.Connection[TupleRow]

INSERT = """
    INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v)
    VALUES ('M-1', now() - interval '3 minutes', 0.2, 230)
"""
NOT_THE_WRITERS = [
    "DELETE FROM telemetry.meter_telemetry_history",
    "UPDATE telemetry.vehicle_telemetry_history SET energy_dc_kwh = 0",
    "TRUNCATE telemetry.meter_telemetry_history",
    "UPDATE telemetry.live_meter_state SET energy_ac_kwh = 0",
    "DELETE FROM telemetry.live_vehicle_state",
    "DELETE FROM telemetry.assignment",
    "UPDATE telemetry.assignment_change SET operator = 'another'",
    "DELETE FROM telemetry.vehicle",
    "UPDATE telemetry.policy SET drop_after = '1 day'",
    "UPDATE telemetry.installation SET release = 'mine'",
    "DELETE FROM api.assignment",
    "ALTER TABLE telemetry.meter_telemetry_history DISABLE TRIGGER a_keep_live_meter_state",
    "ALTER TABLE telemetry.assignment ADD COLUMN mine text",
    "DROP TABLE telemetry.meter",
    "DROP SCHEMA api CASCADE",
    "CREATE TABLE telemetry.mine (n integer)",
    "CREATE FUNCTION api.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "SET ROLE energy_owner",
]
NOT_THE_READERS = [
    "SELECT FROM telemetry.meter_telemetry_history",
    "SELECT FROM telemetry.meter_hourly",
    "SELECT FROM telemetry.installation",
    "SELECT FROM migration_log._yoyo_migration",
    INSERT,
    "INSERT INTO api.assignment (meter_id, vehicle_id, during) VALUES ('M-1', 'V-1', tstzrange(now(), NULL))",
    "UPDATE api.live_meter_state SET energy_ac_kwh = 0",
    "DELETE FROM api.vehicle_telemetry_history",
    "SELECT api.set_meter_kind('M-1', 'register', NULL, NULL)",
    "CALL api.refresh_rollups(now() - interval '1 day', now())",
    "CALL api.apply_policies()",
    "CALL api.upkeep()",
    "CREATE TABLE api.mine (n integer)",
    "CREATE TABLE internal.mine (n integer)",
    "DELETE FROM internal.vehicle_telemetry_history",
    "CALL internal.note_upkeep(true)",
    "CREATE TABLE public.mine (n integer)",
    "SET ROLE energy_writer",
]
# Of each relation of schema telemetry, what a role may do; the schema itself is closed to the reader.
RIGHTS = """
    SELECT relation.relname, concat_ws(
        ' ',
        CASE WHEN has_table_privilege(role.oid, relation.oid, 'SELECT') THEN 'read' END,
        CASE WHEN has_table_privilege(role.oid, relation.oid, 'INSERT') THEN 'insert' END,
        CASE WHEN has_table_privilege(role.oid, relation.oid, 'UPDATE') THEN 'update' END,
        CASE WHEN has_table_privilege(role.oid, relation.oid, 'DELETE') THEN 'delete' END,
        CASE WHEN has_table_privilege(role.oid, relation.oid, 'TRUNCATE, TRIGGER, REFERENCES') THEN 'more' END
    )
    FROM pg_class AS relation
    CROSS JOIN pg_roles AS role
    WHERE relation.relnamespace = %s::regnamespace AND relation.relkind IN ('r', 'v') AND role.rolname = %s
"""


def _rights(connection: Connection, schema: str, role: str) -> dict[str, str]:
    return dict(connection.execute(RIGHTS, [schema, role]).fetchall())


def _wanted(relation: str) -> str:
    """The writer's rights by the rows of the table in docs/operations.md."""
    if relation.endswith("_telemetry_history"):
        return "read insert"
    if re.fullmatch(
        r"live_\w+_state|\w+_(hourly|daily)|policy\w*|installation|disk|assignment_change|access_change|erasure",
        relation,
    ):
        return "read"
    if re.fullmatch(r"register_\w+|correct\w+|judging_run|fleet_rated_power|stale_hour|changed_history", relation):
        return "read"
    if relation == "access_key":
        return "read update"
    return "read insert update"


@pytest.fixture
def shared(migrated_database: str) -> Iterator[Connection]:
    """A connection to the profile's database, for what only looks."""
    with psycopg.connect(migrated_database, autocommit=True) as connection:
        yield connection


def test_the_writer_has_the_rights_of_the_runbook_and_no_other(shared: Connection) -> None:
    rights = _rights(shared, "telemetry", "energy_writer")
    assert len(rights) > 10
    assert rights == {relation: _wanted(relation) for relation in rights}
    for schema in ("api", "internal"):
        assert set(_rights(shared, schema, "energy_writer").values()) == {"read"}
    assert _rights(shared, "migration_log", "energy_writer").keys() >= {"_yoyo_migration"}


def test_the_reader_reads_schemas_api_and_internal_and_has_no_way_into_another(shared: Connection) -> None:
    for schema in ("api", "internal"):
        assert set(_rights(shared, schema, "energy_reader").values()) == {"read"}
    for schema in ("telemetry", "migration_log"):
        assert shared.execute("SELECT has_schema_privilege('energy_reader', %s, 'USAGE')", [schema]).fetchone() == (
            False,
        )
    # TimescaleDB asks for this of whoever reads a continuous aggregate, through a view too.
    granted = {relation for relation, rights in _rights(shared, "telemetry", "energy_reader").items() if rights}
    assert all(relation.endswith(("_hourly", "_daily")) for relation in granted)


@pytest.mark.parametrize("statement", NOT_THE_WRITERS)
def test_the_writer_cannot(migrated_database: str, statement: str) -> None:
    url = signed_in(migrated_database, "energy_writer")
    if statement.startswith("SET ROLE") and "role=" in url:
        pytest.skip("whoever took this role on may take on another")
    with psycopg.connect(url) as writer:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            writer.execute(statement.encode())
        writer.rollback()
        writer.execute(INSERT.encode())
        writer.rollback()


@pytest.mark.parametrize("statement", NOT_THE_READERS)
def test_the_reader_cannot(migrated_database: str, statement: str) -> None:
    url = signed_in(migrated_database, "energy_reader")
    if statement.startswith("SET ROLE") and "role=" in url:
        pytest.skip("whoever took this role on may take on another")
    with psycopg.connect(url, autocommit=True) as reader:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute(statement.encode())
        reader.execute("SELECT * FROM api.meter_telemetry_history, api.vehicle_performance('V-1', now(), now())")


@ONLY_TIMESCALE
def test_the_chunks_of_a_history_are_as_closed_as_the_history(client: Client, connection: Connection) -> None:
    client.ingest(meter_reading("M-1"))
    [(chunk,)] = connection.execute(
        "SELECT public.show_chunks('telemetry.meter_telemetry_history')::text ORDER BY 1 DESC LIMIT 1"
    ).fetchall()
    with psycopg.connect(signed_in(url_of(connection), "energy_reader"), autocommit=True) as reader:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute(f"SELECT * FROM {chunk}".encode())
        assert reader.execute("SELECT meter_id FROM api.meter_telemetry_history").fetchall() == [("M-1",)]
    with (
        psycopg.connect(signed_in(url_of(connection), "energy_writer"), autocommit=True) as writer,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        writer.execute(f"DELETE FROM {chunk}".encode())


def test_upkeep_of_a_service_that_only_writes_drops_what_is_expired_and_nothing_else(
    own: Connection, own_database: str, server: Server
) -> None:
    """The postgres profile lends the right in functions; on timescale jobs have it, and the call leaves it to them."""
    ages = ("100 days", "399 days", "401 days", "500 days")
    for age in ages:
        own.execute(
            "INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v) "
            "VALUES ('M-1', now() - %s::interval, 0.2, 230)",
            [age],
        )
    with psycopg.connect(signed_in(own_database, "energy_writer"), autocommit=True) as writer:
        writer.execute("CALL api.upkeep()")
        if server.profile == "postgres":
            assert writer.execute("SELECT telemetry.delete_expired('meter_telemetry_history', 100)").fetchone() == (0,)
    left = own.execute("SELECT count(*) FROM telemetry.meter_telemetry_history").fetchone()
    assert left == ((2,) if server.profile == "postgres" else (4,))
    rolled_up = "SELECT count(*) FROM telemetry.meter_hourly WHERE bucket_start < now() - interval '31 days'"
    if server.profile == "timescale":
        own.execute("UPDATE telemetry.policy SET drop_after = '1000 days'")
        own.execute("CALL api.refresh_rollups(now() - interval '300 days', now())")
        own.execute("DELETE FROM telemetry.meter_telemetry_history")
        [(job,)] = own.execute(
            "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = 'upkeep_job'"
        ).fetchall()
        own.execute("CALL public.run_job(%s)", [job])
        assert own.execute(rolled_up).fetchone() == (0,)


def test_what_lends_its_owners_rights_looks_up_names_where_nobody_else_can_put_any(shared: Connection) -> None:
    lending = shared.execute(
        """
        SELECT oid::regprocedure::text, proconfig FROM pg_proc
        WHERE pronamespace IN ('api'::regnamespace, 'internal'::regnamespace, 'telemetry'::regnamespace)
            AND prosecdef
        """
    ).fetchall()
    assert len(lending) >= 5
    assert [name for name, config in lending if config != ["search_path=pg_catalog, pg_temp"]] == []


def test_functions_that_answer_read_views_and_no_table_behind_them(shared: Connection) -> None:
    """A role that may not use schema telemetry gets an answer only then: write internal.x for telemetry.x."""
    named = shared.execute(
        """
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE
            pronamespace IN ('api'::regnamespace, 'internal'::regnamespace)
            AND provolatile <> 'v'
            AND prosrc ~ '\\mtelemetry\\.\\w'
        """
    ).fetchall()
    assert named == []


def test_each_table_and_rollup_has_its_view_with_the_same_columns(shared: Connection) -> None:
    columns = """
        SELECT table_name, column_name, data_type FROM information_schema.columns
        WHERE
            table_schema = %s
            AND table_name <> 'installation'
            -- What judging the next reading needs is nobody else's.
            AND NOT (table_name LIKE 'live%%' AND column_name LIKE 'register%%')
            -- Nor is what keys are checked by.
            AND column_name <> 'secret_sha256'
    """
    behind = set(shared.execute(columns, ["telemetry"]).fetchall())
    assert len(behind) > 50
    assert behind <= set(shared.execute(columns, ["internal"]).fetchall())


def test_migrate_gives_back_what_was_taken_and_takes_what_is_too_much(
    own: Connection, own_database: str, server: Server
) -> None:
    own.execute("REVOKE INSERT ON telemetry.meter_telemetry_history FROM energy_writer")
    own.execute("GRANT DELETE, TRUNCATE ON telemetry.meter_telemetry_history TO energy_writer")
    own.execute("GRANT SELECT ON telemetry.assignment TO energy_reader")
    own.execute("GRANT USAGE ON SCHEMA telemetry TO energy_reader")
    jobs = "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = 'upkeep_job'"
    before = own.execute(jobs).fetchall() if server.profile == "timescale" else []
    migrate.migrate(own_database)
    if server.profile == "timescale":
        assert own.execute(jobs).fetchall() == before != []
    test_the_writer_has_the_rights_of_the_runbook_and_no_other(own)
    test_the_reader_reads_schemas_api_and_internal_and_has_no_way_into_another(own)


def test_the_script_that_makes_the_roles_sets_no_password_and_can_be_run_again(fresh_database: str) -> None:
    statements = re.sub("--.*", "", (ROOT / "sql" / "roles" / "create_roles.sql").read_text())
    assert "password" not in statements.lower()
    for _ in range(2):
        done = command("roles", DATABASE_URL=fresh_database)
        assert (done.returncode, done.stderr) == (0, "")
    with psycopg.connect(fresh_database) as connection:
        roles = (
            "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolcanlogin FROM pg_roles WHERE rolname ~ '^energy_'"
        )
        assert sorted(row for row in connection.execute(roles).fetchall() if "test" not in row[0]) == [
            (f"energy_{what}", False, False, False, True) for what in ("owner", "reader", "writer")
        ]


def test_a_role_that_may_not_make_roles_gets_a_plain_error(fresh_database: str) -> None:
    refused = command("roles", DATABASE_URL=signed_in(fresh_database, "energy_reader"))
    # Where all are there already, it is the database that it may not hand over.
    assert refused.returncode == 1
    assert refused.stderr.startswith("energy: this role may not do what the command needs: ")


def test_an_owner_that_is_no_superuser_migrates_and_the_service_works_with_the_other_two(
    fresh_database: str, server: Server
) -> None:
    migrate.create_roles(fresh_database)
    owner, writer, reader = (signed_in(fresh_database, f"energy_{what}") for what in ("owner", "writer", "reader"))
    migrate.migrate(owner)
    stop_jobs(fresh_database, server.profile)
    at = minutes_ago(5)
    with running_service(DATABASE_URL=writer, DATABASE_READ_URL=reader) as client:
        client.ingest(meter_reading("V-1", at, kwhConsumedAc=0.5), vehicle_reading("V-1", at, kwhDeliveredDc=0.4))
        assert client.get("/readyz").status == 200
        assert client.get("/v1/analytics/performance/V-1").json["efficiencyRatio"] == 0.8
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute("CALL api.refresh_rollups(now() - interval '1 day', now())")
            if server.profile == "timescale":
                jobs = (
                    "SELECT DISTINCT owner FROM timescaledb_information.jobs WHERE proc_name ~ 'upkeep_job|^policy_r'"
                )
                assert connection.execute(jobs).fetchall() == [("energy_owner",)]
            connection.execute("REVOKE SELECT ON internal.live_meter_state FROM energy_reader")
        refused = client.get("/v1/live/meters")
        assert (refused.status, refused.json["code"]) == (503, "right_missing")
        assert (
            refused.json["detail"]
            == "the database refuses this to the service: permission denied for view live_meter_state"
        )
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute("REVOKE INSERT ON telemetry.vehicle_telemetry_history FROM energy_writer")
        client.ingest(meter_reading("V-1"))
        refused = client.post("/v1/ingest", [meter_reading("V-2"), vehicle_reading("V-2")])
        assert (refused.status, refused.json["code"]) == (503, "right_missing")
        assert (
            refused.json["detail"]
            == "the database refuses this to the service: permission denied for table vehicle_telemetry_history"
        )


def test_a_database_that_another_role_migrated_is_handed_over_to_the_owner(
    own: Connection, own_database: str, server: Server
) -> None:
    own.execute(INSERT.encode())
    own.execute((ROOT / "sql" / "roles" / "hand_over.sql").read_bytes())
    owner = signed_in(own_database, "energy_owner")
    assert migrate.migrate(owner).applied == []
    owners = """
        SELECT DISTINCT relowner::regrole::text FROM pg_class
        WHERE relnamespace::regnamespace::text IN ('telemetry', 'api', 'internal', 'migration_log')
    """
    assert own.execute(owners).fetchall() == [("energy_owner",)]
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("CALL api.refresh_rollups(now() - interval '1 day', now())")
        connection.execute("CALL api.upkeep()")
        connection.execute("DELETE FROM telemetry.meter_telemetry_history")
    if server.profile == "timescale":
        jobs = "SELECT DISTINCT owner::text FROM timescaledb_information.jobs WHERE job_id >= 1000"
        assert own.execute(jobs).fetchall() == [("energy_owner",)]


def test_a_service_whose_role_cannot_write_or_read_says_so_and_does_not_start(migrated_database: str) -> None:
    reader, writer = signed_in(migrated_database, "energy_reader"), signed_in(migrated_database, "energy_writer")
    refused = command("serve", DATABASE_URL=reader)
    assert refused.returncode == 1
    assert re.match(
        "energy: this role may not do what the service needs: permission denied for schema telemetry; "
        "docs/operations.md explains how roles get their rights",
        refused.stderr,
    )
    with psycopg.connect(migrated_database, autocommit=True) as connection:
        connection.execute("REVOKE SELECT ON internal.meter_hourly FROM energy_reader")
        try:
            refused = command("serve", DATABASE_URL=writer, DATABASE_READ_URL=reader)
        finally:
            connection.execute("GRANT SELECT ON internal.meter_hourly TO energy_reader")
    assert refused.returncode == 1
    assert refused.stderr.startswith(
        "energy: role energy_reader may not SELECT internal.meter_hourly; docs/operations.md explains"
    )


@pytest.mark.parametrize(
    ("right", "what", "role"),
    [
        ("SELECT", "api.assignment_change", "energy_reader"),
        ("INSERT", "telemetry.vehicle_telemetry_history", "energy_writer"),
        ("SELECT", "telemetry.meter_telemetry_history", "energy_writer"),
        ("UPDATE", "telemetry.assignment", "energy_writer"),
        ("INSERT", "telemetry.meter", "energy_writer"),
        ("EXECUTE", "api.plug_in(text,text,timestamp with time zone,interval)", "energy_writer"),
        ("SELECT", "api.assignment", "energy_writer"),
    ],
)
def test_the_right_that_a_role_lacks_is_named_before_the_service_starts(
    migrated_database: str, right: str, what: str, role: str
) -> None:
    check = migrate.check if role == "energy_writer" else migrate.check_reader
    url = signed_in(migrated_database, role)
    check(url)
    on = f"{right} ON {'FUNCTION' if right == 'EXECUTE' else 'TABLE'} {what}"
    with psycopg.connect(migrated_database, autocommit=True) as connection:
        connection.execute(f"REVOKE {on} FROM {role}".encode())
        try:
            with pytest.raises(RoleLacksRight) as refused:
                check(url)
        finally:
            connection.execute(f"GRANT {on} TO {role}".encode())
    assert str(refused.value).startswith(
        f"role {role} may not {right} {what}; docs/operations.md explains how roles get"
    )


def test_a_url_for_answers_alone_is_refused() -> None:
    refused = command("serve", DATABASE_READ_URL=make_conninfo(dbname="energy"))
    assert refused.returncode == 2
    assert refused.stderr == "energy: DATABASE_READ_URL is set and DATABASE_URL is not: readings could not be written\n"
