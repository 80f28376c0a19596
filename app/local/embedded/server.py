"""The private PostgreSQL: a server in a data directory, reached only through a Unix socket."""

import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from app.errors import EmbeddedServerError
from app.local.embedded.account import Account, last_lines, options_of
from app.local.embedded.address import DATABASE, PORT, database_url, make_socket_dir
from app.local.embedded.cluster import check_cluster, create_cluster, write_settings
from app.local.embedded.directory import make_data_dir, open_log, place, take_lock
from app.local.embedded.installation import (
    checked_bindir,
    copied_bindir,
    packaged_bindir,
    postgres_version,
    runs_as,
    timescale_version,
)
from app.local.embedded.processes import (
    POLL_INTERVAL_S,
    end_orphans,
    read_postmaster,
    remove_stale_locks,
    stop_postmaster,
)

log = logging.getLogger("energy.embedded")

START_TIMEOUT_S = 600.0
"""Time for the embedded server to start, crash recovery included: it replays up to `max_wal_size`."""
CONNECT_TIMEOUT_S = 30
"""Time for the first connection."""
WAIT_NOTICE_INTERVAL_S = 10.0
"""Time between two log lines about a start that takes long."""


class EmbeddedServer:
    """A private PostgreSQL server, whose data stays between runs; also a context manager.

    `bindir` is an installation's `bin` directory (default: the packaged one); `os_user` the account it runs as
    where the service runs as root; `durable=False` makes a throwaway cluster that a power cut may destroy. One server
    at a time uses a data directory.
    """

    def __init__(
        self, data_dir: Path, bindir: Path | None = None, os_user: str | None = None, durable: bool = True
    ) -> None:
        self.data_dir = data_dir
        self._bindir = bindir
        self._os_user = os_user
        self._durable = durable
        self._lock_fd: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_dir: Path | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """libpq URL of the database, for psycopg and psql; raises :class:`EmbeddedServerError` unless started."""
        return self._url(DATABASE)

    @property
    def pid(self) -> int:
        """Process id of the postmaster; raises :class:`EmbeddedServerError` unless started."""
        if self._process is None:
            raise EmbeddedServerError(f"the embedded PostgreSQL in {self.data_dir} is not started")
        return self._process.pid

    def start(self) -> None:
        """Create the cluster if there is none, start it, recover it if it crashed; return once it answers.

        Does nothing where it is started already. Afterwards `data_dir` is the directory really used, absolute. Raises
        :class:`EmbeddedServerError` saying what to do, with the last lines of `server.log` where the server gave up.
        """
        if self._lock_fd is not None:
            return
        try:
            self._start()
        except BaseException as error:
            try:
                self.stop()
            except EmbeddedServerError as stop_error:
                log.warning("%s", stop_error)
            if isinstance(error, OSError | subprocess.SubprocessError):
                raise EmbeddedServerError(
                    f"the embedded PostgreSQL in {self.data_dir} cannot be set up: {error}; see that there is room and "
                    "that the service may write there, or set ENERGY_DATA_DIR to another directory"
                ) from error
            raise

    def watch(self, on_end: Callable[[], None]) -> None:
        """Have a thread log it and call `on_end` where the started server ends by itself, before it is stopped."""
        process = self._process
        assert process is not None

        def wait() -> None:
            process.wait()
            if self._process is process:
                log.error("%s", self._how_it_ended(process))
                on_end()

        threading.Thread(target=wait, name="postgres-watch", daemon=True).start()

    def check(self) -> None:
        """Raises :class:`EmbeddedServerError` where the started server has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            raise EmbeddedServerError(
                f"{self._how_it_ended(self._process)}; the next start recovers what was committed"
            )

    def _how_it_ended(self, process: subprocess.Popen[bytes]) -> str:
        status = process.returncode
        how = f"killed by signal {-status}" if status < 0 else f"with status {status}"
        server_log = self.data_dir / "server.log"
        return f"the embedded PostgreSQL, process {process.pid}, ended by itself, {how}; see {server_log}"

    def stop(self) -> None:
        """Stop the server, ending its sessions, and release the data directory; does nothing where it is stopped.

        Raises :class:`EmbeddedServerError` where the server does not exit, even after an immediate stop.
        """
        process, self._process = self._process, None
        try:
            if process is not None:
                stop_postmaster(process.pid, lambda: process.poll() is not None)
        finally:
            socket_dir, self._socket_dir = self._socket_dir, None
            if socket_dir is not None and socket_dir.parent != self.data_dir:
                with suppress(OSError):
                    socket_dir.rmdir()
            lock_fd, self._lock_fd = self._lock_fd, None
            if lock_fd is not None:
                os.close(lock_fd)

    def _start(self) -> None:
        bindir = checked_bindir(self._bindir or packaged_bindir())
        version = postgres_version(bindir)
        asked = self.data_dir.resolve()
        self.data_dir, account = place(self.data_dir, self._os_user)
        if account is not None and self.data_dir != asked:
            log.warning(
                "account %s cannot enter %s: the embedded PostgreSQL uses %s", account.name, asked, self.data_dir
            )
        make_data_dir(self.data_dir, account)
        self._lock_fd = take_lock(self.data_dir, account)
        cluster = self.data_dir / "cluster"
        exists = check_cluster(self.data_dir, account, bindir, version)
        if exists:
            end_orphans(cluster, account)
        if account is not None and not runs_as(bindir, account):
            bindir = copied_bindir(bindir, version, self.data_dir, account)
        if not exists:
            create_cluster(self.data_dir, account, bindir, self._durable, self._lock_fd)
        write_settings(cluster, account, timescale_version(bindir) is not None, self._durable)
        self._socket_dir = make_socket_dir(self.data_dir, account)
        if exists:
            remove_stale_locks(cluster, self._socket_dir)
        self._launch(bindir, cluster, account)
        self._create_database()
        log.info("PostgreSQL %s is ready in %s, process %d", version, self.data_dir, self.pid)

    def _url(self, database: str) -> str:
        if self._socket_dir is None:
            raise EmbeddedServerError(f"the embedded PostgreSQL in {self.data_dir} is not started")
        return database_url(self._socket_dir, database)

    def _launch(self, bindir: Path, cluster: Path, account: Account | None) -> None:
        """Start the postmaster and wait until it takes connections."""
        # On the command line, where neither a file nor ALTER SYSTEM can open the server to others.
        fixed = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": f'"{self._socket_dir}"',
            "unix_socket_permissions": "0700",
        }
        command: list[str | Path] = [bindir / "postgres", "-D", cluster]
        for name, value in fixed.items():
            command += ["-c", f"{name}={value}"]
        server_log = self.data_dir / "server.log"
        log_fd = open_log(server_log, account)
        try:
            log_start = os.lseek(log_fd, 0, os.SEEK_END)
            self._process = subprocess.Popen(
                command,
                stdout=log_fd,
                stderr=log_fd,
                # Ctrl-C reaches the service alone, which stops the server once its requests have ended.
                start_new_session=True,
                **options_of(account),
            )
        finally:
            os.close(log_fd)
        if not self._wait_until_ready(self._process, cluster):
            with server_log.open("rb") as written:
                written.seek(log_start)
                ended_with = written.read().decode("utf-8", "replace")
            raise EmbeddedServerError(f"PostgreSQL did not start; {server_log} ends:\n{last_lines(ended_with)}")

    def _wait_until_ready(self, process: subprocess.Popen[bytes], cluster: Path) -> bool:
        """Whether the postmaster says it is ready before it exits or the time is up."""
        started = noticed = time.monotonic()
        while (now := time.monotonic()) < started + START_TIMEOUT_S:
            if process.poll() is not None:
                return False
            postmaster = read_postmaster(cluster)
            # The file of an earlier postmaster says nothing of this one.
            if postmaster is not None and postmaster.pid == process.pid and postmaster.is_ready:
                return True
            if now > noticed + WAIT_NOTICE_INTERVAL_S:
                log.warning("PostgreSQL in %s is still starting after %.0f s", self.data_dir, now - started)
                noticed = now
            time.sleep(POLL_INTERVAL_S)
        return False

    def _create_database(self) -> None:
        """Create the database where a first start has not come that far; with this the server has answered once."""
        try:
            with psycopg.connect(
                self._url("postgres"), autocommit=True, connect_timeout=CONNECT_TIMEOUT_S
            ) as connection:
                found = connection.execute("SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s", [DATABASE])
                if found.rowcount == 0:
                    # Nothing ever connects to template0; TimescaleDB's launcher visits template1, and would block this.
                    connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0")
        except psycopg.Error as error:
            raise EmbeddedServerError(f"PostgreSQL in {self.data_dir} started but does not answer: {error}") from error
