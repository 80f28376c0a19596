"""Brings a database to this release's schema, and checks it. The only module that knows profiles.

One transaction renames schemas `api` and `internal`, applies the pending `migrations/` in order of id over all folders,
and re-applies `sql/`. Concurrent migrations are safe: an advisory lock lets one work, and the others find no change.

A statement that changes a table waits for all sessions that use it, and later ones wait behind it, ingest too. So it
waits briefly; then the transaction is rolled back, the others continue, and it is repeated.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

import psycopg
from psycopg.rows import TupleRow, class_row
from yoyo import read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import parse_uri
from yoyo.migrations import MigrationList

from app import __version__
from app.config import EXAMPLE_URL
from app.db import reapply
from app.db.queries import SQL_DIRECTORY, query
from app.errors import (
    ConfigurationError,
    DatabaseBusy,
    DatabaseUnavailable,
    ProfileMismatch,
    RoleLacksRight,
    SchemaMismatch,
    SchemaMissing,
)

logger = logging.getLogger("energy.migrate")

Profile = Literal["timescale", "postgres"]

MIGRATIONS_DIRECTORY = SQL_DIRECTORY.parent / "migrations"
# Schemas that every migration recreates, with the comments that identify them.
_MARK = "rebuilt by every migrate: put nothing of your own here."
REBUILT = {
    "api": f"What dashboards and DBAs ask and call. Dropped and {_MARK}",
    "internal": f"What schema api is made of, and what the service calls. Dropped and {_MARK}",
}
# Suffix of a former one until its last readers are done.
ASIDE = "_before"
LOWEST_SERVER_VERSION = 15_00_00
LOWEST_TIMESCALE_VERSION = (2, 28, 2)
# An arbitrary number that no other program on the same database is likely to lock.
MIGRATION_LOCK = 0x456E_6572_6779
LOCK_TIMEOUT_MS = 300
"""Time that a migration waits for a lock, and ingest behind it, before it rolls back and lets others through."""
PAUSE_BETWEEN_TRIES_S = 1.0
"""Pause of a migration between two attempts."""
MAX_TRIES_FOR_LOCKS = 120
"""Attempts of a migration to get its locks."""
VACUUM_LOCK_TIMEOUT_MS = 5000
"""Time that a migration waits for a vacuum to stop, which blocks nobody else; an autovacuum yields after
`deadlock_timeout`, 1 s."""
MAX_TRIES_TO_DROP = 3
"""Attempts to drop the previous schemas `api` and `internal`; the next migration drops it otherwise."""
# A backup that runs for hours must not keep the service down.
MAX_TRIES_WHERE_NOTHING_CHANGES = 5
"""Attempts of a migration on a database that this release has migrated already."""


@dataclass(frozen=True, slots=True)
class Installation:
    """The row of telemetry.installation."""

    profile: Profile
    release: str
    sql_fingerprint: str


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration did: the profile, and the ids of the migrations that were pending."""

    profile: Profile
    applied: list[str]


def migrate(url: str, storage_profile: str = "auto") -> Migrated:
    """Bring the database at `url` to this release's schema; a second call changes nothing.

    Raises :class:`DatabaseUnavailable`, :class:`ProfileMismatch` where `storage_profile` is not what the database has
    or its server offers, :class:`SchemaMismatch` where the schema is newer than this release, the server too old, and
    :class:`DatabaseBusy` where other sessions hold its locks through all its attempts.
    """
    with _connect(url) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        _check_server(connection)
        installed = _installation(connection)
        profile = _choose_profile(connection, installed, storage_profile)
        applied = _apply_when_locks_are_free(connection, profile)
        _warn_of_too_few_workers(connection)
        _warn_of_other_policies(connection)
    logger.info("migrated: profile %s, applied %s", profile, ", ".join(applied) or "nothing")
    return Migrated(profile, applied)


def _warn_of_too_few_workers(connection: psycopg.Connection[TupleRow]) -> None:
    row = connection.execute("SELECT jobs, workers FROM internal.job_workers WHERE jobs > workers").fetchone()
    if row is not None:
        logger.warning(
            "the database has %d jobs, but the server has background workers for %d at once: the others wait or "
            "fail to start; raise timescaledb.max_background_workers and max_worker_processes, and restart the server",
            *row,
        )


