"""The two storage profiles look the same from outside: one contract, held equal by reading both catalogs."""

import re
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from app.db import migrate, queries
from tests.support.servers import ONLY_TIMESCALE, Server

Connection = psycopg.Connection[TupleRow]

# Differs by necessity because a rollup is a continuous aggregate, which is a view, in one profile; in the other it is a
# table, which a trigger function keeps.
ROLLUPS = {"meter_hourly", "vehicle_hourly", "meter_daily", "vehicle_daily"}
# What jobs do in one, with their owner's rights, a function that deletes does in the other, with its own.
RANGE = "IN range_from timestamp with time zone, IN range_to timestamp with time zone"
ONLY_POSTGRES_FUNCTIONS = {
    *(("telemetry", f"keep_{rollup}", "") for rollup in ROLLUPS),
    *(("telemetry", f"recompute_{rollup}", f"{RANGE}, IN only_device text") for rollup in ROLLUPS),
    ("telemetry", "delete_expired", "relation_name text, rows_at_most bigint"),
}
ONLY_TIMESCALE_FUNCTIONS = {
    # A rollup that is right at every commit is never stale.
    ("telemetry", "note_stale_meter_hours", ""),
    ("telemetry", "note_stale_vehicle_hours", ""),
    ("internal", "materialised_before", "relation_name text"),
    ("internal", "most_stale_device_hours", ""),
    ("telemetry", "upkeep_job", "IN job_id integer, IN config jsonb"),
    ("telemetry", "refresh_job", "IN job_id integer, IN config jsonb"),
    ("internal", "refresh_rollup", f"IN relation_name text, {RANGE}"),
    ("internal", "alter_policy_job", "IN id integer, IN settings jsonb, IN every interval"),
    ("internal", "note_chunks", ""),
    ("internal", "watermark", "rollup_id integer"),
}
# Differs by necessity because chunks are dropped whole, and what was dropped is known by what was there before.
ONLY_TIMESCALE_RELATION = "policy_chunk"

RELATIONS = """
    SELECT n.nspname, c.relname, c.relkind, obj_description(c.oid, 'pg_class')
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('telemetry', 'internal', 'api') AND c.relkind IN ('r', 'v', 'm', 'p', 'f', 'S')
"""
COLUMNS = """
    SELECT
        n.nspname, c.relname, a.attname,
        a.attnum, format_type(a.atttypid, a.atttypmod), l.collname, col_description(c.oid, a.attnum),
        -- A view's columns are all nullable; a table's say.
        CASE WHEN c.relname IN ('meter_hourly', 'vehicle_hourly', 'meter_daily', 'vehicle_daily')
            THEN NULL ELSE a.attnotnull END,
        pg_get_expr(d.adbin, d.adrelid)
    FROM pg_attribute AS a
    JOIN pg_class AS c ON c.oid = a.attrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
    LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE n.nspname IN ('telemetry', 'internal', 'api') AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
        AND a.attnum > 0 AND NOT a.attisdropped
"""
FUNCTIONS = """
    SELECT
        n.nspname, p.proname, pg_get_function_identity_arguments(p.oid),
        p.prokind, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
        obj_description(p.oid, 'pg_proc')
    FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname IN ('telemetry', 'internal', 'api')
"""
# Not the NOT NULL constraints, which are in the columns, and are in this catalog from PostgreSQL 18 on only.
CONSTRAINTS = """
    SELECT n.nspname, c.relname, k.conname, k.contype, pg_get_constraintdef(k.oid)
    FROM pg_constraint AS k
    JOIN pg_class AS c ON c.oid = k.conrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'telemetry' AND k.contype IN ('c', 'p', 'u', 'x', 'f')
        AND c.relname NOT IN ('meter_hourly', 'vehicle_hourly', 'meter_daily', 'vehicle_daily')
"""
INDEXES = """
    SELECT n.nspname, c.relname, i.relname, pg_get_indexdef(i.oid)
    FROM pg_index AS x
    JOIN pg_class AS c ON c.oid = x.indrelid
    JOIN pg_class AS i ON i.oid = x.indexrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'telemetry'
        AND c.relname NOT IN ('meter_hourly', 'vehicle_hourly', 'meter_daily', 'vehicle_daily')
"""
SCHEMAS = """
    SELECT nspname, obj_description(oid, 'pg_namespace') FROM pg_namespace
    WHERE nspname IN ('telemetry', 'internal', 'api')
"""


