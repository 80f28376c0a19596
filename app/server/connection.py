"""One HTTP connection, as uvicorn handles it, and bounded in what it may hold.

uvicorn parses all that has arrived, queues every request in it, and reads on after each answer: a client that sends
requests faster than they are answered fills the memory, with 70 bytes for each that it sends. Here, what has arrived is
parsed step by step, and no further while a request waits for the answer to the one before; nor is more read. The client
is slowed down, and every request is answered.
"""

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_BYTES_PER_STEP = 16 * 1024
"""Bytes of a connection that are parsed before their requests are answered: 400 of the shortest requests."""
# The parser keeps a head until it has all of it.
MAX_HEAD_BYTES = 64 * 1024
"""Longest head of a request; a longer one is a 400."""


class BoundedProtocol(HttpToolsProtocol):
    """Holds the requests of one step, and the rest of one read from the socket."""

    _unparsed = memoryview(b"")
    _head_bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether requests wait, so that no more are read."""
        return bool(self.pipeline or self._unparsed)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _Flow(transport, self)

    def data_received(self, data: bytes) -> None:
        # Nothing is left unparsed from before: as long as there is, the transport does not read.
        self._unparsed = memoryview(data)
        self._parse()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._unparsed:
            self._parse()
            self.flow.resume_reading()

    def _parse(self) -> None:
        while self._unparsed and not self.pipeline and not self.transport.is_closing():
            step, self._unparsed = self._unparsed[:MAX_BYTES_PER_STEP], self._unparsed[MAX_BYTES_PER_STEP:]
            self._head_bytes += len(step)
            super().data_received(step)  # type: ignore[arg-type]
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response(f"The head of a request is larger than {MAX_HEAD_BYTES} bytes.")
        if self._unparsed:
            self.flow.pause_reading()

    def on_headers_complete(self) -> None:
        self._head_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        super().on_body(body)


class _Flow(FlowControl):
    """Reads on only where no request waits."""

    def __init__(self, transport: asyncio.Transport, protocol: BoundedProtocol) -> None:
        super().__init__(transport)
        self._protocol = protocol

    def resume_reading(self) -> None:
        if self.read_paused and not self._protocol.is_full:
            super().resume_reading()