def _warn_of_other_policies(connection: psycopg.Connection[TupleRow]) -> None:
    for relation, setting, value_now, value_wanted in connection.execute(query("policy_plan"), {"wanted": "{}"}):
        logger.warning(
            "%s.%s is %s in the database, and %s in telemetry.policy: it was left as it is; `policies adopt` writes "
            "down what the database has, `policies apply` changes the database",
            *(relation, setting, value_now, value_wanted),
        )
    for (job,) in connection.execute(query("unknown_jobs")):
        logger.warning("%s is not this service's, and was left alone; `doctor` says what harm it may do", job)


def check(url: str) -> Installation:
    """The installation, where the database has this release's schema.

    Raises :class:`DatabaseUnavailable`, :class:`RoleLacksRight` where this role lacks a right that the service
    needs, or :class:`SchemaMismatch` with the command that repairs it.
    """
    with _connect(url, "service") as connection:
        installed = _installation(connection)
        if installed is None:
            raise SchemaMissing("the database has no schema yet; run: ev-fleet-energy migrate")
        if not _is_current(connection, installed):
            raise SchemaMismatch(
                f"the database was migrated by release {installed.release}, this is {__version__}, "
                "and their SQL differs; run: ev-fleet-energy migrate"
            )
        _check_rights(connection, query("right_missing_to_write"))
        _check_rights(connection, query("right_missing_to_read"))
        return installed


def check_reader(url: str) -> None:
    """Check the reading rights of the role of `url`. Raises :class:`DatabaseUnavailable`, :class:`RoleLacksRight`."""
    with _connect(url, "service") as connection:
        _check_rights(connection, query("right_missing_to_read"))


def create_roles(url: str) -> None:
    """Make the owner, the writer and the reader on the server of `url`; existing ones stay unchanged.

    Raises :class:`DatabaseUnavailable`, and :class:`RoleLacksRight` where this role may not make roles.
    """
    with _connect(url, "command") as connection:
        connection.execute((SQL_DIRECTORY / "roles" / "create_roles.sql").read_bytes())


def _check_rights(connection: psycopg.Connection[TupleRow], missing: bytes) -> None:
    row = connection.execute(missing).fetchone()
    if row is not None:
        role, right, what = row
        raise RoleLacksRight(f"role {role} may not {right} {what}; {_ROLES_GUIDE}")


_ROLES_GUIDE = (
    "docs/operations.md explains how roles get their rights: ev-fleet-energy roles, then ev-fleet-energy migrate"
)


def _is_current(connection: psycopg.Connection[TupleRow], installed: Installation | None) -> bool:
    """Whether the schema is this release's. Raises :class:`SchemaMismatch` where it is a newer one's."""
    if installed is None:
        return False
    known = {migration.id for migration in _migrations(installed.profile)}
    applied = _applied_ids(connection)
    _refuse_newer(applied - known)
    return known == applied and installed.sql_fingerprint == reapply.fingerprint(installed.profile)


@contextmanager
def _connect(url: str, purpose: str = "migration") -> Iterator[psycopg.Connection[TupleRow]]:
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=10, application_name="energy-migrate")
    except psycopg.OperationalError as error:
        first_line = str(error).strip().splitlines()[0]
        raise DatabaseUnavailable(f"the database cannot be reached: {first_line}") from None
    except psycopg.ProgrammingError:
        # What libpq says of it may quote it, password and all.
        raise ConfigurationError(f"the database URL is not one of libpq, such as {EXAMPLE_URL}") from None
    with connection:
        try:
            yield connection
        except psycopg.errors.InsufficientPrivilege as error:
            guide = f"; {_ROLES_GUIDE}" if purpose == "service" else ""
            raise RoleLacksRight(
                f"this role may not do what the {purpose} needs: {error.diag.message_primary}{guide}"
            ) from None


def _check_server(connection: psycopg.Connection[TupleRow]) -> None:
    if connection.info.server_version < LOWEST_SERVER_VERSION:
        raise SchemaMismatch(f"PostgreSQL {connection.info.server_version // 10000} is too old: 15 or newer is needed")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise SchemaMismatch(f"the database's encoding is {encoding}; create it with ENCODING 'UTF8'")


