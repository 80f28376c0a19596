"""The database servers the tests run on, found and started by the code that starts the embedded one."""

import asyncio
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from app.analytics import reports
from app.config import Settings
from app.db import migrate
from app.db.migrate import Profile
from app.local.embedded.installation import packaged_bindir, postgres_version, timescale_version
from app.local.embedded.server import EmbeddedServer

PROFILES: tuple[Profile, ...] = ("postgres", "timescale")

# Where Debian's packages, Red Hat's and a build from source install PostgreSQL.
_LOCAL_INSTALLATIONS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql*/bin")


class Unavailable(Exception):
    """There is no server for a profile; the message says what was looked for."""


@dataclass(frozen=True)
class Server:
    """A server on which databases can be made."""

    profile: Profile
    url: str

    @contextmanager
    def new_database(self, owner: str | None = None, template: str = "template0") -> Iterator[str]:
        """URL of a new database, dropped afterwards: empty, or a copy; by default the server's superuser's."""
        name = f"energy_test_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            owned = f" OWNER {owner}" if owner else ""
            connection.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE {template}{owned}".encode())
        try:
            yield make_conninfo(self.url, dbname=name)
        finally:
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def url_of(connection: psycopg.Connection[TupleRow]) -> str:
    """The URL that a connection was made with, the password in it, which `info.dsn` leaves out."""
    return make_conninfo(connection.info.dsn, password=connection.info.password)


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


def compute_reports(url: str) -> None:
    """Compute what the service reports of a database, which it else does in the background, now."""
    while not asyncio.run(reports.compute(url, Settings(), is_forced=True)):
        # The service is at it.
        time.sleep(0.05)


@contextmanager
def open_directory() -> Iterator[Path]:
    """A temporary directory that other accounts can enter, as a database run by root needs it."""
    directory = Path(tempfile.mkdtemp(prefix="energy-test-", dir="/tmp"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def local_bindirs() -> list[Path]:
    """`bin` of each PostgreSQL that is installed here, servers or clients alone."""
    return [path for pattern in _LOCAL_INSTALLATIONS for path in sorted(Path("/").glob(pattern.lstrip("/")))]


@cache
def local_timescales() -> tuple[Path, ...]:
    """`bin` of each local PostgreSQL with TimescaleDB Community Edition: POSTGRES_BINDIR, then the newest first."""
    named = os.environ.get("POSTGRES_BINDIR")
    found = sorted(filter(_has_timescale, local_bindirs()), key=_release_numbers, reverse=True)
    return (*filter(_has_timescale, [Path(named)] if named else []), *found)


def local_timescale() -> Path | None:
    """The first of them."""
    return next(iter(local_timescales()), None)


def _has_timescale(bindir: Path) -> bool:
    return (bindir / "postgres").exists() and timescale_version(bindir) is not None


def _release_numbers(bindir: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", f"{postgres_version(bindir)} {timescale_version(bindir)}")]


@dataclass(frozen=True)
class Host:
    """What tests run on: a local installation, or without one the server that TIMESCALE_URL names."""

    profile: Profile
    bindir: Path | None


def _timescale_hosts() -> dict[str, Host]:
    if os.environ.get("TIMESCALE_URL"):
        return {"timescale": Host("timescale", None)}
    wanted = os.environ.get("TIMESCALE_SERVERS", "newest")
    if wanted not in ("newest", "all"):
        raise ValueError(f"TIMESCALE_SERVERS={wanted} is neither newest nor all: TIMESCALE_SERVERS=all")
    if wanted == "newest" or local_timescale() is None:
        return {"timescale": Host("timescale", local_timescale())}
    hosts: dict[str, Host] = {}
    for bindir in local_timescales():
        name = f"timescale-{timescale_version(bindir)}-pg{_release_numbers(bindir)[0]}"
        hosts.setdefault(name, Host("timescale", bindir))
    return hosts


# By the name that stands in the names of the tests.
HOSTS = {"postgres": Host("postgres", packaged_bindir()), **_timescale_hosts()}
TIMESCALE = [name for name, host in HOSTS.items() if host.profile == "timescale"]
ONLY_TIMESCALE = pytest.mark.parametrize("server", TIMESCALE, indirect=True)

_NO_TIMESCALE = (
    "skipped: TIMESCALE_URL is not set, and no PostgreSQL in POSTGRES_BINDIR or "
    f"{', '.join(_LOCAL_INSTALLATIONS)} has TimescaleDB Community Edition"
)


@contextmanager
def start(name: str) -> Iterator[Server]:
    """A server of a host's name while the block lasts. Raises :class:`Unavailable` where there is none."""
    host = HOSTS[name]
    if host.bindir is not None:
        with open_directory() as directory, EmbeddedServer(directory / "data", host.bindir, durable=False) as server:
            migrate.create_roles(server.url)
            yield Server(host.profile, server.url)
    elif url := os.environ.get("TIMESCALE_URL"):
        migrate.create_roles(url)
        yield Server(host.profile, url)
    else:
        raise Unavailable(_NO_TIMESCALE)


@cache
def offered(name: str) -> str:
    """What the tests of a host's name run on, or why they skip."""
    bindir = HOSTS[name].bindir
    if bindir is not None:
        return _release(postgres_version(bindir), timescale_version(bindir), f"in {bindir}")
    url = os.environ.get("TIMESCALE_URL")
    if not url:
        return _NO_TIMESCALE
    with psycopg.connect(url) as connection:
        [(postgres, timescale)] = connection.execute("""
            SELECT
                current_setting('server_version'),
                (SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb')
        """).fetchall()
    return _release(postgres, timescale, "at TIMESCALE_URL")


def _release(postgres: str, timescale: str | None, place: str) -> str:
    return f"PostgreSQL {postgres}{f' with TimescaleDB {timescale}' if timescale else ''} {place}"
