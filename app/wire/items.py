"""The items of a JSON array, each still to be decoded, also where one of them is no JSON.

Devices write NaN, lone surrogates, numbers such as `.5` and keys in single quotes. A decoder gives up the whole array
at the first of these; here only the item that holds it is lost.
"""

import re
from itertools import islice

import msgspec

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MAX_MALFORMED_SIGNS = 200_000
"""Brackets, commas and strings, an object without another in it being one, among which the items of an array that is no
JSON are looked for; an array with more of them is refused whole."""

_raw_items = msgspec.json.Decoder(list[msgspec.Raw])

# An object without another in it at once, which nearly every reading is; else a string or a sign. A string without an
# end reaches to that of the body. Nothing here goes back to try again, so that no body takes longer than its length.
_TOKEN = re.compile(
    rb'\{[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+\}'
    rb'|"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
    rb"|[\[\]{},]",
    re.DOTALL,
)


def array_items(body: bytes) -> list[bytes]:
    """The items of a body that is an array. Raises what msgspec raises where it is none, or is cut off."""
    try:
        return [bytes(item) for item in _raw_items.decode(body)]
    except (msgspec.DecodeError, RecursionError):
        items = _split(body)
        if items is None:
            raise
        return items


def _split(body: bytes) -> list[bytes] | None:
    """The text between the commas of the outer array; None where its end is not that of the body."""
    begin = body.find(b"[") + 1
    if body[: max(0, begin - 1)].strip():
        return None
    items: list[bytes] = []
    depth = 0
    for token in islice(_TOKEN.finditer(body, begin), MAX_MALFORMED_SIGNS):
        if token.end() - token.start() > 1:
            continue
        sign = token[0]
        if sign in (b"[", b"{"):
            depth += 1
        elif depth and sign != b",":
            depth -= 1
        elif not depth:
            items.append(body[begin : token.start()].strip())
            begin = token.end()
            if sign != b",":
                return items if sign == b"]" and not body[begin:].strip() else None
    return None
