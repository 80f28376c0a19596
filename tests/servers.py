"""The database servers the tests run on, found and started by the code that starts the embedded one."""

import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from app import migrate
from app.embedded import EmbeddedServer, packaged_bindir, timescale_available
from app.migrate import Profile

PROFILES: tuple[Profile, ...] = ("postgres", "timescale")

_LOCAL_INSTALLATIONS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/opt/*/pgsql/bin")
_NEWEST_FIRST = re.compile(r"\d+")


class Unavailable(Exception):
    """There is no server for a profile; the message says what was looked for."""


@dataclass(frozen=True)
class Server:
    """A server on which databases can be made."""

    profile: Profile
    url: str

    @contextmanager
    def new_database(self, owner: str | None = None) -> Iterator[str]:
        """URL of a new, empty database, dropped afterwards; the server's superuser's unless told whose."""
        name = f"energy_test_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            owned = f" OWNER {owner}" if owner else ""
            connection.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0{owned}".encode())
        try:
            yield make_conninfo(self.url, dbname=name)
        finally:
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def signed_in(url: str, role: str) -> str:
    """A database's URL as one of the service's roles, which have no passwords: where the server may ask for one, who
    is in the URL takes the role on."""
    if str(conninfo_to_dict(url).get("host", "")).startswith("/"):
        return make_conninfo(url, user=role)
    return make_conninfo(url, options=f"-c role={role}")


def stop_jobs(url: str, profile: Profile) -> None:
    """Let no job start by itself in a database, and end those that run.

    A new job starts as soon as it is added, so this comes before the database is migrated, where that is to hold from
    the beginning.
    """
    if profile == "timescale":
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb SCHEMA public")
            connection.execute("SELECT _timescaledb_functions.stop_background_workers()")


def run_jobs(connection: psycopg.Connection[TupleRow]) -> None:
    """Upkeep, and each job of the histories and rollups once: whatever is due by the present policies happens."""
    if connection.execute("SELECT profile FROM telemetry.installation").fetchone() == ("timescale",):
        for (job,) in connection.execute(
            "SELECT job_id FROM timescaledb_information.jobs WHERE 'telemetry' IN (hypertable_schema, proc_schema) "
            "ORDER BY proc_name = 'policy_retention' DESC, proc_name DESC"
        ).fetchall():
            connection.execute("CALL public.run_job(%s)", (job,))
    connection.execute("CALL api.upkeep()")


@contextmanager
def open_directory() -> Iterator[Path]:
    """A temporary directory that other accounts can enter, as a database run by root needs it."""
    directory = Path(tempfile.mkdtemp(prefix="energy-test-", dir="/tmp"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


@contextmanager
def start(profile: Profile) -> Iterator[Server]:
    """A server of a profile while the block lasts. Raises :class:`Unavailable` where there is none."""
    if profile == "timescale" and (url := os.environ.get("TIMESCALE_URL")):
        migrate.create_roles(url)
        yield Server(profile, url)
        return
    bindir = packaged_bindir() if profile == "postgres" else local_timescale()
    if bindir is None:
        raise Unavailable(_NO_TIMESCALE)
    with open_directory() as directory, EmbeddedServer(directory / "data", bindir, durable=False) as server:
        migrate.create_roles(server.url)
        yield Server(profile, server.url)


_NO_TIMESCALE = "skipped: TIMESCALE_URL is not set and no local PostgreSQL has TimescaleDB Community Edition"


@cache
def local_timescale() -> Path | None:
    """`bin` of a local PostgreSQL with TimescaleDB Community Edition, the one POSTGRES_BINDIR names before others."""
    named = os.environ.get("POSTGRES_BINDIR")
    candidates = [Path(named)] if named else []
    for pattern in _LOCAL_INSTALLATIONS:
        found = Path("/").glob(pattern.lstrip("/"))
        candidates += sorted(found, key=lambda path: [int(n) for n in _NEWEST_FIRST.findall(str(path))], reverse=True)
    return next((path for path in candidates if (path / "postgres").exists() and timescale_available(path)), None)


@cache
def offered(profile: Profile) -> str:
    """What a profile's tests run on, or why they skip."""
    try:
        with start(profile) as server, server.new_database() as url, psycopg.connect(url) as connection:
            version = connection.info.parameter_status("server_version")
            row = connection.execute(
                "SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'"
            ).fetchone()
            return f"PostgreSQL {version}" + (f" with TimescaleDB {row[0]}" if profile == "timescale" and row else "")
    except Unavailable as reason:
        return str(reason)
