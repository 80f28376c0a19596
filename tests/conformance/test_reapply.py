"""Files of sql/ come in any order; a slip in one stops the migration, which names the file, and nothing is changed."""

import shutil
from pathlib import Path

import psycopg
import pytest

from app.db import migrate, queries, reapply
from tests.conformance.test_catalog import Connection, read

FUNCTION = "CREATE FUNCTION api.slip() RETURNS bigint LANGUAGE {} AS $$ {} $$;"
PROCEDURE = "CREATE PROCEDURE api.slip() LANGUAGE plpgsql AS $$ BEGIN {} END $$;"


@pytest.fixture
def slip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of a copy of sql/ that this process uses instead."""
    shutil.copytree(queries.SQL_DIRECTORY, tmp_path / "sql")
    monkeypatch.setattr(reapply, "SQL_DIRECTORY", tmp_path / "sql")
    return tmp_path / "sql" / "api" / "slip.sql"


def test_files_come_in_any_order(own: Connection, own_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, files = read(own), reapply.files
    monkeypatch.setattr(reapply, "files", lambda profile: [stage[::-1] for stage in files(profile)])
    migrate.migrate(own_database)
    assert read(own) == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FUNCTION.format("sql", "SELECT sum(readins) FROM internal.meter_hourly"), "readins"),
        (FUNCTION.format("sql", "SELECT count(*) FROM api.meter_hurly"), "meter_hurly"),
        (FUNCTION.format("sql", "SELECT count(*) FROM api.bucket(now(), now())"), "bucket"),
        (FUNCTION.format("plpgsql", "BEGIN RETURN (SELECT count(*) FROM api.meter_hurly); END"), "api.meter_hurly"),
        (FUNCTION.format("plpgsql", "BEGIN RETURN api.our_floor(now()); END"), "api.our_floor"),
        (PROCEDURE.format("DELETE FROM telemetry.metre;"), "telemetry.metre"),
        (PROCEDURE.format("SELEC 1;"), "SELEC"),
        ("CREATE VIEW api.slip AS SELECT readins FROM internal.meter_hourly;", "readins"),
        ("CREATE VIEW api.slip AS SELECT readings FROM api.meter_hurly;", "meter_hurly"),
        ("COMMENT ON FUNCTION api.slop() IS 'There is none.';", "api.slop"),
    ],
)
def test_a_name_that_is_misspelt_stops_the_migration(
    own: Connection, own_database: str, slip: Path, text: str, expected: str
) -> None:
    # A migration makes the schema anew; where it is the same one, nothing was done.
    schema = "SELECT 'api'::regnamespace::oid::bigint"
    before = own.execute(schema).fetchone()
    slip.write_text(text)
    with pytest.raises((psycopg.Error, LookupError)) as raised:
        migrate.migrate(own_database)
    printed = "\n".join([str(raised.value), *getattr(raised.value, "__notes__", [])])
    assert expected in printed
    assert "sql/api/slip.sql" in printed
    assert own.execute(schema).fetchone() == before


def test_a_view_is_made_of_what_later_files_create(own: Connection, own_database: str, slip: Path) -> None:
    slip.with_name("a.sql").write_text("CREATE VIEW api.a_view AS SELECT one FROM api.one_view;")
    slip.with_name("b.sql").write_text("CREATE VIEW api.one_view AS SELECT api.slip() AS one;")
    slip.write_text(FUNCTION.format("sql", "SELECT 1::bigint"))
    migrate.migrate(own_database)
    assert own.execute("SELECT one FROM api.a_view").fetchall() == [(1,)]
