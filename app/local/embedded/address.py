"""The private socket and the URL that leads to it."""

import os
import re
import tempfile
from pathlib import Path
from urllib.parse import quote

from app.errors import EmbeddedServerError
from app.local.embedded.account import Account, can_enter
from app.local.embedded.directory import private_directory, short_hash

DATABASE = "energy"
ROLE = "energy"
PORT = 5432
# The smallest `sun_path` of the systems PostgreSQL runs on (104 bytes, macOS), less its terminating zero.
MAX_SOCKET_PATH_BYTES = 103
"""Longest path of its socket; a longer one is replaced by one in the temporary directory."""


def make_socket_dir(data_dir: Path, account: Account | None) -> Path:
    """The directory of the socket, created: `run/`, or one under the temporary directory where that cannot hold it."""
    name = f"ev-fleet-energy-{short_hash(str(data_dir))}"
    temporary = Path(tempfile.gettempdir()).resolve()
    for candidate in (data_dir / "run", temporary / name, Path("/tmp", name)):  # noqa: S108  its owner is checked
        socket = candidate / f".s.PGSQL.{PORT}"
        # libpq takes a comma in a host for the end of it; the server takes a quotation mark for the end of a directory.
        if len(os.fsencode(socket)) > MAX_SOCKET_PATH_BYTES or re.search(r'[,"]', str(candidate)):
            continue
        if account is None or can_enter(candidate.parent, account):
            private_directory(candidate, account)
            return candidate
    raise EmbeddedServerError(f"no directory can hold the socket of the embedded PostgreSQL in {data_dir}: set TMPDIR")


def database_url(socket_dir: Path | str, database: str) -> str:
    return f"postgresql://{ROLE}@/{database}?host={quote(str(socket_dir), safe='')}&port={PORT}"
