"""The disk that the database is on, where this machine shows it."""

import shutil
from pathlib import Path


def free_bytes(host: str, data_directory: str | None) -> int | None:
    """Free bytes of the disk, where the server runs on this machine and shows its data directory; else None.

    `host` is that of a connection: empty, or a directory, for a socket.
    """
    if data_directory is None or (host and not host.startswith("/")):
        return None
    try:
        return shutil.disk_usage(Path(data_directory)).free
    except OSError:
        return None
