"""Reads and decodes request bodies; what is not allowed raises the problem that answers it."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import msgspec
from starlette.requests import Request

from app.errors import (
    BodyTooLarge,
    InvalidParameter,
    MalformedBody,
    MalformedItem,
    Overloaded,
    ProblemError,
    UnsupportedMediaType,
)
from app.wire.allowed import decode, such_as
from app.wire.items import BYTE_ORDER_MARK, array_items

JSON = "application/json"
NDJSON = "application/x-ndjson"
# Of the bodies that this service reads; a route may read fewer.
MEDIA_TYPES = (JSON, NDJSON)

_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_T = TypeVar("_T")


def check_media_type(content_type: str, known: Sequence[str]) -> str:
    """The media type that a Content-Type names, in lower case. Raises :class:`UnsupportedMediaType` where it is not
    among those known."""
    named = content_type.split(";")[0].strip().lower()
    if named not in known:
        fault = f"Content-Type {named} is not supported" if named else "Content-Type is missing"
        raise UnsupportedMediaType(f"{fault}; send Content-Type: {' or Content-Type: '.join(known)}")
    return named


def media_type(request: Request, known: Sequence[str]) -> str:
    """The body's media type, one of those known."""
    return check_media_type(request.headers.get("content-type", ""), known)


class BytesHeld:
    """How many bytes of unfinished bodies a process holds: each is let grow while all together are below the limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    @contextmanager
    def counting(self) -> Iterator[Callable[[int], None]]:
        """Counts the bytes of one body while the block lasts; the call yielded adds some, or raises
        :class:`Overloaded`. A body that is alone is let through: its own limit bounds it."""
        own = 0

        def add(count: int) -> None:
            nonlocal own
            if self._held > own and self._held + count > self._limit:
                raise Overloaded("too many large bodies are being received; send the request again later")
            own += count
            self._held += count

        try:
            yield add
        finally:
            self._held -= own


def too_large(max_bytes: int) -> BodyTooLarge:
    """What answers a body above the limit."""
    return BodyTooLarge(f"the body must be at most {max_bytes} bytes, decompressed")


async def body(request: Request, max_bytes: int, held: BytesHeld | None = None) -> bytes:
    """The body, decompressed; never more of it is held than the limit, nor of all bodies than `held` allows."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise UnsupportedMediaType(
            f"Content-Encoding {encoding} is not supported; send Content-Encoding: gzip, or none"
        )
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > max_bytes:
        raise too_large(max_bytes)
    inflate = _Inflate() if encoding == "gzip" else None
    content = bytearray()
    received = 0
    with (held or BytesHeld(max_bytes)).counting() as add:
        async for chunk in request.stream():
            # What is sent counts too: empty gzip members decompress to nothing, however many there are.
            received += len(chunk)
            more = inflate.feed(chunk, max_bytes - len(content)) if inflate else chunk
            add(len(more))
            content += more
            if max(received, len(content)) > max_bytes:
                raise too_large(max_bytes)
    if inflate:
        inflate.finish()
    return bytes(content)


class _Inflate:
    """Decompresses gzip, of one member or several, and never more than there is room for."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._began = False

    def feed(self, data: bytes, room: int) -> bytes:
        """What the data decompresses to: at most one byte more than there is room for."""
        out = bytearray()
        while data and len(out) <= room:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            self._began = True
            try:
                out += self._member.decompress(data, room + 1 - len(out))
            except zlib.error as error:
                raise MalformedBody(
                    f"the body is not gzip ({error}); compress it, or send it without Content-Encoding: gzip"
                ) from None
            data = self._member.unconsumed_tail or self._member.unused_data
        return bytes(out)

    def finish(self) -> None:
        """Raises :class:`MalformedBody` where the data ended too early."""
        if not self._began or not self._member.eof:
            raise MalformedBody("the gzip body ends too early; send all that gzip wrote")


async def json_body(request: Request, max_bytes: int) -> bytes:
    """The body of a request that has to be JSON."""
    media_type(request, (JSON,))
    return await body(request, max_bytes)


def is_array(content: bytes) -> bool:
    """Whether a JSON body is an array."""
    return content.removeprefix(BYTE_ORDER_MARK).lstrip()[:1] == b"["


def decoded(content: bytes, type_: type[_T], name: str = "the body") -> _T:
    """A JSON body as a struct of the wire. Raises :class:`InvalidParameter`, and :class:`MalformedBody` where it is not
    JSON."""
    content = content.removeprefix(BYTE_ORDER_MARK)
    if not content.strip():
        raise MalformedBody(f"{name} is empty; send JSON{such_as(type_)}")
    try:
        return decode(content, type_, name)
    except _NOT_JSON as error:
        raise MalformedBody(f"{name} is not JSON: {error}") from None


def items(content: bytes, is_lines: bool) -> list[bytes]:
    """The items of a JSON array or of lines of JSON, each still to be decoded. Raises :class:`MalformedBody` where the
    body is neither."""
    content = content.removeprefix(BYTE_ORDER_MARK)
    if is_lines:
        return [line for line in content.split(b"\n") if line.strip()]
    try:
        return array_items(content)
    except _NOT_JSON as error:
        raise MalformedBody(f"the body is not a JSON array: {error}") from None


def decoded_item(content: bytes, type_: type[_T]) -> _T | ProblemError:
    """An item as a struct of the wire, or why it is none."""
    try:
        return decoded(content, type_, "the item")
    except MalformedBody as error:
        return MalformedItem(error.detail)
    except InvalidParameter as error:
        return error


def all_good(found: Sequence[_T | ProblemError]) -> list[_T]:
    """The items, where every one could be decoded. Raises the first one's error, which names its index."""
    for index, item in enumerate(found):
        if isinstance(item, ProblemError):
            raise type(item)(f"item {index}: {item.detail}", item.extra)
    return [item for item in found if not isinstance(item, ProblemError)]
