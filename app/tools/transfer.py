"""Copies one database into another, of either storage profile into either, and compares two.

Readings go day by day: binary COPY out of the one, binary COPY into a temporary stage of the other, INSERT from there,
so that rollups include old readings too. A stopped copy can be repeated: rows that exist stay unchanged.
Other tables are copied whole with triggers off, so that rows which triggers wrote are copied and not written again.
"""

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isclose
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from app.db import migrate
from app.db.queries import query
from app.errors import CopyFailed, DatabaseUnavailable, SchemaMismatch
from app.words import counted

logger = logging.getLogger("energy.copy")

Connection = psycopg.Connection[TupleRow]

DAY = timedelta(days=1)
DAYS_PER_REFRESH = 10
"""Days of readings that `copy` writes before it completes their rollups, so that few chunks are open at once."""
MAX_DIFFERENCES_LISTED = 100
"""Differences listed by `copy` and `compare`."""
SUM_TOLERANCE = 1e-9
"""Relative difference that `copy` and `compare` allow between sums of rollups: far above what the order of adding
causes, far below a reading."""


class Relation(NamedTuple):
    """A relation of schema telemetry, as `internal.copied_relation` has it."""

    name: str
    kind: str
    columns: list[str]
    key: list[str]
    identity: str | None

    @property
    def identifier(self) -> sql.Identifier:
        """Its name, qualified."""
        return sql.Identifier("telemetry", self.name)

    @property
    def column_list(self) -> sql.Composed:
        """Its columns, separated by commas."""
        return sql.SQL(", ").join(map(sql.Identifier, self.columns))


