"""Keys of the API from the command line; what it does is in SQL, and the same over HTTP."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import psycopg
from psycopg.rows import namedtuple_row

from app.config import Settings
from app.db.queries import query
from app.errors import ConfigurationError, DatabaseUnavailable, KeyRefused
from app.wire.keys import Scope

Connection = psycopg.Connection[Any]

_ACTIONS = ("add", "list", "rotate", "revoke", "first")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command `keys`."""
    parser.add_argument(
        "action",
        choices=_ACTIONS,
        metavar=f"{{{','.join(_ACTIONS)}}}",
        help="add: make a key and print it, once; list: print all; rotate: make one like KEY, which stays valid for a "
        "day; revoke: make KEY invalid; first: make an admin's key unless there is one, and write it to --file",
    )
    parser.add_argument(
        "key", nargs="?", metavar="KEY", help="of rotate and revoke: the id of the key, or the key itself"
    )
    parser.add_argument("--name", help="of add: what uses the key, such as 'gateway north'")
    parser.add_argument("--scope", choices=get_args(Scope), help="of add: what the key allows")
    parser.add_argument(
        "--device", action="append", metavar="ID", help="of scope device: a device it speaks for; several times"
    )
    parser.add_argument(
        "--prefix", action="append", metavar="TEXT", help="of scope gateway: how ids begin; several times"
    )
    parser.add_argument(
        "--expires", metavar="TIME", help="of add: until when it is valid, such as 2027-01-31T00:00:00Z"
    )
    parser.add_argument("--file", type=Path, metavar="FILE", help="write the key to a file that only its owner reads")


def run(url: str, options: argparse.Namespace) -> int:
    """Make, list, rotate or revoke keys; returns 0.

    Raises :class:`KeyRefused` where it is not allowed, with what is, and :class:`DatabaseUnavailable`.
    """
    with _connected(url) as connection:
        if options.action == "list":
            for row in connection.execute(query("keys")).fetchall():
                _say(_line(row))
        elif options.action == "revoke":
            connection.execute(query("revoke_key"), {"key_id": _key_id(options), "operator": _login()})
            _say("revoked; services take it for up to two seconds more")
        elif options.action == "first" and any(row.scope == "admin" for row in connection.execute(query("valid_keys"))):
            _say("an admin's key exists; nothing was made")
        else:
            _hand_over(_made(connection, options), options.file)
    return 0


def require_some(url: str, settings: Settings) -> None:
    """Raises :class:`ConfigurationError` where requests need keys, and there is none."""
    if not settings.needs_keys:
        return
    with _connected(url) as connection:
        if not connection.execute(query("valid_keys")).fetchall():
            raise ConfigurationError(
                f"requests to {settings.host} need keys, and there is none: make the first one, "
                "ev-fleet-energy keys add --name admin --scope admin, or let everybody in with ENERGY_OPEN=yes"
            )


def _made(connection: Connection, options: argparse.Namespace) -> str:
    if options.action == "rotate":
        asked = {"key_id": _key_id(options), "operator": _login()}
        [row] = connection.execute(query("rotate_key"), asked).fetchall()
        return str(row.key)
    is_first = options.action == "first"
    if not is_first and (options.name is None or options.scope is None):
        raise KeyRefused("--name and --scope are needed, such as keys add --name 'gateway north' --scope gateway")
    asked = {
        "name": "admin" if is_first else options.name,
        "scope": "admin" if is_first else options.scope,
        "device_ids": options.device,
        "id_prefixes": options.prefix,
        "expires_at": options.expires,
        "operator": _login(),
    }
    [row] = connection.execute(query("add_key"), asked).fetchall()
    return str(row.key)


def _hand_over(key: str, path: Path | None) -> None:
    if path is None:
        _say(key)
        sys.stderr.write("keep it now: it is shown this once\n")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as written:
        written.write(key + "\n")
    _say(f"the key is in {path}")


def _key_id(options: argparse.Namespace) -> str:
    if options.key is None:
        raise KeyRefused(f"the key is missing: such as keys {options.action} 1a2b3c4d; keys list shows them")
    parts = options.key.split("_")
    return str(parts[1] if len(parts) == 3 else options.key)


def _login() -> str:
    return os.environ.get("SUDO_USER") or os.environ.get("USER") or "command line"


def _line(row: Any) -> str:
    """A key as a person reads it."""
    devices = f" for {', '.join(row.device_ids or row.id_prefixes)}" if row.device_ids or row.id_prefixes else ""
    ends = (
        f"; revoked {row.revoked_at:%F %R}"
        if row.revoked_at
        else f"; valid until {row.expires_at:%F %R}"
        if row.expires_at
        else ""
    )
    used = f"last used {row.last_used_at:%F %R}" if row.last_used_at else "never used"
    return f"{row.key_id}  {row.scope:<8}  {row.name}{devices}; made {row.created_at:%F %R}; {used}{ends}"


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    try:
        with psycopg.connect(url, autocommit=True, row_factory=namedtuple_row, options="-c timezone=UTC") as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"the database is not available: {error}") from None
    except psycopg.errors.InsufficientPrivilege as error:
        raise KeyRefused(f"this role may not do it: {error.diag.message_primary}") from None
    except (psycopg.DataError, psycopg.errors.NoDataFound) as error:
        raise KeyRefused(str(error.diag.message_primary)) from None


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