def _choose_profile(
    connection: psycopg.Connection[TupleRow], installed: Installation | None, storage_profile: str
) -> Profile:
    if installed is not None and storage_profile not in ("auto", installed.profile):
        raise ProfileMismatch(
            f"STORAGE_PROFILE={storage_profile}, but the database was made with profile {installed.profile}, "
            "which does not change; use another database and copy the readings"
        )
    wanted = installed.profile if installed is not None else storage_profile
    if wanted == "postgres":
        return "postgres"
    lack = _timescale_lack(connection)
    if wanted == "timescale" and lack:
        made = "the database was made with profile timescale" if installed else "STORAGE_PROFILE=timescale"
        raise ProfileMismatch(f"{made}, but {lack}")
    return "postgres" if lack else "timescale"


def _timescale_lack(connection: psycopg.Connection[TupleRow]) -> str | None:
    """Why this server cannot have the timescale profile, as the end of a sentence; None where it can."""
    offered = _scalar(
        connection,
        "SELECT coalesce(installed_version, default_version) FROM pg_available_extensions WHERE name = 'timescaledb'",
    )
    if offered is None:
        return "the server has no TimescaleDB"
    if _version(offered) < LOWEST_TIMESCALE_VERSION:
        return (
            f"the server's TimescaleDB is {offered}; {'.'.join(map(str, LOWEST_TIMESCALE_VERSION))} or newer is needed"
        )
    # The loader's settings exist only where it is preloaded; not every role may see shared_preload_libraries.
    if _scalar(connection, "SELECT current_setting('timescaledb.disable_load', true)") is None:
        return "the server does not preload TimescaleDB (shared_preload_libraries)"
    edition = _timescale_edition(connection)
    if edition != "timescale":
        return f"the server's TimescaleDB has the {edition} edition; the Community Edition is needed"
    return None


def _timescale_edition(connection: psycopg.Connection[TupleRow]) -> str:
    """`timescale` (Community) or `apache`. Only a database with the extension shows it: created, then rolled back."""
    with psycopg.connect(connection.info.dsn, password=connection.info.password) as trial:
        trial.execute("CREATE EXTENSION IF NOT EXISTS timescaledb SCHEMA public")
        edition = str(_scalar(trial, "SHOW timescaledb.license"))
        trial.rollback()
    return edition


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("-")[0].split("."))


def _installation(connection: psycopg.Connection[TupleRow]) -> Installation | None:
    if _scalar(connection, "SELECT to_regclass('telemetry.installation')") is None:
        return None
    with connection.cursor(row_factory=class_row(Installation)) as cursor:
        return cursor.execute("SELECT profile, release, sql_fingerprint FROM telemetry.installation").fetchone()


def _applied_ids(connection: psycopg.Connection[TupleRow]) -> set[str]:
    if _scalar(connection, "SELECT to_regclass('migration_log._yoyo_migration')") is None:
        return set()
    return {row[0] for row in connection.execute("SELECT migration_id FROM migration_log._yoyo_migration")}


def _refuse_newer(unknown: set[str]) -> None:
    if unknown:
        raise SchemaMismatch(
            f"the database has migrations this release ({__version__}) does not know: {', '.join(sorted(unknown))}; "
            "run a newer release"
        )


def _migrations(profile: Profile) -> list[Any]:
    # yoyo reads its sources one after the other; ids are numbered over all folders, so that sorting them gives the
    # order in which they were written.
    found = read_migrations(str(MIGRATIONS_DIRECTORY / "common"), str(MIGRATIONS_DIRECTORY / profile))
    return sorted(found, key=lambda migration: str(migration.id))