class Fingerprint(NamedTuple):
    """Rows and checksum of a relation, of a history or a rollup those of a day; of a rollup its sums too."""

    rows: int = 0
    checksum: int = 0
    sums: Sequence[float] = ()

    def agrees(self, other: "Fingerprint") -> bool:
        """Whether both have the same rows; sums, added up in any order, are compared with a tolerance."""
        return (self.rows, self.checksum, len(self.sums)) == (other.rows, other.checksum, len(other.sums)) and all(
            isclose(here, there, rel_tol=SUM_TOLERANCE, abs_tol=SUM_TOLERANCE * self.rows)
            for here, there in zip(self.sums, other.sums, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of two databases: a relation, or a day of a history or rollup, and the fingerprint in each."""

    what: str
    here: Fingerprint
    there: Fingerprint


def copy(source_url: str, target_url: str) -> int:
    """Copy the database at `source_url` into the one at `target_url`; returns the number of new readings.

    Both are at this release's schema; nobody should be writing to either. Raises :class:`DatabaseUnavailable`,
    :class:`SchemaMismatch`, :class:`CopyFailed` where the database rejects a step of it.
    """
    with _both(source_url, target_url) as (source, target):
        relations = [Relation(*row) for row in source.execute(query("relations_to_copy")).fetchall()]
        if relations != [Relation(*row) for row in target.execute(query("relations_to_copy")).fetchall()]:
            raise SchemaMismatch("the two databases have other relations or columns; migrate both with this release")
        for relation in relations:
            if relation.kind == "table":
                _copy_whole(source, target, relation)
            # Before the readings: by its own policy the target might drop data that the source keeps.
            if relation.name == "policy":
                target.execute(query("apply_policies"))
        kept = _copy_histories(source, target, [relation for relation in relations if relation.kind == "history"])
        for relation in relations:
            if relation.kind == "rollup":
                _copy_dropped_hours(source, target, relation)
            # The triggers of the histories wrote it, except for devices whose readings were all dropped.
            if relation.kind == "live":
                _copy_whole(source, target, relation)
        target.execute(query("open_rollups"))
        target.execute("ANALYZE")
    return kept


def compare(
    here_url: str, there_url: str, range_from: datetime | None = None, range_to: datetime | None = None
) -> list[Difference]:
    """Where the databases at two URLs differ, in order of relation and day; empty where they are equal.

    The range bounds readings and rollups, not the other tables; data past the retention of either is left out.
    Raises :class:`DatabaseUnavailable`, :class:`SchemaMismatch`, :class:`CopyFailed`.
    """
    with _both(there_url, here_url) as (there, here):
        parameters = {
            "from": range_from or "-infinity",
            "to": range_to or "infinity",
            "kept_from": json.dumps(_horizons(here, there), default=str),
        }
        found = [
            {
                f"{name} {day}" if day else name: Fingerprint(rows, int(checksum), sums or ())
                for name, day, rows, checksum, sums in connection.execute(query("fingerprints"), parameters).fetchall()
            }
            for connection in (here, there)
        ]
    nothing = Fingerprint()
    differences = [
        Difference(what, found[0].get(what, nothing), found[1].get(what, nothing))
        for what in sorted(found[0].keys() | found[1].keys())
    ]
    return [difference for difference in differences if not difference.here.agrees(difference.there)]


def _horizons(*connections: Connection) -> dict[str, datetime]:
    """By relation with retention, the instant from which all the databases keep it."""
    latest: dict[str, datetime] = {}
    for connection in connections:
        for relation, horizon in connection.execute(query("horizons")).fetchall():
            latest[relation] = max(horizon, latest.get(relation, horizon))
    return latest


def run_copy(source_url: str, target_url: str) -> int:
    """Copy, compare, and print the result; returns 0, or 1 where the two differ."""
    kept = copy(source_url, target_url)
    _say(f"{counted(kept, 'new reading')} copied; now comparing")
    return run_compare(target_url, source_url, None, None)


def run_compare(here_url: str, there_url: str, range_from: datetime | None, range_to: datetime | None) -> int:
    """Compare and list differences; returns 0 without any, else 1."""
    differences = compare(here_url, there_url, range_from, range_to)
    for difference in differences[:MAX_DIFFERENCES_LISTED]:
        rows, rows_there = difference.here.rows, difference.there.rows
        detail = counted(rows, "row")
        detail += f" here, {rows_there:,} there" if rows != rows_there else " each, other values"
        _say(f"{difference.what}: {detail}")
    if len(differences) > MAX_DIFFERENCES_LISTED:
        _say(f"... and {len(differences) - MAX_DIFFERENCES_LISTED} more")
    _say("the two databases differ" if differences else "the two databases hold the same")
    return 1 if differences else 0


@contextmanager
def _both(source_url: str, target_url: str) -> Iterator[tuple[Connection, Connection]]:
    for url in (source_url, target_url):
        migrate.check(url)
    with _connected(source_url) as source, _connected(target_url) as target:
        try:
            yield source, target
        except psycopg.OperationalError as error:
            lost = str(error).strip().splitlines()[0]
            raise DatabaseUnavailable(f"a database was lost ({lost}); what was done stays, run it again") from error
        except psycopg.Error as error:
            raise CopyFailed(
                f"the database refuses a step: {error.diag.message_primary or error}; what was done stays, "
                "and a copy is taken up again where it is run again"
            ) from error


def _connected(url: str) -> Connection:
    return psycopg.connect(url, autocommit=True, application_name="energy-copy", options="-c timezone=UTC -c jit=off")


def _copy_whole(source: Connection, target: Connection, relation: Relation) -> None:
    """One table, row by row; where a key exists already, the source's values replace it."""
    others = [column for column in relation.columns if column not in relation.key]
    on_conflict: sql.Composable = sql.SQL("DO NOTHING")
    if others:
        pairs = (sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column)) for column in others)
        on_conflict = sql.SQL("DO UPDATE SET {}").format(sql.SQL(", ").join(pairs))
    with target.transaction():
        target.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(relation.identifier))
        _stage(source, target, relation, sql.SQL("SELECT {} FROM {}").format(relation.column_list, relation.identifier))
        target.execute(
            sql.SQL(
                "INSERT INTO {relation} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM pg_temp.stage "
                "ON CONFLICT ({key}) {on_conflict}"
            ).format(
                relation=relation.identifier,
                columns=relation.column_list,
                key=sql.SQL(", ").join(map(sql.Identifier, relation.key)),
                on_conflict=on_conflict,
            )
        )
        target.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(relation.identifier))
        if relation.identity is not None:
            target.execute(
                sql.SQL(
                    "SELECT setval(pg_get_serial_sequence({name}, {column}), greatest(max({identity}), 1)) "
                    "FROM {relation} HAVING count(*) > 0"
                ).format(
                    name=sql.Literal(f"telemetry.{relation.name}"),
                    column=sql.Literal(relation.identity),
                    identity=sql.Identifier(relation.identity),
                    relation=relation.identifier,
                )
            )


