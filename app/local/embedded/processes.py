"""The processes of a cluster: found by its directory, stopped as `pg_ctl` does."""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from app.errors import EmbeddedServerError
from app.local.embedded.account import Account, run

log = logging.getLogger("energy.embedded")

STOP_FAST_TIMEOUT_S = 60.0
"""Time for it to stop in mode `fast`."""
STOP_IMMEDIATE_TIMEOUT_S = 15.0
"""Time for it to stop in mode `immediate`, after that."""
POLL_INTERVAL_S = 0.05
"""Time between two checks of a server that starts or stops."""


class Postmaster(NamedTuple):
    """What `postmaster.pid` says of a postmaster, which may run no more."""

    pid: int
    is_ready: bool
    socket_dir: str
    """Empty where it is not ready."""


def read_postmaster(cluster: Path) -> Postmaster | None:
    """The postmaster that the cluster's `postmaster.pid` names; None without one."""
    try:
        lines = (cluster / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    # A server in single-user mode writes its process id as a negative number.
    if not lines or not lines[0].isdigit():
        return None
    is_ready = len(lines) >= 8 and lines[7].strip() == "ready"
    return Postmaster(int(lines[0]), is_ready, lines[4].strip() if is_ready else "")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _arguments(pid: int) -> list[str]:
    """The command line of a process; empty where it is gone or may not be seen."""
    try:
        if Path("/proc/self").exists():
            return [os.fsdecode(word) for word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")][:-1]
        return run(["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], None).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return []


def serves(pid: int, cluster: Path) -> bool:
    """Whether a process is the postmaster of this cluster, by its command line."""
    arguments = _arguments(pid)
    return bool(arguments) and Path(arguments[0]).name == "postgres" and str(cluster) in arguments


def _processes_in(cluster: Path, account: Account | None) -> list[int]:
    """PostgreSQL processes whose working directory is the cluster; none where the system has no /proc."""
    script = """cd /proc && for pid in [0-9]*; do
        [ "$pid/cwd" -ef "$1" ] && read -r name < "$pid/comm" && [ "$name" = postgres ] && echo "$pid"
    done"""
    # Run as the account: root without CAP_SYS_PTRACE, as in a container, cannot see the directories of its processes.
    found = run(["/bin/sh", "-c", script, "sh", cluster], account)
    return [int(pid) for pid in found.stdout.split()]


def end_orphans(cluster: Path, account: Account | None) -> None:
    """Stop a postmaster that outlived its service, and the sessions that outlived their postmaster.

    Only processes of this cluster, and only with its lock held: no service is behind them.
    """
    postmaster = read_postmaster(cluster)
    if postmaster is not None and serves(pid := postmaster.pid, cluster):
        log.warning("PostgreSQL in %s still runs without its service, process %d: stopping it", cluster, pid)
        stop_postmaster(pid, lambda: not serves(pid, cluster))
    for session in _processes_in(cluster, account):
        _send(session, signal.SIGQUIT)
    if not _becomes_true(lambda: not _processes_in(cluster, account), STOP_IMMEDIATE_TIMEOUT_S):
        remaining = ", ".join(map(str, _processes_in(cluster, account)))
        raise EmbeddedServerError(f"processes of a former server still use {cluster}: end {remaining}")


def remove_stale_locks(cluster: Path, socket_dir: Path) -> None:
    """Remove lock files whose process id now belongs to some other program, which PostgreSQL would take for a server.

    In a container process ids are few and the same ones come back after every restart.
    """
    postmaster = read_postmaster(cluster)
    arguments = _arguments(postmaster.pid) if postmaster is not None else []
    if arguments and Path(arguments[0]).name != "postgres":
        for stale in (cluster / "postmaster.pid", *socket_dir.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)


def stop_postmaster(pid: int, has_ended: Callable[[], bool]) -> None:
    """Stop a postmaster as `pg_ctl stop -m fast` does, then, if that takes too long, as `-m immediate` does."""
    for request, timeout_s in (
        (signal.SIGINT, STOP_FAST_TIMEOUT_S),
        (signal.SIGQUIT, STOP_IMMEDIATE_TIMEOUT_S),
    ):
        if has_ended():
            return
        _send(pid, request)
        if _becomes_true(has_ended, timeout_s):
            return
        log.warning("PostgreSQL, process %d, still runs %.0f s after %s", pid, timeout_s, request.name)
    raise EmbeddedServerError(f"PostgreSQL, process {pid}, does not stop: end it by hand")


def _send(pid: int, request: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, request)


def _becomes_true(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_INTERVAL_S)
    return True
