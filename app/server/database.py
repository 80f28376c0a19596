"""The database that a command works with: the one that is set, or the embedded server."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import SubprocessError

from app.config import Settings
from app.db import migrate
from app.errors import ConfigurationError, DatabaseUnavailable, EmbeddedServerError, SchemaMissing
from app.local.embedded.directory import place
from app.local.embedded.joined import JoinedServer, join_or_start
from app.local.embedded.server import EmbeddedServer

logger = logging.getLogger("energy.service")


@contextmanager
def database(settings: Settings, *, serves: bool = False) -> Iterator[str]:
    """The database to work with, ready for use: the one that is set, or the embedded server while the block lasts.

    The embedded server is private and so is migrated here, by whoever starts it; one that a running service has
    started is only checked, as is a database that is set. With `serves`, the embedded server is started and never
    joined, and where it ends by itself this process gets SIGTERM: only its supervisor can start
    both again. Raises :class:`DatabaseUnavailable`, :class:`SchemaMismatch`,
    :class:`ProfileMismatch`, :class:`RoleLacksRight`, :class:`EmbeddedServerError`.
    """
    if settings.database_url is not None:
        migrate.check(settings.database_url)
        if settings.database_read_url is not None:
            migrate.check_reader(settings.database_read_url)
        yield settings.database_url
        return
    with _embedded(settings, serves=serves) as server:
        if isinstance(server, JoinedServer):
            _check_joined(server.url, settings)
        else:
            migrate.migrate(server.url, settings.storage_profile)
        yield server.url


@contextmanager
def any_database(settings: Settings) -> Iterator[str]:
    """The database to work with, in any state of its schema; otherwise as :func:`database`."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    with _embedded(settings, serves=False) as server:
        yield server.url


@contextmanager
def _embedded(settings: Settings, *, serves: bool) -> Iterator[EmbeddedServer | JoinedServer]:
    if settings.database_read_url is not None:
        raise ConfigurationError("DATABASE_READ_URL is set and DATABASE_URL is not: readings could not be written")
    where = settings.data_dir, settings.postgres_bindir, settings.postgres_user
    demo = None if serves else _demo_beside(settings)
    with EmbeddedServer(*where) if serves else join_or_start(*where) as server:
        if isinstance(server, EmbeddedServer):
            logger.info("join the embedded PostgreSQL with: psql '%s'", server.url)
            if demo is not None:
                logger.warning(
                    "this is the database in %s, and the demo's is another one: for that, set ENERGY_DATA_DIR=%s",
                    server.data_dir,
                    demo,
                )
            if serves:
                server.watch(lambda: os.kill(os.getpid(), signal.SIGTERM))
        else:
            logger.info("joined the embedded PostgreSQL in %s, process %d", server.data_dir, server.pid)
        try:
            yield server
        except DatabaseUnavailable as error:
            try:
                server.check()
            except EmbeddedServerError as cause:
                raise DatabaseUnavailable(f"{error}: {cause}") from None
            raise
        if serves:
            server.check()


def _demo_beside(settings: Settings) -> Path | None:
    """The data directory of a demo that may be meant instead: one that runs, or that is there where no other is."""
    demo = settings.data_dir / "demo"
    try:
        cluster, other = (
            place(directory, settings.postgres_user)[0] / "cluster" for directory in (settings.data_dir, demo)
        )
    except (OSError, SubprocessError):
        # The start reports it.
        return None
    sign = "postmaster.pid" if cluster.exists() else "PG_VERSION"
    return demo if (other / sign).exists() else None


def _check_joined(url: str, settings: Settings) -> None:
    try:
        migrate.check(url)
    except SchemaMissing:
        # The service that has just started it also migrates it, so wait for that.
        migrate.migrate(url, settings.storage_profile)
