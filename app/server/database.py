"""The database that a command works with: the one that is set, or the embedded server."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from app.config import Settings
from app.db import migrate
from app.errors import ConfigurationError
from app.local.embedded import EmbeddedServer

logger = logging.getLogger("energy.service")


@contextmanager
def database(settings: Settings, *, serves: bool = False) -> Iterator[str]:
    """The database to work with, ready for use: the one that is set, or the embedded server while the block lasts.

    The embedded one is private and so is migrated here; one that is set is only checked. With `serves`, an
    embedded one that ends by itself has this process told to stop, as by SIGTERM: nothing here would start it again,
    and what supervises the process does. Raises
    :class:`DatabaseUnavailable`, :class:`SchemaMismatch`, :class:`ProfileMismatch`, :class:`RoleLacksRight`,
    :class:`EmbeddedServerError`.
    """
    with any_database(settings, serves=serves) as url:
        if settings.database_url is None:
            migrate.migrate(url, settings.storage_profile)
        else:
            migrate.check(url)
            if settings.database_read_url is not None:
                migrate.check_reader(settings.database_read_url)
        yield url


@contextmanager
def any_database(settings: Settings, *, serves: bool = False) -> Iterator[str]:
    """The database to work with, whatever state its schema is in; otherwise as :func:`database`."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    if settings.database_read_url is not None:
        raise ConfigurationError("DATABASE_READ_URL is set and DATABASE_URL is not: readings could not be written")
    with EmbeddedServer(settings.data_dir, settings.postgres_bindir, settings.postgres_user) as server:
        logger.info("join the embedded PostgreSQL with: psql '%s'", server.url)
        if serves:
            server.watch(lambda: os.kill(os.getpid(), signal.SIGTERM))
        yield server.url
        server.check()
