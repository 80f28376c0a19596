"""The account that PostgreSQL runs as, and its programs, run as that account."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from app.errors import EmbeddedServerError

COMMAND_TIMEOUT_S = 30.0
"""Time for any other command of its programs."""
LOG_LINES_SHOWN = 15
"""Lines of its log that an error shows."""


class Account(NamedTuple):
    """A system account to run the database as, its supplementary groups left out."""

    name: str
    uid: int
    gid: int


def account_for(data_dir: Path, os_user: str | None) -> Account:
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
        return Account(account_name(owner.st_uid), owner.st_uid, owner.st_gid)
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


def account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def can_enter(directory: Path, account: Account) -> bool:
    # The kernel is asked rather than the mode bits, because access lists and mounts have a say too.
    return run(["/bin/sh", "-c", 'cd "$1"', "sh", directory], account).returncode == 0


def _environment() -> dict[str, str]:
    """The service's environment without PostgreSQL's variables: PGPORT, PGDATA, PGOPTIONS, a locale, a zone."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def options_of(account: Account | None) -> dict[str, Any]:
    """Options of :class:`subprocess.Popen` that start a program as the account, in an environment of its own."""
    options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "cwd": "/", "env": _environment(), "umask": 0o077}
    if account is not None:
        options |= {"user": account.uid, "group": account.gid, "extra_groups": []}
    return options


def run(
    command: Sequence[str | Path],
    account: Account | None,
    timeout_s: float = COMMAND_TIMEOUT_S,
    pass_fds: Sequence[int] = (),
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout_s,
        pass_fds=pass_fds,
        **options_of(account),
    )


def last_lines(text: str) -> str:
    return "\n".join(text.splitlines()[-LOG_LINES_SHOWN:])