class _Backend(PostgresqlPsycopgBackend):  # type: ignore[misc]
    """yoyo on an open connection, with its tables in a schema of its own.

    yoyo's lock is a row that a killed process would leave behind; the advisory lock held here replaces it. yoyo
    runs each migration on a copy of its backend and closes that; here the copy is the same connection, so that all of
    them share one transaction.
    """

    _is_locked = True

    def __init__(self, connection: psycopg.Connection[TupleRow]) -> None:
        self._given = connection
        super().__init__(parse_uri(f"postgresql+psycopg:///{connection.info.dbname}"), "_yoyo_migration")

    def connect(self, dburi: object) -> psycopg.Connection[TupleRow]:  # noqa: ARG002
        self.schema = "migration_log"
        return self._given

    def copy(self) -> "_Backend":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _apply_when_locks_are_free(connection: psycopg.Connection[TupleRow], profile: Profile) -> list[str]:
    """Apply everything in one transaction, rolled back and repeated where a lock is not free soon."""
    for tries in range(1, MAX_TRIES_FOR_LOCKS + 1):
        try:
            return _apply(connection, profile)
        except psycopg.errors.LockNotAvailable as error:
            holders = _holders_of_locks(connection)
            if tries == MAX_TRIES_WHERE_NOTHING_CHANGES and _is_current(connection, _installation(connection)):
                logger.warning(
                    "the database is this release's already, and was left as it is; locks held by: %s", holders
                )
                return []
            if tries == MAX_TRIES_FOR_LOCKS:
                raise DatabaseBusy(
                    f"the migration needs a lock that others hold ({error.diag.message_primary}), and gave up after "
                    f"{tries} tries; nothing was changed. Wait for these or end them, then run it again: {holders}"
                ) from None
            if tries == 1:
                logger.warning("waiting for locks, in tries of %d ms; held by: %s", LOCK_TIMEOUT_MS, holders)
        time.sleep(PAUSE_BETWEEN_TRIES_S)
    raise AssertionError("unreachable")


def _holders_of_locks(connection: psycopg.Connection[TupleRow]) -> str:
    """Sessions with a transaction that has been open long enough to block this one, the longest first."""
    rows = connection.execute(
        """
        SELECT format(
            'pid %%s (%%s, %%s, in a transaction for %%s s)',
            pid, usename, coalesce(nullif(application_name, ''), 'no application name'),
            round(extract(epoch FROM clock_timestamp() - xact_start), 1)
        )
        FROM pg_catalog.pg_stat_activity
        WHERE
            datname = pg_catalog.current_database()
            AND pid <> pg_catalog.pg_backend_pid()
            AND xact_start < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => %s)
        ORDER BY xact_start
        LIMIT 5
        """,
        [LOCK_TIMEOUT_MS / 1000],
    ).fetchall()
    return "; ".join(row[0] for row in rows) or "nobody any more"


def _apply(connection: psycopg.Connection[TupleRow], profile: Profile) -> list[str]:
    connection.execute("CREATE SCHEMA IF NOT EXISTS migration_log")
    connection.execute("CREATE SCHEMA IF NOT EXISTS telemetry")
    migrations = _migrations(profile)
    _refuse_newer(_applied_ids(connection) - {migration.id for migration in migrations})
    backend = _Backend(connection)
    backend.ensure_internal_schema_updated()
    pending = backend.to_apply(MigrationList(migrations))
    # One transaction around yoyo's own: a migration is applied and recorded, or neither; and readers see the old tables
    # with the old schemas, or the new ones with the new, since views keep the tables they show.
    with backend.transaction():
        connection.execute("SET LOCAL client_min_messages = warning")
        _keep_vacuum_away(connection)
        connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
        if pending:
            _keep_writers_away(connection)
        _put_aside(connection, drop=bool(pending))
        backend.apply_migrations_only(pending)
        is_new = _scalar(connection, "SELECT count(*) FROM telemetry.installation") == 0
        if is_new:
            connection.execute(
                "INSERT INTO telemetry.installation (profile, release, sql_fingerprint) VALUES (%s, %s, '')",
                [profile, __version__],
            )
        connection.execute("RESET search_path")
        for schema, comment in REBUILT.items():
            connection.execute(f"CREATE SCHEMA {schema}")
            connection.execute(f"COMMENT ON SCHEMA {schema} IS '{comment}'")
        reapply.reapply(connection, profile)
        connection.execute(
            "UPDATE telemetry.installation SET release = %s, sql_fingerprint = %s, migrated_at = now()",
            [__version__, reapply.fingerprint(profile)],
        )
        if is_new:
            _create_jobs(connection)
    _drop_what_was_put_aside(connection)
    return [migration.id for migration in pending]


