"""Which requests are admitted, before any route sees them: no route can forget what is checked here.

Any web page can make the browser of a person who visits it send requests to that person's machine and network. Three
checks keep such requests from writing, and their answers from being read:

- `Host` is a name of this service. A name of the page's own that its DNS server points at this machine (DNS rebinding)
  would make the page same-origin; IP addresses, and `localhost`, cannot be pointed elsewhere.
- A write comes from no page, or from one of this service: `Sec-Fetch-Site` says so, or `Origin` where a browser sends
  no `Sec-Fetch-Site`, which is old ones, and all to a plain `http` address other than `localhost`. Another port of
  `localhost` is same-site, and another origin: it may not write either.
- A write names its content type. Without a preflight, which this service answers for reading alone
  (`ENERGY_READ_ORIGINS`), a page can send only types that are not read here, or none.

A preflight precedes every method but GET, HEAD and POST as well; a DELETE without a body needs no content type.
"""

import re
from collections.abc import Iterable

from starlette.types import Scope

from app.config import Settings
from app.errors import CrossOriginWrite, HostNotAllowed
from app.http import bodies

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_SITES_THAT_WRITE = frozenset({b"same-origin", b"none"})
# An IPv4 or IPv6 address, or a name, and a port. No DNS name is of digits and dots alone.
_HOST = re.compile(rb"(?:[0-9.]+|\[[0-9a-f:.]+\]|([a-z0-9_.-]+))(?::[0-9]*)?")


class Admission:
    """The checks, by the names that the settings give the service."""

    def __init__(self, settings: Settings) -> None:
        names = ("localhost", settings.host.lower(), *settings.allowed_hosts)
        self._names = frozenset(name.encode() for name in names)

    def check(self, scope: Scope) -> None:
        """Raises :class:`HostNotAllowed`, :class:`CrossOriginWrite` or :class:`UnsupportedMediaType` where a request
        is not let in."""
        given = scope["headers"]
        headers = dict(given)
        if len(headers) < len(given):
            headers = _joined(given)
        host = headers.get(b"host", b"").lower()
        if not self._is_own(host) and (b"host" in headers or scope["http_version"] != "1.0"):
            raise HostNotAllowed(
                f"host {host.decode('latin-1') or '(none)'} is not a name of this service: it answers to localhost, "
                "its IP addresses, ENERGY_HOST, and the names in ENERGY_ALLOWED_HOSTS, such as "
                "ENERGY_ALLOWED_HOSTS=energy.example"
            )
        if scope["method"] not in _SAFE_METHODS:
            _check_write(scope["method"], headers, host)

    def _is_own(self, host: bytes) -> bool:
        found = _HOST.fullmatch(host)
        return found is not None and (found[1] is None or found[1] in self._names)


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers by name; what stands several times is a list, and so none of the values it is compared with."""
    joined: dict[bytes, bytes] = {}
    for name, value in headers:
        joined[name] = joined[name] + b", " + value if name in joined else value
    return joined


def _check_write(method: str, headers: dict[bytes, bytes], host: bytes) -> None:
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    if site is None:
        is_own_page = origin is None or origin.lower() in (b"http://" + host, b"https://" + host)
    else:
        is_own_page = site in _SITES_THAT_WRITE
    if not is_own_page:
        raise CrossOriginWrite(
            "pages of another origin do not write here: Sec-Fetch-Site is same-origin, none or left out, and where it "
            "is left out, so is Origin, or it has the host of the request, such as Origin: http://localhost:8000"
        )
    if method == "POST" or b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0":
        bodies.check_media_type(headers.get(b"content-type", b"").decode("latin-1"), bodies.MEDIA_TYPES)
