"""The service in this process: answering while a block lasts."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from app.config import Settings
from app.errors import DatabaseUnavailable
from app.http.app import create_app
from app.server.connection import BoundedProtocol
from app.server.listen import address_of, listen


@contextmanager
def serving(settings: Settings, url: str, stop: threading.Event) -> Iterator[str]:
    """The service answering at the address yielded while the block lasts; then it commits accepted readings, and ends.

    Where the server ends before the block does, `stop` is set, and what comes of it is :class:`DatabaseUnavailable`.

    The server runs in a thread of its own, so that signals stay with the caller. Raises :class:`ConfigurationError`
    where the address cannot be listened on, :class:`DatabaseUnavailable` where the service cannot start.
    """
    listener = listen(settings)
    server = uvicorn.Server(server_config(settings, create_app(url, settings)))
    thread = threading.Thread(target=_run, args=(server, listener, stop), name="http-server")
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
            if not thread.is_alive():
                raise DatabaseUnavailable("the service could not start; its log says why")
        yield address_of(listener)
        if not thread.is_alive():
            raise DatabaseUnavailable("the service ended by itself; its log says why")
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def server_config(settings: Settings, app: Any, **further: Any) -> uvicorn.Config:
    """uvicorn's configuration for an application; `further` is added to it."""
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


def _run(server: uvicorn.Server, listener: socket.socket, stop: threading.Event) -> None:
    try:
        server.run(sockets=[listener])
    finally:
        stop.set()
