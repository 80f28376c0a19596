"""Runs the service: its database, its socket, its end."""

import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import uvicorn
from prometheus_client import multiprocess
from starlette.types import ASGIApp
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from app import migrate
from app.asgi import create_app
from app.config import Settings
from app.connection import BoundedProtocol
from app.embedded import EmbeddedServer
from app.errors import ConfigurationError, DatabaseUnavailable

logger = logging.getLogger("energy.service")

BACKLOG = 2048
# How long workers have to begin answering, and how long one may be deaf before it is replaced.
WORKER_START_TIMEOUT_S = 60
WORKER_SILENCE_S = 30


def configure_logging() -> None:
    """Log to standard error; of the libraries, only what is amiss."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("yoyo", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


@contextmanager
def database(settings: Settings, *, stops_without: bool = False) -> Iterator[str]:
    """The database to work with, ready for use: the one that is set, or the embedded server while the block lasts.

    The embedded one is private and so is migrated here; one that is set is only checked. With `stops_without`, an
    embedded one that ends by itself has this process told to stop, as by SIGTERM: nothing here would start it again,
    and what supervises the process does. Raises
    :class:`DatabaseUnavailable`, :class:`SchemaMismatch`, :class:`ProfileMismatch`, :class:`RoleLacksRight`,
    :class:`EmbeddedServerError`.
    """
    with any_database(settings, stops_without=stops_without) as url:
        if settings.database_url is None:
            migrate.migrate(url, settings.storage_profile)
        else:
            migrate.check(url)
            if settings.database_read_url is not None:
                migrate.check_reader(settings.database_read_url)
        yield url


@contextmanager
def any_database(settings: Settings, *, stops_without: bool = False) -> Iterator[str]:
    """The database to work with, whatever state its schema is in; otherwise as :func:`database`."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    if settings.database_read_url is not None:
        raise ConfigurationError("DATABASE_READ_URL is set and DATABASE_URL is not: readings could not be written")
    with EmbeddedServer(settings.data_dir, settings.postgres_bindir, settings.postgres_user) as server:
        logger.info("join the embedded PostgreSQL with: psql '%s'", server.url)
        if stops_without:
            server.watch(lambda: os.kill(os.getpid(), signal.SIGTERM))
        yield server.url
        server.check()


@contextmanager
def serving(settings: Settings, url: str, stop: threading.Event) -> Iterator[str]:
    """The service answering at the address yielded while the block lasts; then it commits what it took, and ends.

    Where the server ends before the block does, `stop` is set, and what comes of it is :class:`DatabaseUnavailable`.

    The server runs in a thread of its own, so that signals stay with the caller. Raises :class:`ConfigurationError`
    where the address cannot be listened on, :class:`DatabaseUnavailable` where the service cannot start.
    """
    listener = _listen(settings)
    server = uvicorn.Server(_server_config(settings, create_app(url, settings)))
    thread = threading.Thread(target=_run, args=(server, listener, stop), name="http-server")
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
            if not thread.is_alive():
                raise DatabaseUnavailable("the service could not start; its log says why")
        yield _address(listener)
        if not thread.is_alive():
            raise DatabaseUnavailable("the service ended by itself; its log says why")
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def serve_with_workers(settings: Settings, url: str, stop: threading.Event, announce: Callable[[str], None]) -> None:
    """The service in `settings.workers` processes on one port, until SIGINT or SIGTERM; `announce` is called with the
    address when all of them answer.

    A worker that dies is replaced; those that are left answer meanwhile. Each has a socket of its own, among which the
    system shares out the connections: on one socket for all, the first worker to wake took every one of a few. The
    sockets stay open here, so that connections which wait for a worker that died wait for its successor.

    Raises :class:`ConfigurationError` where the address cannot be listened on, :class:`DatabaseUnavailable` where a
    worker cannot start.
    """
    with ExitStack() as stack:
        listeners = [stack.enter_context(listener) for listener in _listen_each(settings)]
        figures = stack.enter_context(tempfile.TemporaryDirectory(prefix="energy-metrics-"))
        # Where workers add up their figures; prometheus_client reads it when it is imported by each of them.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = figures
        config = _server_config(
            settings,
            partial(_worker_app, url, settings),
            factory=True,
            workers=settings.workers,
            timeout_worker_healthcheck=WORKER_SILENCE_S,
        )
        workers = _Workers(config, listeners, lambda: announce(_address(listeners[0])))
        # Its handlers stand now; a signal that came before them has set the event.
        if not stop.is_set():
            workers.run()
        if workers.failed:
            raise DatabaseUnavailable("a worker could not start; its log says why")


class _Workers(Multiprocess):
    """uvicorn's supervisor, which tells when every worker answers, and forgets the gauges of those that died."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], announce: Callable[[], None]) -> None:
        super().__init__(config, sockets)
        self._listeners = sockets
        self.failed = False
        self._announce = announce

    def init_processes(self) -> None:
        self.processes = [Process(self.config, [listener]) for listener in self._listeners]
        for process in self.processes:
            process.start()
        if all(process.wait_until_ready(WORKER_START_TIMEOUT_S) for process in self.processes):
            self._announce()
        else:
            self.failed = True
            self.should_exit.set()

    def keep_subprocess_alive(self) -> None:
        if self.should_exit.is_set():
            return
        before = {process.process.pid for process in self.processes}
        self._one_by_one(super().keep_subprocess_alive)
        for pid in before - {process.process.pid for process in self.processes}:
            logger.warning("worker %s died and was replaced", pid)
            multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
        # Signals are looked at elsewhere; here it is set where a worker could not start.
        self.failed = self.should_exit.is_set()

    def restart_all(self) -> None:
        self._one_by_one(super().restart_all)

    def _one_by_one(self, act: Callable[[], None]) -> None:
        """What replaces workers, for each by itself: it gives them the sockets that are set."""
        kept = []
        for index, process in enumerate(self.processes):
            self.processes, self.sockets = [process], [self._listeners[index % len(self._listeners)]]
            act()
            kept += self.processes
        self.processes = kept


def _worker_app(url: str, settings: Settings) -> ASGIApp:
    configure_logging()
    threading.Thread(target=_end_with_the_supervisor, name="supervisor-watch", daemon=True).start()
    # A worker that replaces another may find the database away, and waits for it while it answers 503.
    return create_app(url, settings, wait_for_database=False)


def _end_with_the_supervisor() -> None:
    supervisor = multiprocessing.parent_process()
    assert supervisor is not None
    multiprocessing.connection.wait([supervisor.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _server_config(settings: Settings, app: Any, **further: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=settings.drain_timeout_s,
        **further,
    )


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


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
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"cannot listen on {settings.host} port {settings.port}: {error}") from None


def _listen_each(settings: Settings) -> list[socket.socket]:
    """A socket for each worker on one port, where the system has SO_REUSEPORT; elsewhere they share one."""
    # One that would not share the port finds out whether another service has it, and which port is free.
    first = _listen(settings)
    if not hasattr(socket, "SO_REUSEPORT"):
        return [first] * settings.workers
    address, family = first.getsockname(), first.family
    first.close()
    return [
        socket.create_server(address[:2], family=family, backlog=BACKLOG, reuse_port=True)
        for _ in range(settings.workers)
    ]
