"""Re-applies `sql/`: views, functions, triggers and comments, which every migrate recreates.

The files of a stage come in any order. Bodies of functions are checked when all of them are there; a file that needs
objects of a later one is rolled back, and run again after the others.
"""

import hashlib
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from app.db.queries import SQL_DIRECTORY, query

# Folders of sql/, the profile's own among them; then those whose files need all other objects.
STAGES = (("tables", "internal", "{profile}", "api", "triggers"), ("last",))

# Errors of the creation of an object that depends on a missing one.
_NOT_YET_THERE = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction, psycopg.errors.UndefinedObject)


def files(profile: str) -> list[list[Path]]:
    """The files that a profile re-applies, stage by stage."""
    return [
        [path for folder in stage for path in sorted((SQL_DIRECTORY / folder.format(profile=profile)).glob("*.sql"))]
        for stage in STAGES
    ]


def fingerprint(profile: str) -> str:
    """SHA-256, in hex, over the names and texts of a profile's files."""
    digest = hashlib.sha256()
    for path in chain.from_iterable(files(profile)):
        digest.update(f"{path.relative_to(SQL_DIRECTORY)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def reapply(connection: psycopg.Connection[TupleRow], profile: str) -> None:
    """Run every file of a profile in the transaction that is open, into schemas that are empty, and check functions.

    Raises what psycopg raises, with a note of the file, and :class:`LookupError` where a function in PL/pgSQL names a
    missing relation or function.
    """
    connection.execute("SET LOCAL check_function_bodies = off")
    for stage in files(profile):
        _run_in_any_order(connection, stage)
    connection.execute("SET LOCAL check_function_bodies = on")
    _check_functions(connection, profile)


def _run_in_any_order(connection: psycopg.Connection[TupleRow], paths: list[Path]) -> None:
    while paths:
        put_off = {path: error for path in paths if (error := _run(connection, path)) is not None}
        if len(put_off) == len(paths):
            first = next(iter(put_off.values()))
            for path, error in put_off.items():
                first.add_note(f"{_named(path)}: {error.diag.message_primary}")
            raise first
        paths = list(put_off)


def _run(connection: psycopg.Connection[TupleRow], path: Path) -> psycopg.Error | None:
    """Run a file; returns the error where it was rolled back and has to be run again."""
    try:
        with connection.transaction():
            connection.execute(path.read_bytes())
    except _NOT_YET_THERE as error:
        return error
    except psycopg.Error as error:
        error.add_note(f"in {_named(path)}")
        raise
    return None


def _check_functions(connection: psycopg.Connection[TupleRow], profile: str) -> None:
    for oid, name, validator in connection.execute(query("function_validators")).fetchall():
        try:
            connection.execute(f"SELECT pg_catalog.{validator}({oid})".encode())
        except psycopg.Error as error:
            error.add_note(f"in {name}, {', '.join(_creating(name, profile))}")
            raise
    # PL/pgSQL looks names up when a statement runs; its validator checks the syntax.
    missing = [
        f"{name} ({', '.join(_creating(name, profile))}) names {what}"
        for name, what in connection.execute(query("names_missing")).fetchall()
    ]
    if missing:
        raise LookupError(f"functions name what is not there: {'; '.join(missing)}")


def _creating(name: str, profile: str) -> Iterator[str]:
    """The files that create a function, by its name with its schema."""
    creation = re.compile(rf"^CREATE .*\b{re.escape(name)}\(", re.MULTILINE)
    for path in chain.from_iterable(files(profile)):
        if creation.search(path.read_text(encoding="utf-8")):
            yield _named(path)


def _named(path: Path) -> str:
    return path.relative_to(SQL_DIRECTORY.parent).as_posix()
