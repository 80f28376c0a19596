"""The sockets that the service listens on."""

import socket

from app.config import Settings
from app.errors import ConfigurationError

BACKLOG = 2048
"""Connections that may wait to be accepted."""


def address_of(listener: socket.socket) -> str:
    """The URL at which a socket is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def listen(settings: Settings) -> socket.socket:
    """A socket at the configured address. Raises :class:`ConfigurationError` where it cannot be listened on."""
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"cannot listen on {settings.host} port {settings.port}: {error}") from None


def listen_each(settings: Settings) -> list[socket.socket]:
    """A socket for each worker on one port, where the system has SO_REUSEPORT; elsewhere they share one.

    Raises :class:`ConfigurationError` where the address cannot be listened on.
    """
    # One that would not share the port finds out whether another service has it, and which port is free.
    first = listen(settings)
    if not hasattr(socket, "SO_REUSEPORT"):
        return [first] * settings.workers
    address, family = first.getsockname(), first.family
    first.close()
    return [
        socket.create_server(address[:2], family=family, backlog=BACKLOG, reuse_port=True)
        for _ in range(settings.workers)
    ]
