"""SIGINT and SIGTERM as an event."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set while the block lasts.

    A Python handler runs in the main thread alone, which need not wake for it where several signals come together, and
    an event set there may meet its own lock. So the signal writes a byte, and a thread that reads it sets the event.
    """
    stop = threading.Event()
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    watcher = threading.Thread(target=_set_when_woken, args=(reading, stop), name="signals", daemon=True)
    watcher.start()
    former_fd = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    former = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(former_fd)
        writing.close()
        watcher.join()
        reading.close()


def _set_when_woken(reading: socket.socket, event: threading.Event) -> None:
    reading.recv(1)
    event.set()
