"""The state of the service, and problems."""

from msgspec import Struct


class Status(Struct):
    """The state of the service, in a word."""

    status: str


class Problem(Struct):
    """RFC 9457 problem document; `code` is stable, `detail` is for a person."""

    type: str
    title: str
    status: int
    code: str
    detail: str