def _copy_histories(source: Connection, target: Connection, histories: list[Relation]) -> int:
    [(first, last)] = source.execute(query("days_of_history")).fetchall()
    if first is None or last is None:
        return 0
    kept, day, refreshed_to = 0, first, first
    while day < last:
        for relation in histories:
            kept += _copy_a_day(source, target, relation, day)
        day += DAY
        if day >= last or day - refreshed_to >= DAYS_PER_REFRESH * DAY:
            target.execute(query("refresh_rollups"), {"from": refreshed_to, "to": day})
            refreshed_to = day
            logger.info("copied up to %s: %d readings that were not there", day.date(), kept)
    return kept


def _copy_a_day(source: Connection, target: Connection, relation: Relation, day: datetime) -> int:
    """The readings of one day, device by device, by index; returns how many were new."""
    device = relation.columns[0]
    readings = sql.SQL(
        "SELECT {columns} FROM telemetry.{live} AS device CROSS JOIN LATERAL ("
        "SELECT kept.* FROM {relation} AS kept WHERE kept.{device} = device.{device} "
        "AND kept.recorded_at > {day} AND kept.recorded_at <= {next_day}) AS reading"
    ).format(
        columns=sql.SQL(", ").join(sql.SQL("reading.{}").format(sql.Identifier(column)) for column in relation.columns),
        live=sql.Identifier(f"live_{device.removesuffix('_id')}_state"),
        relation=relation.identifier,
        device=sql.Identifier(device),
        day=sql.Literal(day),
        next_day=sql.Literal(day + DAY),
    )
    with target.transaction():
        _stage(source, target, relation, readings)
        inserted = target.execute(
            sql.SQL(
                "INSERT INTO {relation} ({columns}) SELECT {columns} FROM pg_temp.stage "
                "ORDER BY {device}, recorded_at ON CONFLICT DO NOTHING"
            ).format(relation=relation.identifier, columns=relation.column_list, device=sql.Identifier(device))
        )
        return inserted.rowcount


def _copy_dropped_hours(source: Connection, target: Connection, relation: Relation) -> None:
    """The rollup of the time whose history was dropped: the target cannot recompute it."""
    [(whole_from,)] = source.execute(query("rollup_is_made_from"), {"rollup": relation.name}).fetchall()
    if whole_from is None:
        return
    [(table,)] = target.execute(query("rollup_table"), {"rollup": relation.name}).fetchall()
    written = sql.SQL(table)
    older = sql.SQL("WHERE bucket_start < {}").format(sql.Literal(whole_from))
    with target.transaction():
        rows = sql.SQL("SELECT {} FROM {} ").format(relation.column_list, relation.identifier)
        _stage(source, target, relation, rows + older)
        target.execute(sql.SQL("DELETE FROM {} ").format(written) + older)
        target.execute(
            sql.SQL("INSERT INTO {written} ({columns}) SELECT {columns} FROM pg_temp.stage").format(
                written=written, columns=relation.column_list
            )
        )


def _stage(source: Connection, target: Connection, relation: Relation, rows: sql.Composed) -> None:
    """Copy rows of the source into `pg_temp.stage` of the target, which the end of the transaction empties."""
    target.execute(
        sql.SQL("CREATE TEMPORARY TABLE stage ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
            relation.column_list, relation.identifier
        )
    )
    read = sql.SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(rows)
    with (
        source.cursor().copy(read) as out,
        target.cursor().copy("COPY pg_temp.stage FROM STDIN (FORMAT binary)") as into,
    ):
        for block in out:
            into.write(block)


def _say(text: Any) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