Catalog = dict[str, dict[tuple[Any, ...], tuple[Any, ...]]]
# What is read, and how many of its columns name a thing.
PARTS = {
    "schemas": (SCHEMAS, 1),
    "relations": (RELATIONS, 2),
    "columns": (COLUMNS, 3),
    "functions": (FUNCTIONS, 3),
    "constraints": (CONSTRAINTS, 3),
    "indexes": (INDEXES, 3),
}


def read(connection: Connection) -> Catalog:
    """All parts of a database's catalog, each thing by its name; without what one profile alone keeps for itself."""
    return {
        part: {
            row[:key]: row[key:]
            for row in connection.execute(statement.encode()).fetchall()
            if row[1:2] != (ONLY_TIMESCALE_RELATION,)
        }
        for part, (statement, key) in PARTS.items()
    }


def read_migrated(server: Server) -> Catalog:
    with server.new_database() as url:
        migrate.migrate(url, server.profile)
        with psycopg.connect(url, autocommit=True) as connection:
            return read(connection)


@pytest.fixture(scope="module")
def catalog(server: Server) -> Catalog:
    """What a migrated database of each profile holds."""
    return read_migrated(server)


@pytest.fixture(scope="module")
def postgres(postgres_server: Server) -> Catalog:
    """What a migrated database of the postgres profile holds, whatever the profile of the test."""
    return read_migrated(postgres_server)


# These hold one profile against the other, and so need TimescaleDB.


@ONLY_TIMESCALE
def test_both_profiles_have_the_same_relations(catalog: Catalog, postgres: Catalog) -> None:
    here, there = catalog["relations"], postgres["relations"]
    assert {name: row[1] for name, row in here.items()} == {name: row[1] for name, row in there.items()}
    kinds = {name: (row[0], there[name][0]) for name, row in here.items() if row[0] != there[name][0]}
    assert kinds == {("telemetry", rollup): ("v", "r") for rollup in ROLLUPS}


@ONLY_TIMESCALE
@pytest.mark.parametrize("part", ["schemas", "columns", "constraints", "indexes"])
def test_both_profiles_have_the_same(catalog: Catalog, postgres: Catalog, part: str) -> None:
    assert catalog[part]
    assert catalog[part] == postgres[part]


@ONLY_TIMESCALE
def test_both_profiles_have_the_same_functions_and_procedures(catalog: Catalog, postgres: Catalog) -> None:
    here, there = catalog["functions"], postgres["functions"]
    assert there.keys() - here.keys() == ONLY_POSTGRES_FUNCTIONS
    assert here.keys() - there.keys() == ONLY_TIMESCALE_FUNCTIONS
    common = here.keys() & there.keys()
    assert {name: here[name] for name in common} == {name: there[name] for name in common}


def test_named_queries_name_what_is_there(catalog: Catalog) -> None:
    there = {key[:2] for part in ("relations", "functions") for key in catalog[part]}
    named = {
        tuple(name.split("."))
        for text in queries.load().values()
        for name in re.findall(r"\b(?:api|internal|telemetry)\.\w+", text.decode())
    }
    assert len(named) > 40
    assert named - there == set()


def test_everything_has_a_comment(catalog: Catalog) -> None:
    comment_at = {"schemas": 0, "relations": 1, "columns": 3, "functions": 3}
    # A sequence of an identity column is part of its column.
    without = [
        name
        for part, column in comment_at.items()
        for name, row in catalog[part].items()
        if not row[column] and (part, row[0]) != ("relations", "S")
    ]
    assert without == []
    assert all(len(catalog[part]) >= 2 for part in comment_at)


def test_no_two_columns_of_a_relation_bear_the_same_comment(catalog: Catalog) -> None:
    # Comments pasted and not changed: a column that bears its neighbour's words says nothing of itself.
    seen: dict[tuple[str, str], str] = {}
    for (_, relation, column), row in catalog["columns"].items():
        assert seen.setdefault((relation, row[3]), column) == column


def test_a_second_migrate_leaves_the_catalog_as_it_was(own: Connection, own_database: str) -> None:
    before = read(own)
    assert migrate.migrate(own_database).applied == []
    assert read(own) == before
