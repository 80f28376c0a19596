"""What a key allows, before any route sees the request: a path that nobody thought of is for admins.

Devices and gateways send readings and plug events of their own devices; readers ask; operators change devices,
assignments, decisions and corrections as well; admins do all.
"""

from starlette.requests import Request
from starlette.types import Scope as RequestScope

from app.errors import NotAllowed
from app.registry.keys import Key, Keyring

_OPEN = frozenset({"/livez", "/readyz"})
_SENDING = frozenset({"/v1/ingest", "/v1/assignments/events"})
_SENDERS = frozenset({"device", "gateway", "admin"})
_READERS = frozenset({"reader", "operator", "admin"})
_OPERATORS = frozenset({"operator", "admin"})
_ADMINS = frozenset({"admin"})
# What operators may write, by the beginning of the path.
_OPERATED = (
    "/v1/assignments",
    "/v1/corrections",
    "/v1/meters/",
    "/v1/register-decisions",
    "/v1/vehicles/",
)
_KEYS = "/v1/keys"


def allowed(method: str, path: str) -> frozenset[str]:
    """The scopes whose keys may send a request; empty where it needs no key."""
    if path in _OPEN or method == "OPTIONS":
        return frozenset()
    if method == "POST" and path in _SENDING:
        return _SENDERS | {"operator"} if path != "/v1/ingest" else _SENDERS
    if path.startswith(_KEYS):
        return _ADMINS
    if method in ("GET", "HEAD"):
        return _READERS
    return _OPERATORS if path.startswith(_OPERATED) else _ADMINS


def check(keyring: Keyring, scope: RequestScope) -> None:
    """Puts the key of a request into its scope. Raises :class:`KeyMissing` or :class:`NotAllowed` where it does not
    allow the request."""
    may = allowed(scope["method"], scope["path"])
    if not may:
        return
    given = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            given = value
    key = keyring.key(given)
    if key.scope not in may:
        raise NotAllowed(f"a key of scope {key.scope} does not allow this; {' or '.join(sorted(may))} does")
    scope["key"] = key


def key_of(request: Request) -> Key | None:
    """The key of a request; None where the service is open."""
    found: Key | None = request.scope.get("key")
    return found


def check_device(request: Request, device_id: str) -> None:
    """Raises :class:`NotAllowed` where the key of a request does not speak for a device."""
    key = key_of(request)
    if key is not None and not key.speaks_for(device_id):
        raise NotAllowed(f"the key does not speak for {device_id}", device_id=device_id)
