"""The server that another process runs in the data directory."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from app.errors import DataDirectoryInUse, EmbeddedServerError
from app.local.embedded.address import DATABASE, database_url
from app.local.embedded.processes import is_alive, read_postmaster
from app.local.embedded.server import START_TIMEOUT_S, EmbeddedServer

log = logging.getLogger("energy.embedded")

JOIN_INTERVAL_S = 0.5
"""Time between two checks of a server that another process runs."""


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
    postmaster = read_postmaster(data_dir / "cluster")
    if postmaster is None or not postmaster.is_ready or not is_alive(postmaster.pid):
        return None
    return JoinedServer(data_dir, postmaster.pid, database_url(postmaster.socket_dir, DATABASE))
