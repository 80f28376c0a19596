"""Three roles: one owns, one writes and deletes nothing, one reads schema api and nothing else."""

import psycopg
from psycopg.rows import TupleRow

Connection = psycopg.Connection[TupleRow]


def test_functions_that_answer_read_views_of_schema_api_and_no_table_behind_them(own: Connection) -> None:
    """A role that may use schema api alone gets an answer from them only then: write api.x for telemetry.x."""
    named = own.execute(
        """
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = 'api'::regnamespace AND provolatile <> 'v' AND prosrc ~ '\\mtelemetry\\.\\w'
        """
    ).fetchall()
    assert named == []


def test_each_table_and_rollup_has_its_view_with_the_same_columns(own: Connection) -> None:
    columns = """
        SELECT table_name, column_name, data_type FROM information_schema.columns
        WHERE table_schema = %s AND table_name NOT IN ('installation', 'import_source')
    """
    behind = set(own.execute(columns, ["telemetry"]).fetchall())
    assert len(behind) > 50
    assert behind <= set(own.execute(columns, ["api"]).fetchall())
