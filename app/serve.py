"""Runs the service: its database, its socket, its end."""

import logging
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from app import migrate
from app.asgi import create_app
from app.config import Settings
from app.embedded import EmbeddedServer
from app.errors import ConfigurationError, DatabaseUnavailable

logger = logging.getLogger("energy.service")

BACKLOG = 2048


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The database to work with, ready for use: the one that is set, or the embedded server while the block lasts.

    The embedded one is private and so is migrated here; one that is set is only checked. Raises
    :class:`DatabaseUnavailable`, :class:`SchemaMismatch`, :class:`ProfileMismatch`, :class:`RoleLacksRight`,
    :class:`EmbeddedServerError`.
    """
    with any_database(settings) as url:
        if settings.database_url is None:
            migrate.migrate(url, settings.storage_profile)
        else:
            migrate.check(url)
            if settings.database_read_url is not None:
                migrate.check_reader(settings.database_read_url)
        yield url


@contextmanager
def any_database(settings: Settings) -> Iterator[str]:
    """The database to work with, whatever state its schema is in."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    if settings.database_read_url is not None:
        raise ConfigurationError("DATABASE_READ_URL is set and DATABASE_URL is not: readings could not be written")
    with EmbeddedServer(settings.data_dir, settings.postgres_bindir, settings.postgres_user) as server:
        logger.info("join the embedded PostgreSQL with: psql '%s'", server.url)
        yield server.url


@contextmanager
def serving(settings: Settings, url: str, stop: threading.Event) -> Iterator[str]:
    """The service answering at the address yielded while the block lasts; then it commits what it took, and ends.

    Where the server ends before the block does, `stop` is set, and what comes of it is :class:`DatabaseUnavailable`.

    The server runs in a thread of its own, so that signals stay with the caller. Raises :class:`ConfigurationError`
    where the address cannot be listened on, :class:`DatabaseUnavailable` where the service cannot start.
    """
    listener = _listen(settings)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(url, settings),
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(settings.drain_timeout_s)),
        )
    )
    thread = threading.Thread(target=_run, args=(server, listener, stop), name="http-server")
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
            if not thread.is_alive():
                raise DatabaseUnavailable("the service could not start; its log says why")
        host, port = listener.getsockname()[:2]
        yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
        if not thread.is_alive():
            raise DatabaseUnavailable("the service ended by itself; its log says why")
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _run(server: uvicorn.Server, listener: socket.socket, stop: threading.Event) -> None:
    try:
        server.run(sockets=[listener])
    finally:
        stop.set()


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set while the block lasts.

    A Python handler runs in the main thread alone, which need not wake for it where several signals come together, and
    an event set there may meet its own lock. So the signal writes a byte, and a thread that reads it sets the event.
    """
    stop = threading.Event()
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    watcher = threading.Thread(target=_set_when_woken, args=(reading, stop), name="signals", daemon=True)
    watcher.start()
    former_fd = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    former = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(former_fd)
        writing.close()
        watcher.join()
        reading.close()


def _set_when_woken(reading: socket.socket, event: threading.Event) -> None:
    reading.recv(1)
    event.set()


def _listen(settings: Settings) -> socket.socket:
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"cannot listen on {settings.host} port {settings.port}: {error}") from None
    return listener
