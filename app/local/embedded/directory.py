"""The data directory: where it is, whose it is, and its lock.

It holds `cluster/` (the database), `server.log`, `lock` (held while a server is started), `run/` (the socket) and,
where root's binaries had to be copied for the database's account, `postgresql-<version>-<hash>/`.
"""

import fcntl
import hashlib
import os
import time
from pathlib import Path

from app.errors import DataDirectoryInUse, EmbeddedServerError
from app.local.embedded.account import Account, account_for, account_name, can_enter
from app.local.embedded.processes import POLL_INTERVAL_S, is_alive

FALLBACK_BASE = Path("/var/lib/ev-fleet-energy")
LOCK_TIMEOUT_S = 10.0
"""Time that a start waits for the data directory's lock if the service that held it has gone; a running one is reported
at once."""
MAX_LOG_BYTES = 16 * 1024 * 1024
"""Size of its log above which the next start begins a new one; one old log is kept."""


def place(data_dir: Path, os_user: str | None) -> tuple[Path, Account | None]:
    """The directory really used for `data_dir`, and the account of its database; no account: the service's own.

    It is `data_dir` itself, unless the service runs as root, the database's account cannot enter it and no cluster is
    there yet: then a directory below :data:`FALLBACK_BASE` named by a hash of the absolute path. Creates nothing.
    Raises :class:`EmbeddedServerError` where `os_user` is no account the database can run as.
    """
    data_dir = data_dir.resolve()
    if os.geteuid() != 0:
        return data_dir, None
    account = account_for(data_dir, os_user)
    # An empty directory of root's is about to be handed to the account, so only what is above it matters.
    adopted = _is_empty_and_roots(data_dir)
    if can_enter(_nearest_directory(data_dir.parent if adopted else data_dir), account):
        return data_dir, account
    if (data_dir / "cluster" / "PG_VERSION").exists():
        # An empty cluster elsewhere would hide the data here; start() reports that this one cannot run.
        return data_dir, account
    fallback = FALLBACK_BASE / short_hash(str(data_dir))
    return fallback, account_for(fallback, os_user)


def short_hash(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:12]


def _is_empty_and_roots(directory: Path) -> bool:
    return directory.is_dir() and directory.stat().st_uid == 0 and not any(directory.iterdir())


def _nearest_directory(path: Path) -> Path:
    return next(candidate for candidate in (path, *path.parents) if candidate.is_dir())


def make_data_dir(data_dir: Path, account: Account | None) -> None:
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


def private_directory(path: Path, account: Account | None) -> None:
    """Create a directory nobody but the account may enter, or make sure that one is that."""
    uid, gid = (account.uid, account.gid) if account else (os.geteuid(), os.getegid())
    path.mkdir(mode=0o700, exist_ok=True)
    directory_fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        owner = os.fstat(directory_fd).st_uid
        if owner not in (uid, os.geteuid()):
            raise EmbeddedServerError(f"{path} belongs to the account {account_name(owner)}: remove it")
        if account is not None:
            os.fchown(directory_fd, uid, gid)
        os.fchmod(directory_fd, 0o700)
    finally:
        os.close(directory_fd)


def open_owned(path: Path, flags: int, account: Account | None) -> int:
    """Open a file of the account's, created where missing; a link another account planted is not followed."""
    file_fd = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if account is not None:
        os.fchown(file_fd, account.uid, account.gid)
    return file_fd


def open_log(path: Path, account: Account | None) -> int:
    if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
        path.replace(path.with_name(path.name + ".1"))
    return open_owned(path, os.O_WRONLY | os.O_APPEND, account)


def sync_directory(path: Path) -> None:
    directory_fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory_fd)
    finally:
        os.close(directory_fd)


def take_lock(data_dir: Path, account: Account | None) -> int:
    """File descriptor that holds the data directory's lock; raises :class:`EmbeddedServerError` naming its holder."""
    lock_fd = open_owned(data_dir / "lock", os.O_RDWR, account)
    try:
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                text = os.pread(lock_fd, 32, 0).decode("ascii", "replace").strip()
            # A holder that is gone left an initdb behind, which ends within seconds.
            if (text.isdigit() and is_alive(int(text))) or time.monotonic() > deadline:
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
