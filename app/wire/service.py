"""What the service says of itself: its state, and what went wrong."""

from msgspec import Struct


class Status(Struct):
    """How the service is, in a word."""

    status: str


class Problem(Struct):
    """RFC 9457 problem document; `code` is stable, `detail` is for a person."""

    type: str
    title: str
    status: int
    code: str
    detail: str