def _create_jobs(connection: psycopg.Connection[TupleRow]) -> None:
    """Apply the policies of a new database; after that, its jobs are the DBA's."""
    connection.execute(query("apply_policies"))


def _keep_vacuum_away(connection: psycopg.Connection[TupleRow]) -> None:
    """Take a lock on every table that conflicts with vacuum, but not with reads and writes.

    An autovacuum yields to a session that waits for its lock, but only after a second, which is longer than a statement
    that stops ingest may wait.
    """
    connection.execute(f"SET LOCAL lock_timeout = {VACUUM_LOCK_TIMEOUT_MS}")
    tables = _scalar(
        connection,
        "SELECT string_agg(format('ONLY telemetry.%I', relname), ', ' ORDER BY relname) FROM pg_catalog.pg_class "
        "WHERE relnamespace = 'telemetry'::regnamespace AND relkind = 'r'",
    )
    if tables:
        connection.execute(f"LOCK TABLE {tables} IN SHARE UPDATE EXCLUSIVE MODE")


def _keep_writers_away(connection: psycopg.Connection[TupleRow]) -> None:
    """Take a lock on the histories that lets readings wait before they have a lock of their own.

    Triggers read the schemas that are dropped next. A writer that came in between would wait for these, and the
    migration for the writer's lock on its history.
    """
    histories = _scalar(
        connection,
        "SELECT string_agg(format('telemetry.%I', relname), ', ' ORDER BY relname) FROM pg_catalog.pg_class "
        "WHERE relnamespace = 'telemetry'::regnamespace AND relkind = 'r' AND relname LIKE '%\\_history'",
    )
    if histories:
        connection.execute(f"LOCK TABLE {histories} IN SHARE ROW EXCLUSIVE MODE")


def _put_aside(connection: psycopg.Connection[TupleRow], *, drop: bool) -> None:
    """Rename the former schemas, for new ones.

    To rename them waits for nobody: who is reading their views goes on reading them. But these hold on to the tables
    that a migration may change, so where there is one they are dropped. Raises :class:`SchemaMismatch` where a schema
    is somebody else's.
    """
    connection.execute(_DROP_WHAT_WAS_PUT_ASIDE)
    for schema in REBUILT:
        if _scalar(connection, f"SELECT to_regnamespace('{schema}')") is None:
            continue
        comment = _scalar(connection, f"SELECT obj_description('{schema}'::regnamespace, 'pg_namespace')")
        if _MARK not in (comment or ""):
            raise SchemaMismatch(
                f"the database has a schema {schema} that is not this service's, and a migration would drop it; "
                f"rename it, for example: ALTER SCHEMA {schema} RENAME TO our_{schema}"
            )
        connection.execute(
            f"DROP SCHEMA {schema} CASCADE" if drop else f"ALTER SCHEMA {schema} RENAME TO {schema}{ASIDE}"
        )


_DROP_WHAT_WAS_PUT_ASIDE = f"DROP SCHEMA IF EXISTS {', '.join(schema + ASIDE for schema in REBUILT)} CASCADE"


def _drop_what_was_put_aside(connection: psycopg.Connection[TupleRow]) -> None:
    """Drop the former schemas when their last readers are gone; where they stay, the next migration does it."""
    for tries in range(1, MAX_TRIES_TO_DROP + 1):
        try:
            with connection.transaction():
                connection.execute("SET LOCAL client_min_messages = warning")
                connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
                connection.execute(_DROP_WHAT_WAS_PUT_ASIDE)
        except psycopg.errors.LockNotAvailable:
            if tries == MAX_TRIES_TO_DROP:
                holders = _holders_of_locks(connection)
                logger.warning("the former schemas are still read, and stay until the next migration: %s", holders)
        else:
            return


def _scalar(connection: psycopg.Connection[TupleRow], statement: str) -> Any:
    row = connection.execute(cast(Any, statement)).fetchone()
    return None if row is None else row[0]
