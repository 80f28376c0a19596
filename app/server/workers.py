"""The service in several processes on one port."""

import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import uvicorn
from prometheus_client import multiprocess
from starlette.types import ASGIApp
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from app.config import Settings
from app.errors import DatabaseUnavailable
from app.http.app import create_app
from app.server.listen import address_of, listen_each
from app.server.logs import configure_logging
from app.server.run import server_config

logger = logging.getLogger("energy.service")
WORKER_START_TIMEOUT_S = 60
"""Time in which every worker has to begin answering."""
WORKER_SILENCE_S = 30
"""Time after which an unresponsive worker is replaced."""


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
        listeners = [stack.enter_context(listener) for listener in listen_each(settings)]
        figures = stack.enter_context(tempfile.TemporaryDirectory(prefix="energy-metrics-"))
        # Where workers add up their metrics; prometheus_client reads it when a worker imports it.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = figures
        config = server_config(
            settings,
            partial(_worker_app, url, settings),
            factory=True,
            workers=settings.workers,
            timeout_worker_healthcheck=WORKER_SILENCE_S,
        )
        workers = _Workers(config, listeners, lambda: announce(address_of(listeners[0])))
        # Its handlers are set now; an earlier signal has set the event.
        if not stop.is_set():
            workers.run()
        if workers.failed:
            raise DatabaseUnavailable("a worker could not start; its log says why")


class _Workers(Multiprocess):
    """uvicorn's supervisor, which reports when every worker answers, and removes the gauges of dead ones."""

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
        # Signals are handled elsewhere; this is set where a worker could not start.
        self.failed = self.should_exit.is_set()

    def restart_all(self) -> None:
        self._one_by_one(super().restart_all)

    def _one_by_one(self, act: Callable[[], None]) -> None:
        """Run `act` for each worker alone: a replacement gets the sockets that are set, here its own listener."""
        kept = []
        for index, process in enumerate(self.processes):
            self.processes, self.sockets = [process], [self._listeners[index % len(self._listeners)]]
            act()
            kept += self.processes
        self.processes = kept


def _worker_app(url: str, settings: Settings) -> ASGIApp:
    configure_logging(settings.log_format)
    threading.Thread(target=_end_with_the_supervisor, name="supervisor-watch", daemon=True).start()
    # A replacement may find no database, and waits for it while it answers 503.
    return create_app(url, settings, wait_for_database=False)


def _end_with_the_supervisor() -> None:
    supervisor = multiprocessing.parent_process()
    assert supervisor is not None
    multiprocessing.connection.wait([supervisor.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
