"""The sockets that the service listens on."""

import errno
import socket
from http.client import HTTPConnection, HTTPException

from app.config import Settings
from app.errors import ConfigurationError

BACKLOG = 2048
"""Connections that may wait to be accepted."""
HIGHEST_PORT = 65535
ANSWER_TIMEOUT_S = 1.0
"""Time in which a program on a port that is in use has to answer to be known as this service."""
MAX_ANSWER_BYTES = 4096
"""Bytes read of that answer."""
PROBLEM_TYPE = b"urn:problem:ev-fleet-energy:"


def address_of(listener: socket.socket) -> str:
    """The URL at which a socket is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def check(settings: Settings) -> None:
    """Raises :class:`ConfigurationError` where the configured address cannot be listened on now.

    Asked before a command starts anything else; whoever takes the port after that is reported by :func:`listen`.
    """
    listen(settings).close()


def listen(settings: Settings) -> socket.socket:
    """A socket at the configured address. Raises :class:`ConfigurationError` where it cannot be listened on."""
    host, port = settings.host, settings.port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            other = port + 1 if port < HIGHEST_PORT else port - 1
            by = "a service of this project" if _is_ours(host, port) else "another program"
            raise ConfigurationError(
                f"port {port} of {host} is in use by {by}: stop that, or use another port, such as --port {other} (or "
                f"ENERGY_PORT={other}; 0 takes a free one)"
            ) from None
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {error}; set --host and --port, such as --host 127.0.0.1 --port 8000"
        ) from None


def _is_ours(host: str, port: int) -> bool:
    """Whether this service answers at an address: its problem documents have a type of their own."""
    connection = HTTPConnection(host, port, timeout=ANSWER_TIMEOUT_S)
    try:
        connection.request("GET", "/v1")
        return PROBLEM_TYPE in connection.getresponse().read(MAX_ANSWER_BYTES)
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def listen_each(settings: Settings) -> list[socket.socket]:
    """A socket for each worker on one port, where the system has SO_REUSEPORT; elsewhere they share one.

    Raises :class:`ConfigurationError` where the address cannot be listened on.
    """
    # A socket that does not share the port shows whether another service has it, and which port is free.
    first = listen(settings)
    if not hasattr(socket, "SO_REUSEPORT"):
        return [first] * settings.workers
    address, family = first.getsockname(), first.family
    first.close()
    return [
        socket.create_server(address[:2], family=family, backlog=BACKLOG, reuse_port=True)
        for _ in range(settings.workers)
    ]
